"""From what is stored to what is read: tables, curves, figures and the page.

All of it is made anew from the store, and needs nothing else: no model, no picture.
"""

import dataclasses
import importlib.util
import pathlib
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from hific.evaluation import (
    comparisons,
    figures,
    gallery,
    page,
    published,
    report,
    report_page,
    sets,
)
from hific.evaluation.comparisons import Compared
from hific.evaluation.extractors import Description
from hific.evaluation.figures import Drawing
from hific.evaluation.report import Result, Row
from hific.evaluation.store import ORIGINAL, Entry, Plan, Store
from hific.files import write_atomically

NO_DATA_SET = "none"
# Of the settings: what was left out -> why.
LEFT_OUT = "left_out"


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a store holds, summed up.

    Attributes:
        store: Where it is.
        plan: What was to be measured.
        results: Of the pictures that are finished, in the order of the plan.
        of_all: Row -> columns that are measured on all pictures together.
        unfinished: Names of pictures of which something is missing.
    """

    store: Store
    plan: Plan
    results: Sequence[Result]
    of_all: Mapping[str, Row]
    unfinished: Sequence[str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The means, a row per codec, its name as `codec`."""
        summaries = report.summarise(self.results, self.of_all)
        return [{"codec": name, **summary} for name, summary in summaries.items()]

    @property
    def but_curves(self) -> list[Result]:
        """The results, without those of swept baselines if there are others."""
        others = [
            row
            for row in self.results
            if row.padded_bpp is not None or row.target_bytes is not None
        ]
        return others or list(self.results)


def collect(store: Store, failed: Container[str] = ()) -> Findings | None:
    """Reads what is finished, or returns None where no picture is.

    Args:
        store: Where it is.
        failed: Names of pictures to leave out, though results may be stored: of an
            earlier file of this name that could still be read.

    Raises:
        StoreError: The folder holds no evaluation.
    """
    plan = store.plan()
    found = {
        name: _entries(store, plan, name)
        for name in plan.pictures
        if name not in failed
    }
    finished = {name: entries for name, entries in found.items() if entries}
    if not finished:
        return None
    return Findings(
        store,
        plan,
        [row for of in finished.values() for entry in of for row in entry.rows],
        _of_all(store, plan, finished),
        [name for name in plan.pictures if name not in finished],
    )


def publish(findings: Findings, anchor: str = "", data_set: str = "") -> None:
    """Writes results.csv, summary.json, plots/ and report.html.

    Args:
        findings: Of `collect`.
        anchor: Row or curve that the others are compared with, see `comparisons`.
        data_set: Whose published curves are drawn, a name of `published.datasets`; by
            default told by the pictures' names; `NO_DATA_SET` for none.

    Raises:
        ValueError: There is no such row, or no such data set.
    """
    rows, out = findings.rows, findings.store.out
    data_set = data_set or _data_set(findings) or NO_DATA_SET
    behind = []
    if data_set != NO_DATA_SET:
        behind = published.load(data_set, published.PROMINENT)
    against = comparisons.anchor(rows, anchor)
    compared: Compared = {}
    if against is not None and not comparisons.missing():
        compared = comparisons.compare(rows, against)
    drawings = figures.drawings(rows, behind) if _can_draw() else []
    report.write_csv(findings.results, out / "results.csv")
    report.write_summary(
        findings.results,
        findings.plan.settings,
        out / "summary.json",
        findings.of_all,
        comparisons.plain(against, compared),
    )
    shown = _draw(drawings, out / "plots")
    page.write(_page(findings, against, compared, shown), out / "report.html")


def remarks(findings: Findings) -> list[str]:
    """What has to be said beside the table."""
    lines = []
    if findings.unfinished:
        lines.append(
            f"Not measured: {', '.join(findings.unfinished)}. Means are of the others."
        )
    notes: dict[str, None] = {}
    for row in findings.of_all.values():
        for column, value in row.items():
            if column.endswith("_note") and value:
                notes[f"{column.removesuffix('_note')}: {value}."] = None
    return lines + list(notes)


def _entries(store: Store, plan: Plan, picture: str) -> list[Entry] | None:
    """What is stored of a picture, or None unless all is, and of the same pixels."""

    def read(wanted):
        return [store.read(picture, each.name, each.fingerprint) for each in wanted]

    entries, besides = read(plan.subjects), read(plan.kept_besides)
    if plan.features and besides[-1] is None:
        return None
    known = [entry for entry in (*entries, *besides) if entry is not None]
    if None in entries or len({entry.pixels for entry in known}) != 1:
        return None
    return [entry for entry in entries if entry is not None]


def _of_all(store, plan: Plan, finished: Mapping[str, list[Entry]]) -> dict[str, Row]:
    """Row -> what is measured on all pictures together."""
    measured: dict[str, Row] = {}
    for name, of in plan.features.items():
        key = f"features/{name}/{ORIGINAL}"
        originals = [store.arrays(each, ORIGINAL, key)[key] for each in finished]
        description = Description(**of["extractor"])
        for row, features in _features(store, plan, finished, name):
            measured.setdefault(row, {}).update(
                sets.distances(
                    originals, features, description, of["protocol"], of["side"]
                )
            )
    return measured


def _features(store, plan, finished, name) -> Iterator[tuple[str, list]]:
    """Yields each row and its features; one at a time, for they are large."""
    first = next(iter(finished.values()))
    for subject, entry in zip(plan.subjects, first, strict=True):
        for row in entry.rows:
            key = f"features/{name}/{row.codec}"
            arrays = [store.arrays(each, subject.name, key) for each in finished]
            yield row.codec, [array[key] for array in arrays]


def _can_draw() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def _draw(drawings: Sequence[Drawing], folder: pathlib.Path) -> list[page.Figure]:
    shown = []
    for drawing in drawings:
        svg = drawing.svg()
        write_atomically(folder / f"{drawing.name}.svg", svg)
        write_atomically(folder / f"{drawing.name}.png", drawing.png())
        shown.append(page.Figure(drawing.title, svg, drawing.alt, drawing.caption))
    return shown


def _page(findings: Findings, against, compared, shown) -> page.Page:
    plan = findings.plan
    settings = dict(plan.settings)
    left_out = dict(settings.pop(LEFT_OUT, {}))
    if not _can_draw():
        left_out["figures"] = 'matplotlib is not installed: pip install "egic[report]"'
    if comparisons.missing():
        left_out["BD-rate"] = comparisons.missing()
    elif against is None:
        left_out["BD-rate"] = (
            "no curve has several points; --curves gives baselines some, and models of "
            "one family (--model=FAMILY/NAME=DIR,…) are points of one curve"
        )
    if findings.unfinished:
        left_out["pictures"] = f"not measured: {', '.join(findings.unfinished)}"
    summaries = report.summarise(findings.results, findings.of_all)
    names = {result.codec for result in findings.but_curves}
    first = {name: each for name, each in summaries.items() if name in names}
    points = {name: each for name, each in summaries.items() if name not in names}
    rows = [result.row() for result in findings.results]
    return page.Page(
        title=_title(findings),
        lead=_lead(findings),
        summary=report_page.summary_table(first),
        settings=settings | report_page.facts_of_sets(summaries),
        comparisons=(
            [report_page.comparison_table(against, compared)] if compared else []
        ),
        figures=shown,
        points=report_page.points_table(points) if points else None,
        gallery=_gallery(findings, rows),
        pictures=report_page.pictures_table(rows),
        missing=left_out,
    )


def _title(findings: Findings) -> str:
    """Names the models, or what is swept, and the pictures."""
    settings = findings.plan.settings
    models = [
        label if len(settings["models"]) > 1 else pathlib.Path(model["path"]).name
        for label, model in settings.get("models", {}).items()
    ]
    what = models or list(settings.get("curves", []))
    known = _data_set(findings)
    where = known.capitalize() if known else _folder(settings.get("images", ""))
    return f"{', '.join(what)} on {where}" if what and where else "Evaluation"


def _folder(images: str) -> str:
    """Returns the name of the folder that `--images` means, the first of several."""
    path = pathlib.PurePath(images.partition(",")[0])
    return path.parent.name if path.suffix else path.name


def _data_set(findings: Findings) -> str | None:
    return published.recognise(findings.plan.pictures)


def _lead(findings: Findings) -> list[str]:
    plan = findings.plan
    count = len(plan.pictures) - len(findings.unfinished)
    lead = [
        f"{count} pictures, {len(findings.rows)} rows. Every picture went through a "
        "real file; bits are those of the file, over the true pixels."
    ]
    data_set = _data_set(findings) or ""
    whole = published.PICTURES.get(data_set, count)
    if count < whole:
        lead.append(
            f"These are {count} of the {whole} pictures of {data_set.capitalize()}: "
            "published curves are means over all of them, and do not compare."
        )
    if plan.settings.get("processes", 1) > 1:
        lead.append(
            f"Measured in {plan.settings['processes']} processes at a time, which slow "
            "each other down: seconds say little."
        )
    return lead


def _gallery(findings: Findings, rows: list[Row]) -> list[page.Exhibit]:
    """The worst and the median pictures of the first row."""
    exhibits = []
    for choice in gallery.choose(rows, rows[0]["codec"]):
        crops, overview = findings.store.crops(choice.image, findings.plan)
        if crops:
            exhibits.append(gallery.exhibit(choice, rows, crops, overview))
    return exhibits
