"""Many pictures at once, on any runner of Apache Beam.

    python -m egic.beam compress --input=photos --output=small --runner=DirectRunner

In a pipeline of one's own:

    with beam.Pipeline() as pipeline:
        paths = pipeline | beam.Create(["/photos/2024/a.png"])
        made, failed = paths | CompressPictures("/photos", "/small")

docs/beam.md has more.
"""

import logging

from egic import extras

_disabled = logging.root.manager.disable
logging.disable(logging.WARNING)  # It warns of what it lacks for BigQuery.
try:
    import apache_beam  # noqa: F401
except ImportError as _error:
    raise extras.missing(__name__, "beam", _error) from None
finally:
    logging.disable(_disabled)

from egic.beam.finding import FindPictures  # noqa: E402
from egic.beam.places import Place  # noqa: E402
from egic.beam.tasks import Compression, Decompression  # noqa: E402
from egic.beam.transforms import CompressPictures, DecompressPictures, Outcome  # noqa: E402

__all__ = [
    "CompressPictures",
    "Compression",
    "DecompressPictures",
    "Decompression",
    "FindPictures",
    "Outcome",
    "Place",
]
