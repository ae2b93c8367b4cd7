"""Prints docs/scaling.md, or measures what it is made of first.

python -m egic.scaling > docs/scaling.md
python -m egic.scaling --measure
"""

import argparse
import json
import pathlib
from collections.abc import Sequence

from egic.scaling.page import page

MEASURED = pathlib.Path(__file__).with_name("measured.json")


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the page, or measures first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--measure",
        action="store_true",
        help="measure here first: a quarter of an hour of an idle machine",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=MEASURED,
        metavar="FILE",
        help="where measurements are kept (default: beside the program)",
    )
    arguments = parser.parse_args(argv)
    if arguments.measure:
        from egic.scaling.measuring import measure

        arguments.out.write_text(json.dumps(measure(), indent=2) + "\n")
    print(page(json.loads(arguments.out.read_text())), end="")


if __name__ == "__main__":
    main()
