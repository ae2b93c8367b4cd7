"""From what is stored to what is read: tables, numbers of all pictures together."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from hific.evaluation import report, sets
from hific.evaluation.extractors import Description
from hific.evaluation.report import Result, Row
from hific.evaluation.store import ORIGINAL, Entry, Plan, Store


@dataclasses.dataclass(frozen=True)
class Published:
    """What was found in a store.

    Attributes:
        plan: What was to be measured.
        results: Of the pictures that are finished, in the order of the plan.
        of_all: Row -> columns that are measured on all pictures together.
        missing: Names of pictures of which something is not finished.
    """

    plan: Plan
    results: Sequence[Result]
    of_all: Mapping[str, Row]
    missing: Sequence[str]


def publish(store: Store) -> Published | None:
    """Writes results.csv, summary.json, figures and report.html anew.

    Returns:
        What is in them, or None where no picture is finished: then nothing is written.

    Raises:
        StoreError: The folder holds no evaluation.
    """
    plan = store.plan()
    entries = {
        name: found for name in plan.pictures if (found := _entries(store, plan, name))
    }
    results = [row for found in entries.values() for e in found for row in e.rows]
    missing = [name for name in plan.pictures if name not in entries]
    if not results:
        return None
    published = Published(plan, results, _of_all(store, plan, entries), missing)
    report.write_csv(results, store.out / "results.csv")
    report.write_summary(
        results, plan.settings, store.out / "summary.json", published.of_all
    )
    return published


def _entries(store: Store, plan: Plan, picture: str) -> list[Entry] | None:
    """What is stored of a picture, or None unless all is, and of the same pixels."""
    found = [store.read(picture, each.name, each.fingerprint) for each in plan.subjects]
    entries = [entry for entry in found if entry is not None]
    whole = len(entries) == len(found) and len({e.pixels for e in entries}) == 1
    return entries if whole else None


def _of_all(store, plan: Plan, entries: Mapping[str, list[Entry]]) -> dict[str, Row]:
    """Row -> what is measured on all pictures together."""
    columns: dict[str, Row] = {}
    for name, of in plan.features.items():
        key = f"features/{name}/{ORIGINAL}"
        originals = [store.arrays(picture, ORIGINAL, key)[key] for picture in entries]
        for row, features in _features(store, plan, entries, name):
            distances = sets.distances(
                originals,
                features,
                Description(**of["extractor"]),
                of["protocol"],
                of["side"],
            )
            columns.setdefault(row, {}).update(distances)
    return columns


def _features(store, plan, entries, name) -> Iterator[tuple[str, list]]:
    """Yields each row and its features; a row at a time, for they are large."""
    first = next(iter(entries.values()))
    for subject, entry in zip(plan.subjects, first, strict=True):
        for row in entry.rows:
            key = f"features/{name}/{row.codec}"
            arrays = [store.arrays(each, subject.name, key) for each in entries]
            yield row.codec, [array[key] for array in arrays]


def remarks(published: Published) -> list[str]:
    """What has to be said beside the table."""
    lines = []
    if published.missing:
        lines.append(
            f"Not measured: {', '.join(published.missing)}. Means are of the others."
        )
    notes: dict[str, None] = {}
    for row in published.of_all.values():
        for column, value in row.items():
            if column.endswith("_note") and value:
                notes[f"{column.removesuffix('_note')}: {value}."] = None
    return lines + list(notes)
