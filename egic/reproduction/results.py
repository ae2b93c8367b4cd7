"""Numbers of ours, as `evaluate.py` and the training runs left them in files."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from egic.reproduction.experiment import Column, Row
from egic.reproduction.plans import label
from egic.reproduction.stages import STAGES


class ResultsError(ValueError):
    """A file of results cannot be read."""


class Results:
    """What was measured, by model and alpha.

    Attributes:
        files: Of those numbers.
    """

    def __init__(self, results: pathlib.Path, runs: pathlib.Path):
        """Reads every summary.json below a folder.

        Args:
            results: Of `evaluate.py`, for one data set; may be absent.
            runs: Of training runs, whose validation scores are read; may be absent.

        Raises:
            ResultsError: A summary is damaged.
        """
        self._runs = runs
        self._codecs: dict[str, Mapping[str, Any]] = {}
        self.files = sorted(results.rglob("summary.json"))
        for path in self.files:
            try:
                self._codecs |= json.loads(path.read_text())["codecs"]
            except (ValueError, KeyError, TypeError) as error:
                raise ResultsError(
                    f"{path} is no summary of evaluate.py: {error!r}. Remove it, and "
                    "measure again."
                ) from error

    def value(self, row: Row, column: Column) -> float | None:
        """Ours of a row, None where it was not measured."""
        if not row.stage:
            return None
        found = self._summary(row)
        for name in column.measured_as:
            value = (
                self._validation(row, name)
                if name.startswith("validation/")
                else found.get(name)
            )
            if value is not None:
                return float(value)
        return None

    def _summary(self, row: Row) -> Mapping[str, Any]:
        name = label(row)
        names = [f"{name} alpha={row.alpha:g}"]
        if row.alpha == 1:
            names.append(name)
        return next((self._codecs[n] for n in names if n in self._codecs), {})

    def _validation(self, row: Row, name: str) -> float | None:
        """The last score of the discriminator's pre-training."""
        stage = STAGES[row.stage]
        if stage.script != "pretrain_discriminator":
            stage = STAGES.get(stage.discriminator, stage)
        lines = training_log(self._runs / stage.name)
        scores = [line[name] for line in lines if line.get(name) is not None]
        return scores[-1] if scores else None


def training_log(run: pathlib.Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl; none where there is no such file.

    Raises:
        ResultsError: A line is no JSON.
    """
    path = run / "metrics.jsonl"
    if not path.is_file():
        return []
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except ValueError as error:
        raise ResultsError(f"{path} is damaged: {error}.") from error
