"""Builds the record files of a data set: in parallel, resumable, with an account.

Into the folder go, beside the shards,

    manifest.json    per split: records, pixels by class, share of void, settings, and
                     size and SHA-256 of every shard
    rejected.jsonl   every picture that was left out, and why
    journal/         what is finished, for the next run

A killed build goes on where it stopped: a shard that is finished and still has its
SHA-256 is kept, any other is made again. Equal inputs and settings give equal bytes,
whatever the number of processes. Inputs that changed under the same name are not
noticed: reading them all again would be half of the work.
"""

import contextlib
import fcntl
import hashlib
import itertools
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from deeplab2_tf.building import manifest
from deeplab2_tf.building.conversion import Converter
from deeplab2_tf.building.journal import FinishedShard, Journal
from deeplab2_tf.building.workers import Job, make_shards
from deeplab2_tf.shards import remove_partial_files, shard_name, shard_ranges

MAX_REJECTED = 0.001
_SECONDS_BETWEEN_LINES = 10.0


class Split(NamedTuple):
    """What one split is made of.

    Attributes:
        name: Such as "train".
        pictures: What the converter takes, in the order in which they are stored.
        annotations_sha256: Of the annotation file; empty for none.
        unused: Annotations without a picture.
    """

    name: str
    pictures: Sequence[Any]
    annotations_sha256: str = ""
    unused: int = 0


class Plan(NamedTuple):
    """How a data set becomes records.

    Attributes:
        converter: Makes the records.
        out_dir: Folder for the shards.
        num_shards: Of every split.
        processes: That convert pictures; 1 works in this one.
        max_rejected: Share of a split's pictures, in [0, 1], that may be left out.
        retry_rejected: Make shards again that left out a picture.
    """

    converter: Converter
    out_dir: pathlib.Path
    num_shards: int
    processes: int = 1
    max_rejected: float = MAX_REJECTED
    retry_rejected: bool = False

    def check(self) -> None:
        """Raises ValueError for numbers outside of their range."""
        if self.num_shards < 1 or self.processes < 1:
            raise ValueError(
                f"num_shards (={self.num_shards}) and processes (={self.processes}) "
                "must be at least 1."
            )
        if not 0 <= self.max_rejected <= 1:
            raise ValueError(
                f"max_rejected must be a share in [0, 1], got {self.max_rejected}."
            )


class TooManyRejectedError(ValueError):
    """More pictures were rejected than may be left out."""


def build(
    splits: Iterable[Split], plan: Plan, report: Callable[[str], None] = print
) -> int:
    """Writes the shards of all splits, and the manifest after each split.

    Args:
        splits: Built in this order; may be a generator, so that one annotation file
            is in memory at a time.
        plan: How.
        report: Takes lines of progress.

    Returns:
        How many pictures were rejected.

    Raises:
        TooManyRejectedError: More than `max_rejected` of a split; they are in
            rejected.jsonl, and the finished shards are kept.
        ValueError: The folder holds a build with other settings or for another label
            set, or a damaged account of one; another build is writing into it, or a
            process died.
    """
    plan.check()
    splits = _begun(splits)
    manifest.check(plan.out_dir, plan.converter.label_set)
    rejected = 0
    with _only_builder_in(plan.out_dir):
        remove_partial_files(plan.out_dir)
        for split in splits:
            settings = _settings(split, plan)
            journal_path = plan.out_dir / "journal" / f"{split.name}.jsonl"
            journal = Journal(journal_path, settings)
            entries = _build_split(split, plan, journal, report)
            label_set = plan.converter.label_set
            description = manifest.describe_split(
                split.name, entries, label_set, settings
            )
            description["annotations_without_picture"] = split.unused
            manifest.write_manifest(plan.out_dir, label_set, split.name, description)
            rejected += description["rejected"]
    return rejected


def _begun(splits: Iterable[Split]) -> Iterator[Split]:
    """Runs a generator up to its first split, so that its checks precede any file."""
    splits = iter(splits)
    first = list(itertools.islice(splits, 1))

    def all_of_them() -> Iterator[Split]:
        while first:
            yield first.pop()
        yield from splits

    return all_of_them()


def _build_split(
    split: Split, plan: Plan, journal: Journal, report: Callable[[str], None]
) -> list[FinishedShard]:
    jobs = list(_jobs(split, plan, journal))
    progress = _Progress(split, len(jobs), report)
    entries: list[FinishedShard] = []
    rejected: list[tuple[str, str]] = []
    try:
        for done in make_shards(jobs, plan.processes):
            if not done.kept:
                journal.append(done.entry)
            entries.append(done.entry)
            rejected += done.entry.rejected
            progress.update(done.entry, done.kept)
            if len(rejected) > plan.max_rejected * len(split.pictures):
                raise TooManyRejectedError(_too_many(split, plan, rejected))
    finally:
        manifest.write_rejected(plan.out_dir, split.name, rejected)
    progress.finish()
    return entries


def _jobs(split: Split, plan: Plan, journal: Journal) -> Iterator[Job]:
    ranges = shard_ranges(len(split.pictures), plan.num_shards)
    for number, one in enumerate(ranges):
        finished = journal.finished.get(number)
        if finished and finished.rejected and plan.retry_rejected:
            finished = None
        yield Job(
            number=number,
            path=plan.out_dir / shard_name(split.name, number, plan.num_shards),
            pictures=split.pictures[one.start : one.stop],
            converter=plan.converter,
            finished=finished,
        )


def _settings(split: Split, plan: Plan) -> dict[str, Any]:
    """What the shards depend on, as far as it is known before they are made."""
    label_set = plan.converter.label_set
    return {
        "annotations_sha256": split.annotations_sha256,
        "label_set": label_set.name,
        "label_set_sha256": _sha256(repr(label_set)),
        "num_shards": plan.num_shards,
        "pictures": len(split.pictures),
        **plan.converter.settings(split.pictures),
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def _only_builder_in(out_dir: pathlib.Path) -> Iterator[None]:
    """Keeps other builds out of a folder; the lock ends with the process."""
    folder = out_dir / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"Another build is writing into {out_dir}.") from error
        yield


def _too_many(split: Split, plan: Plan, rejected: list[tuple[str, str]]) -> str:
    first = "\n".join(f"  {picture}: {reason}" for picture, reason in rejected[:5])
    return (
        f"{len(rejected)} of {len(split.pictures)} {split.name} pictures rejected so "
        f"far, more than --max_rejected={plan.max_rejected:g} of them:\n{first}\nAll "
        f"are in {plan.out_dir / 'rejected.jsonl'}. Mend them and run again with "
        "--retry_rejected, or accept more; finished shards are kept."
    )


class _Progress:
    """Says how far a split is, every few seconds."""

    def __init__(self, split: Split, shards: int, report: Callable[[str], None]):
        self._split, self._shards, self._report = split, shards, report
        self._done = self._records = self._made = self._kept = self._rejected = 0
        self._begin = self._last = time.monotonic()
        report(f"{split.name}: {len(split.pictures)} pictures in {shards} shards")
        if split.unused:
            report(f"{split.name}: {split.unused} annotations have no picture")

    def update(self, entry: FinishedShard, kept: bool) -> None:
        self._done += 1
        self._kept += kept
        self._records += entry.shard.records
        self._made += 0 if kept else entry.shard.records
        self._rejected += len(entry.rejected)
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        rate = self._made / (now - self._begin)
        left = len(self._split.pictures) - self._records - self._rejected
        minutes = f", {left / rate / 60:.0f} min left" if rate else ""
        self._report(
            f"{self._split.name}: {self._done} of {self._shards} shards, "
            f"{self._records} records, {rate:.0f}/s, {self._rejected} rejected{minutes}"
        )

    def finish(self) -> None:
        self._report(
            f"{self._split.name}: {self._records} records in {self._shards} shards "
            f"({self._kept} of them there already), {self._rejected} rejected"
        )
