"""The model that comes with the program, for whoever names no other.

Needs no TensorFlow.
"""

import pathlib

from hific.errors import ModelLoadError

# A bundle, as `egic export` writes it, with its conformance vectors.
PATH = pathlib.Path(__file__).parent / "shipped" / "egic-small"


def directory() -> pathlib.Path:
    """`PATH`, where there is something.

    Raises:
        ModelLoadError: This installation lacks it.
    """
    if not PATH.is_dir():
        raise ModelLoadError(
            f"This installation lacks its own model, {PATH}. Install it again, or name "
            "another model: --model=DIR, or EGIC_MODEL=DIR in the environment of "
            '`egic`, or egic.load("DIR").'
        )
    return PATH
