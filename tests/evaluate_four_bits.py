"""evaluate.py, where every model is `four_bits`, also in the processes it starts."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from absl import app  # noqa: E402

import evaluate  # noqa: E402
from tests import four_bits  # noqa: E402

assert "tensorflow" in sys.modules  # Loaded inside app.run, it starts as version 1.

evaluate.measured.identify = lambda path: path
evaluate.measured.egic.load = lambda directory, engine: four_bits.InContainer()
evaluate.measured.interpolation.load = four_bits.between
if "OWN_MODEL" in os.environ:
    evaluate.default_model.PATH = pathlib.Path(os.environ["OWN_MODEL"])

if __name__ == "__main__":
    app.run(evaluate.main)
