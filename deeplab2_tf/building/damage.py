"""Names a file of a build that cannot be read, and says what to do."""

import contextlib
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def named(path: pathlib.Path, remedy: str) -> Iterator[None]:
    """Turns what goes wrong while a file is parsed into an error that names it.

    Args:
        path: The file.
        remedy: What to do, a sentence.

    Raises:
        ValueError: The block raised ValueError, KeyError or TypeError.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). {remedy}") from error
