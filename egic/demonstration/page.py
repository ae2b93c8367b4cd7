"""The demonstration as one self-contained HTML page: report.html."""

import importlib.resources
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from egic import invented
from egic.demonstration import charts, crops
from egic.demonstration.photographs import ALPHAS, Photograph, used_columns
from egic.demonstration.stages import Outcome
from egic.demonstration.trained import Trained
from hific.evaluation import columns, gallery
from hific.evaluation.columns import Column
from hific.evaluation.markup import Element, add, data_url, element
from hific.evaluation.page import Crop, Exhibit, draw_exhibit, shell
from hific.evaluation.page_tables import Row, Table, draw


class Training(NamedTuple):
    """The two minutes of training."""

    outcomes: Sequence[Outcome]
    trained: Trained


_LEAD = (
    "Each photograph below is one small file, made and read back on this machine. The "
    "file does not say how realistic the picture shall be; the decoder is told, by a "
    "number alpha. At alpha 0 it draws what is nearest to the original in all "
    "likelihood, at alpha 1 what looks most like a photograph.",
    "At alpha 1 fine detail is invented. It looks like what could have been there, and "
    "is not what was there: no such picture is evidence of anything. JPEG, WebP and "
    "AVIF were given as many bytes as EGIC used, and the best quality that fits.",
)
_TOLD = 8  # Grey levels; the default of `egic decompress --invented_threshold`.
_LOOKING = (
    "The same square of every version, each pixel enlarged, without smoothing. Click "
    "to enlarge further; then the arrow keys change the version in place, and O "
    "switches to the original and back."
)
_TRAINING = (
    "All four training stages by their scripts, for some dozens of steps on painted "
    "scenes. Nobody would use the result: it shows that every part moves the way it "
    "should. The model above was trained for longer, and on photographs."
)


def render(
    photographs: Sequence[Photograph], model: str, training: Training | None = None
) -> bytes:
    """Returns the page as an HTML file that opens from the disk.

    Args:
        photographs: In their order.
        model: What made their files, in words.
        training: What the smoke run came to, if there was one.
    """
    lead = [element("p", text) for text in _LEAD if photographs]
    sections: dict[str, list[Element]] = {}
    for photograph in photographs:
        sections[photograph.name.capitalize()] = _photograph(photograph)
    if photographs:
        sections["Numbers"] = _numbers(photographs, model)
    if training:
        sections["Training, in two minutes"] = _training(training)
    return shell(
        "EGIC, out of the box",
        lead,
        sections,
        styles=[_asset("page.css")],
        scripts=[_asset("page.js")],
    )


def _asset(name: str) -> str:
    return importlib.resources.files("egic.demonstration").joinpath(name).read_text()


def _photograph(photograph: Photograph) -> list[Element]:
    comparison = photograph.comparison
    height, width, _ = comparison.original.shape
    raw, size = comparison.original.size, len(comparison.data)
    facts = element(
        "p",
        element("b", f"{size:,} bytes"),
        f" instead of {raw:,}: {raw / size:.0f} times fewer, "
        f"{comparison.bpp(comparison.data):.3f} bits per pixel. {width} x {height}. "
        f"{photograph.about}",
        class_="facts-line",
    )
    squares = [
        draw_exhibit(_exhibit(photograph, square))
        for square in crops.squares(photograph)
    ]
    return [
        facts,
        _versions(photograph),
        element("h3", "Enlarged"),
        element("p", _LOOKING, class_="note"),
        *squares,
        element("h3", "What was invented"),
        _invented(photograph),
    ]


def _versions(photograph: Photograph) -> Element:
    """All versions whole; the script makes a picture that is split from them."""
    details = _details(photograph)
    figures = []
    for label, image in crops.of(photograph).items():
        picture = element(
            "img",
            src=data_url("image/png", gallery.png(image)),
            alt=f"{photograph.name}: {label}",
        )
        caption = element("figcaption", element("b", label))
        if label in details:
            add(caption, element("span", details[label]))
        figures.append(element("figure", picture, caption, class_="crop"))
    return element("div", *figures, class_="crops versions")


def _details(photograph: Photograph) -> dict[str, str]:
    """Label of a version -> what is said of it below its picture."""
    return {one.label: _detail(one.numbers) for one in photograph.versions}


def _detail(numbers: Mapping[str, float | None]) -> str:
    said = [f"{numbers['bytes']:,} bytes", f"{numbers['psnr']:.2f} dB"]
    if numbers.get("lpips") is not None:
        said.append(f"LPIPS {numbers['lpips']:.3f}")
    return ", ".join(said)


def _exhibit(photograph: Photograph, square: crops.Square) -> Exhibit:
    details = _details(photograph)
    shown = [
        Crop(label, gallery.png(crops.enlarged(image, square)), details.get(label, ""))
        for label, image in crops.of(photograph).items()
    ]
    where = (square.rows, square.columns)
    overview = gallery.overview(photograph.comparison.original, where)
    return Exhibit(photograph.name, square.why, shown, overview)


def _invented(photograph: Photograph) -> Element:
    drawn = photograph.comparison.drawn
    residual = invented.residual(drawn[ALPHAS[-1]], drawn[ALPHAS[0]])
    share = invented.share_above(residual, _TOLD)
    heat = gallery.png(invented.heat_map(residual))
    picture = element(
        "img", src=data_url("image/png", heat), alt=f"{photograph.name}: what differs"
    )
    caption = element(
        "figcaption",
        element("b", "Alpha 1 against alpha 0"),
        element(
            "span",
            f"{share:.1%} of the pixels differ by more than {_TOLD} of 255 grey "
            f"levels. Black is 0, pale yellow {invented.SCALE} and more. Where it is "
            "bright the file does not say what was there, and alpha 1 shows a guess. "
            "What is dark may be wrong as well: there both ends say the same.",
        ),
    )
    return element("div", element("figure", picture, caption), class_="figures heat")


def _numbers(photographs: Sequence[Photograph], model: str) -> list[Element]:
    drawn: list[Element] = [element("p", f"EGIC is {model}.", class_="note")]
    used = used_columns(photographs)
    for photograph in photographs:
        rows = [
            Row(
                {"codec": version.label, **version.numbers},
                "same bytes" if version.fits else "",
            )
            for version in photograph.versions
        ]
        seconds = ", ".join(
            f"{name} {taken:.1f} s" for name, taken in photograph.seconds.items()
        )
        note = (
            f"Shaded: the best of those that fit in EGIC's bytes. EGIC took: "
            f"{seconds}, preparing the networks for this size included; decompressed "
            "at three alphas."
        )
        table = Table([columns.of("codec"), *used], rows, photograph.name, note)
        drawn += draw(table, f"numbers-{photograph.name}")
    return drawn


def _training(training: Training) -> list[Element]:
    drawn = [_stage(outcome) for outcome in training.outcomes]
    segmented = element(
        "figure",
        element(
            "img",
            src=data_url("image/png", gallery.png(training.trained.segmentation)),
            alt="Scenes, their labels, and what the discriminator sees",
        ),
        element(
            "figcaption",
            element("b", "Stage 0"),
            element(
                "span",
                "Four painted scenes that were not trained on, their labels, and what "
                f"the discriminator sees in them.{_validated(training.outcomes)}",
            ),
        ),
    )
    return [
        element("p", _TRAINING, class_="note"),
        element("div", *drawn, class_="stages"),
        *draw(_moved(training.outcomes), "moved"),
        element("h3", "What came of it"),
        _scene(training.trained),
        element("div", segmented, class_="figures segmented"),
    ]


def _validated(outcomes: Sequence[Outcome]) -> str:
    """Says how well scenes that were not trained on are segmented, if it is known."""
    for outcome in outcomes:
        scores = outcome.validation
        if "validation/mean_iou" in scores:
            return (
                f" Mean IoU of such scenes: {scores['validation/mean_iou']:.2f}; "
                "always naming the most frequent class would score "
                f"{scores['validation/majority_mean_iou']:.2f}."
            )
    return ""


def _stage(outcome: Outcome) -> Element:
    measure = outcome.stage.measures[0]
    values = outcome.values[measure.key]
    said = f"{measure.name}: {values[0]:.4g} at first, {values[-1]:.4g} at last"
    return element(
        "article",
        element("h3", outcome.stage.title),
        charts.line(outcome.steps, values, said),
        element("p", said, class_="note"),
        element(
            "details",
            element("summary", f"{outcome.steps[-1]} steps, {outcome.seconds:.0f} s"),
            element("pre", outcome.command.replace(" --", " \\\n  --")),
        ),
        class_="stage",
    )


def _moved(outcomes: Sequence[Outcome]) -> Table:
    rows = []
    for outcome in outcomes:
        for measure in outcome.stage.measures:
            values = outcome.values[measure.key]
            rows.append(
                Row(
                    {
                        "stage": outcome.stage.title.partition(":")[0],
                        "measure": f"{measure.name} ({measure.better} is better)",
                        "first": values[0],
                        "last": values[-1],
                    }
                )
            )
    shown = [
        Column("stage"),
        Column("measure"),
        Column("first", "at first", form=".4g"),
        Column("last", "at last", form=".4g"),
    ]
    note = "Means over the first and the last tenth of the steps, on training crops."
    return Table(shown, rows, "What moved", note)


def _scene(trained: Trained) -> Element:
    comparison = trained.comparison
    shown = {"original": comparison.original} | {
        f"alpha {alpha:g}": image for alpha, image in comparison.drawn.items()
    }
    figures = []
    for label, image in shown.items():
        detail = (
            f"{len(comparison.data):,} bytes, {comparison.psnr(image):.2f} dB"
            if label != "original"
            else "A painted scene, not trained on."
        )
        picture = element(
            "img", src=data_url("image/png", gallery.png(image)), alt=f"scene: {label}"
        )
        caption = element("figcaption", element("b", label), element("span", detail))
        figures.append(element("figure", picture, caption, class_="crop"))
    return element("div", *figures, class_="crops scene")
