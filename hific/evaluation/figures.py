"""Which figures an evaluation has: rate, distortion and perception."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hific.evaluation import columns, plots
from hific.evaluation.extractors import EXTRACTORS
from hific.evaluation.plots import Axis, Point
from hific.evaluation.published import Row

DISTORTIONS = ("psnr", "ms_ssim")
_FRECHET = tuple(backend.frechet for backend in EXTRACTORS.values())
_KERNEL = tuple(backend.kernel for backend in EXTRACTORS.values())
PERCEPTIONS = ("lpips", "dists", *_FRECHET, *_KERNEL)
# In a plane, points stand beside a model's where their rates differ by less.
_NEAR = 1.5
_ALPHA = re.compile(r"(.*?) alpha=([\d.]+)$")


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn.

    Attributes:
        name: For files, as "psnr-over-bpp".
        title: A heading.
        alt: What is to be seen, in words.
        caption: Whose the published curves are; empty without any.
        points, published, x, y, models: As `plots.figure` takes them.
    """

    name: str
    title: str
    points: Sequence[Point]
    published: Sequence[Point]
    x: Axis
    y: Axis
    models: Sequence[str]
    alt: str
    caption: str

    def svg(self) -> bytes:
        """Returns the figure as an SVG file."""
        return self._draw("svg")

    def png(self) -> bytes:
        """Returns the figure as a PNG file."""
        return self._draw("png")

    def _draw(self, form) -> bytes:
        return plots.figure(
            self.points, self.published, self.x, self.y, self.models, form
        )


def drawings(
    rows: Sequence[Mapping[str, Any]], published: Sequence[Row] = ()
) -> list[Drawing]:
    """Returns every figure for which there are numbers.

    Rate-distortion, rate-perception, and distortion-perception at the rates of the
    learned codecs, where a codec at several alphas is a path.

    Args:
        rows: Means over all pictures, a row per codec: `codec`, its name, with
            " alpha=A" at the end where it has several; `curve`, rows of which are
            connected; `bpp`; metrics; and `padded_bpp`, which only learned codecs have.
            A number that is absent, None or infinite is left out.
        published: Of the same data set.
    """
    found = [_over_rate(rows, published, metric) for metric in DISTORTIONS]
    found += [_over_rate(rows, published, metric) for metric in PERCEPTIONS]
    found += [
        _plane(rows, published, "psnr", metric)
        for metric in PERCEPTIONS
        if metric not in _KERNEL
    ]
    return [drawing for drawing in found if drawing is not None]


def _over_rate(rows, published, metric) -> Drawing | None:
    """Draws a metric over the rate, or nothing where no row has it."""
    curves = [row["curve"] for row in rows]
    points = sorted(
        (Point(row["curve"], row["bpp"], row[metric]) for row in _with(rows, metric)),
        key=lambda point: (curves.index(point.curve), point.x),
    )
    names = ["bpp", _published_as(metric)]
    behind = [
        (row, Point(row.curve, *_of(row, names)))
        for row in published
        if None not in _of(row, names)
    ]
    models = [row["curve"] for row in rows if _is_learned(row)]
    return _drawing("bpp", metric, plots.RATE, points, behind, models)


def _plane(rows, published, distortion, metric) -> Drawing | None:
    """Draws perception over distortion, of what lies near the rates of the models.

    A baseline that was given the models' bytes stands for its curve.
    """
    rows = [row for row in _with(rows, metric) if _number(row, distortion) is not None]
    learned = [row for row in rows if _is_learned(row)]
    given = {row["curve"] for row in rows if row.get("target_bytes") is not None}
    others = [
        row
        for row in rows
        if not _is_learned(row) and matched(row["curve"]) not in given
    ]
    paths: dict[str, list[Mapping[str, Any]]] = {}
    for row in learned:
        paths.setdefault(_at_rate(_without_alpha(row), row["bpp"]), []).append(row)
    points = [
        Point(name, row[distortion], row[metric], _alpha_label(row))
        for name, path in paths.items()
        for row in sorted(path, key=_alpha)
    ]
    rates = sorted({row["bpp"] for row in learned})
    for row in _nearest(others, rates, lambda row: (row["curve"], row["bpp"])):
        name = _at_rate(row["curve"], row["bpp"])
        points.append(Point(name, row[distortion], row[metric]))
    names = [_published_as(distortion), _published_as(metric)]
    known = [row for row in published if None not in _of(row, names)]
    behind = [
        (row, Point(_at_rate(row.curve, row.bpp), *_of(row, names)))
        for row in _nearest(known, rates, lambda row: (row.curve, row.bpp))
    ]
    return _drawing(distortion, metric, _axis(distortion), points, behind, list(paths))


def _drawing(over, metric, x, points, behind, models) -> Drawing | None:
    if not points:
        return None
    y = _axis(metric)
    headings = columns.of(metric).heading, columns.of(over).heading
    return Drawing(
        name=f"{metric}-over-{over}".replace("_", "-"),
        title=f"{headings[0]} over {headings[1]}",
        points=sorted(points, key=lambda point: point.curve not in models),
        published=[point for _, point in behind],
        x=x,
        y=y,
        models=[name for name in dict.fromkeys(models)],
        alt=_in_words(points, headings),
        caption=_credits(behind),
    )


def matched(baseline: str) -> str:
    """Returns the curve of a baseline at models' bytes, by that of its qualities."""
    return f"{baseline} matched"


def _with(rows, metric) -> list[Mapping[str, Any]]:
    return [row for row in rows if _number(row, metric) is not None and row["bpp"]]


def _number(row, metric) -> float | None:
    value = row.get(metric)
    return value if value is not None and math.isfinite(value) else None


def _is_learned(row) -> bool:
    return row.get("padded_bpp") is not None


def _nearest(rows, rates, key) -> list[Any]:
    """Returns of each curve the rows whose rate is nearest to one of the rates.

    Args:
        rows: Of several curves.
        rates: Bits per pixel.
        key: Row -> (its curve, its bits per pixel).
    """
    chosen = set()
    for curve in dict.fromkeys(key(row)[0] for row in rows):
        of_curve = [key(row)[1] for row in rows if key(row)[0] == curve]
        for rate in rates:
            distance, bpp = min((abs(math.log(bpp / rate)), bpp) for bpp in of_curve)
            if distance <= math.log(_NEAR):
                chosen.add((curve, bpp))
    return [row for row in rows if key(row) in chosen]


def _alpha(row) -> float:
    found = _ALPHA.match(row["codec"])
    return float(found[2]) if found else 1.0


def _alpha_label(row) -> str:
    return f"α={_alpha(row):g}" if _ALPHA.match(row["codec"]) else ""


def _without_alpha(row) -> str:
    found = _ALPHA.match(row["codec"])
    return found[1] if found else row["codec"]


def _at_rate(name: str, bpp: float) -> str:
    return f"{name}, {bpp:.3g} bpp"


def _published_as(metric: str) -> str | None:
    """Returns what a metric is called in `Row`, None where nobody publishes it."""
    name = re.sub(r"^(fid|kid)_.*", r"\1", metric)
    return name if name in Row._fields else None


def _of(row: Row, names: Sequence[str | None]) -> list[Any]:
    return [getattr(row, name) if name is not None else None for name in names]


def _axis(metric: str) -> Axis:
    column = columns.of(metric)
    title = f"{column.heading} ({column.unit})" if column.unit else column.heading
    return Axis(title, better=column.better)


def _in_words(points, headings) -> str:
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point.curve, []).append(point)
    parts = [
        f"{name}: " + " to ".join(f"{p.y:.4g} at {p.x:.4g}" for p in _ends(of_curve))
        for name, of_curve in curves.items()
    ]
    return f"{headings[0]} over {headings[1]}. " + "; ".join(parts) + "."


def _ends(of_curve) -> Iterable[Point]:
    return dict.fromkeys((of_curve[0], of_curve[-1]))


def _credits(behind) -> str:
    """Returns source after source, each with its curves."""
    curves: dict[str, dict[str, None]] = {}
    for row, _ in behind:
        curves.setdefault(row.source, {})[row.curve] = None
    parts = [f"{', '.join(names)}: {source}" for source, names in curves.items()]
    return f"Thin lines are published. {'. '.join(parts)}." if parts else ""
