"""What of an evaluation is finished, on the disk, so that nothing is measured twice.

    OUT/evaluation.json             what is to be measured: pictures, subjects, settings
    OUT/pictures/NAME/SUBJECT.json  the rows of one subject, written last
    OUT/pictures/NAME/SUBJECT.npz   its features and crops
    OUT/pictures/NAME/place.*       of which square of the picture crops are
    OUT/pictures/NAME/original.*    the picture's own features

A subject of a picture is finished when its JSON is there, of the same fingerprint and
the same pixels. Several processes, and several machines on one file system, may write
to one folder at once, and each may be killed at any moment.
"""

import dataclasses
import errno
import hashlib
import io
import json
import math
import os
import pathlib
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hific.evaluation.report import Result
from hific.files import sync, write_atomically

# Changes with whatever changes the meaning of what is stored; older entries are then
# measured again.
FORMAT = 2

Arrays = dict[str, np.ndarray]


class StoreError(ValueError):
    """A folder holds no evaluation, or one that does not go with another."""


@dataclasses.dataclass(frozen=True)
class Described:
    """A subject, as its evaluation describes it.

    Attributes:
        name: Unique among the subjects.
        fingerprint: Of everything that decides its results.
    """

    name: str
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        pictures: Names, in order.
        subjects: In order.
        features: Name of a set of features -> what it is of: extractor, its hash,
            resize rule, patches.
        settings: What the report repeats of the command line.
    """

    pictures: Sequence[str]
    subjects: Sequence[Described]
    features: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]

    @property
    def kept_besides(self) -> list[Described]:
        """What is kept of every picture, beside what subjects make of it."""
        return [place(), *([original(self.features)] if self.features else [])]

    def difference(self, other: "Plan") -> str | None:
        """Says why results of the two do not go together, or None."""
        for what in ("pictures", "subjects", "features"):
            if getattr(self, what) != getattr(other, what):
                return what
        return None


@dataclasses.dataclass(frozen=True)
class Entry:
    """A finished subject of one picture.

    Attributes:
        fingerprint: As `Described` has it.
        pixels: `digest` of the picture.
        rows: At least one.
        notes: What went less than well, for the log.
    """

    fingerprint: str
    pixels: str
    rows: list[Result]
    notes: list[str] = dataclasses.field(default_factory=list)


class Store:
    """The folder of one evaluation.

    Attributes:
        out: The folder; it need not exist.
    """

    def __init__(self, out: pathlib.Path):
        self.out = pathlib.Path(out)

    def write_plan(self, plan: Plan) -> None:
        """Writes evaluation.json, in place of an older one; raises OSError."""
        if self.out.exists() and not self.out.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "is no folder", str(self.out))
        content = {"format": FORMAT, **dataclasses.asdict(plan)}
        _write_json(self._plan_path, content)

    def plan(self) -> Plan:
        """Reads evaluation.json.

        Raises:
            StoreError: There is none, or none that this version reads.
        """
        try:
            content = json.loads(self._plan_path.read_text())
            known = content.pop("format") == FORMAT
            content["subjects"] = [Described(**each) for each in content["subjects"]]
            plan = Plan(**content)
        except FileNotFoundError as error:
            raise StoreError(
                f"{self.out} holds no evaluation: evaluation.json is missing."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{self._plan_path} is damaged: {error}.") from error
        if not known:
            raise StoreError(f"{self._plan_path} was written by another version.")
        return plan

    def write(self, picture: str, subject: str, entry: Entry, arrays: Arrays) -> None:
        """Notes that a subject of a picture is finished.

        Args:
            picture, subject: Names.
            entry: Its results.
            arrays: Its features, as "features/SET/ROW", and crops, "crop/ROW", as PNG
                files; of `place`, `square` and the `overview` as well.
        """
        path = self._path(picture, subject)
        # Never the rows of one measurement beside the arrays of another.
        if path.exists():
            path.unlink(missing_ok=True)
            sync(path.parent)
        file = io.BytesIO()
        np.savez(file, **arrays)
        write_atomically(path.with_suffix(".npz"), file.getvalue())
        rows = [_row_to_json(row) for row in entry.rows]
        content = {**vars(entry), "rows": rows}
        _write_json(path, content)

    def read(self, picture: str, subject: str, fingerprint: str) -> Entry | None:
        """Returns a finished subject of a picture.

        Returns:
            None where it is not finished, or was measured in another way.
        """
        path = self._path(picture, subject)
        try:
            content = json.loads(path.read_text())
            whole = path.with_suffix(".npz").exists()
            if content["fingerprint"] != fingerprint or not whole:
                return None
            content["rows"] = [_row_from_json(row) for row in content["rows"]]
            return Entry(**content)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def arrays(self, picture: str, subject: str, prefix: str = "") -> Arrays:
        """What `write` was given, by names that begin so; of a finished subject."""
        with np.load(self._path(picture, subject).with_suffix(".npz")) as file:
            return {name: file[name] for name in file.files if name.startswith(prefix)}

    def crops(self, picture: str, plan: Plan) -> tuple[dict[str, bytes], bytes | None]:
        """Returns row, or `ORIGINAL` -> PNG file of its crop, and the overview's.

        All are of one square; none where no subject is shown.
        """
        where = place()
        if self.read(picture, where.name, where.fingerprint) is None:
            return {}, None
        crops: dict[str, bytes] = {}
        for subject in (where, *plan.subjects):
            for name, array in self.arrays(picture, subject.name, "crop/").items():
                crops[name.removeprefix("crop/")] = array.tobytes()
        overview = self.arrays(picture, where.name, "overview")["overview"]
        return crops, overview.tobytes()

    def file(self, picture: str, subject: str, suffix: str) -> pathlib.Path:
        """Where a subject's compressed file of a picture is kept."""
        return self.out / "files" / _file_name(subject) / f"{picture}{suffix}"

    def reconstruction(self, picture: str, row: str) -> pathlib.Path:
        """Where a row's picture is kept, for those who want it."""
        return self.out / "reconstructions" / _file_name(row) / f"{picture}.png"

    def side_by_side(self, picture: str) -> pathlib.Path:
        """Where all of them are kept in a row."""
        return self.out / "side_by_side" / f"{picture}.png"

    def gather(self, others: Sequence[pathlib.Path]) -> None:
        """Takes over what other folders have finished of the same evaluation.

        What they hold of earlier evaluations is left there. Files are linked where the
        file system can, else copied.

        Raises:
            StoreError: One is no evaluation, or measures something else.
        """
        plans = [Store(folder).plan() for folder in others]
        for folder, plan in zip(others, plans, strict=True):
            what = plans[0].difference(plan)
            if what:
                raise StoreError(
                    f"{folder} and {others[0]} do not go together: their {what} "
                    "differ. Shards of one evaluation are called with the same flags."
                )
        for folder, plan in zip(others, plans, strict=True):
            if folder.resolve() != self.out.resolve():
                self._take(Store(folder), plan)
        self.write_plan(plans[0])

    def _take(self, other: "Store", plan: Plan) -> None:
        for picture in plan.pictures:
            for each in (*plan.kept_besides, *plan.subjects):
                if other.read(picture, each.name, each.fingerprint) is None:
                    continue
                source = other._path(picture, each.name)
                target = self._path(picture, each.name)
                target.unlink(missing_ok=True)
                for suffix in (".npz", ".json"):
                    _copy(source.with_suffix(suffix), target.with_suffix(suffix))
        for folder in ("files/*", "reconstructions/*", "side_by_side"):
            for path in other.out.glob(f"{folder}/*"):
                _copy(path, self.out / path.relative_to(other.out))

    @property
    def _plan_path(self) -> pathlib.Path:
        return self.out / "evaluation.json"

    def _path(self, picture: str, subject: str) -> pathlib.Path:
        return self.out / "pictures" / picture / f"{_file_name(subject)}.json"


# Stands for the pictures themselves.
ORIGINAL = "original"


def original(features: Mapping[str, Mapping[str, Any]]) -> Described:
    """What keeps the features of the pictures themselves; see `Plan.features`."""
    return Described(ORIGINAL, fingerprint(ORIGINAL, features))


def place() -> Described:
    """What keeps where crops are. It stays as long as the picture does."""
    return Described("place", fingerprint("place"))


def digest(image: np.ndarray) -> str:
    """SHA-256 of a picture's size and pixels, in hexadecimal."""
    shape = " ".join(map(str, image.shape)).encode()
    return hashlib.sha256(shape + np.ascontiguousarray(image).tobytes()).hexdigest()


def fingerprint(*parts: Any) -> str:
    """SHA-256 of plain data, in hexadecimal: what results depend on."""
    text = json.dumps([FORMAT, *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _file_name(subject: str) -> str:
    """A name for files; those of two subjects differ."""
    plain = re.sub(r"[^\w.=+-]+", "_", subject)
    if plain == subject:
        return plain
    return f"{plain}-{hashlib.sha256(subject.encode()).hexdigest()[:6]}"


def _row_to_json(row: Result) -> dict[str, Any]:
    metrics = {name: _json_number(value) for name, value in row.metrics.items()}
    return {**vars(row), "metrics": metrics}


def _row_from_json(content: dict[str, Any]) -> Result:
    metrics = {
        name: float(value) if isinstance(value, str) else value
        for name, value in content["metrics"].items()
    }
    return Result(**{**content, "metrics": metrics})


def _json_number(value: float | None) -> float | str | None:
    """JSON has no infinity; it becomes the text "inf"."""
    return value if value is None or math.isfinite(value) else str(value)


def _write_json(path: pathlib.Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, allow_nan=False)
    write_atomically(path, text.encode() + b"\n")


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.tmp-{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    os.replace(partial, target)
    partial.unlink(missing_ok=True)  # Stays where both names are of one file already.
