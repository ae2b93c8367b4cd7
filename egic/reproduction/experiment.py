"""What an experiment of the paper is: published numbers, stages, and what is missing.

Source of all numbers: EGIC, arXiv:2309.03244, and its supplement.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import field


@dataclasses.dataclass(frozen=True)
class Band:
    """How far ours may lie from what is published and still count as the same.

    Ours: the paper states no spread but in Fig. 11.

    Attributes:
        absolute: In the column's unit.
        percent: Of the published value; the wider of the two holds.
    """

    absolute: float = 0.0
    percent: float = 0.0

    def width(self, published: float) -> float:
        """Half the width of the band around a published value."""
        return max(self.absolute, abs(published) * self.percent / 100)


@dataclasses.dataclass(frozen=True)
class Column:
    """One quantity of a table.

    Attributes:
        key: Its name in `Row.published`.
        title: With the unit, for people.
        form: Format as the paper prints it, such as ".2f".
        band: For the verdict.
        measured_as: Names in the results of `evaluate.py` or of a training run; the
            first that is there is taken.
        exact: Ours must round to what is printed.
    """

    key: str
    title: str
    form: str
    band: Band = Band()
    measured_as: tuple[str, ...] = ()
    exact: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table, or one point of a figure.

    Attributes:
        key: Short name, unique in the experiment.
        label: For people.
        published: Column -> value; a column without one is not in print.
        stage: The run that ours comes from, a key of `stages.STAGES`; "" where ours
            is computed, or where the line is somebody else's.
        alpha: At which ours is decoded.
        needs: Parts that ours lacks, keys of `parts.PARTS`.
        relative_to: "experiment/row" that percentages are of.
        printed: Column -> percentage as the paper prints it.
        interpolate_from: A second run, whose generator is at alpha = 0.
        mode: A key of `egic.blends.MODES`, where there is a second run.
        curve: Rows of one are connected in figures; by default its own.
    """

    key: str
    label: str
    published: Mapping[str, float] = field(default_factory=dict)
    stage: str = ""
    alpha: float = 1.0
    needs: tuple[str, ...] = ()
    relative_to: str = ""
    printed: Mapping[str, float] = field(default_factory=dict)
    interpolate_from: str = ""
    mode: str = ""
    curve: str = ""


@dataclasses.dataclass(frozen=True)
class Axes:
    """What a figure of curves shows.

    Attributes:
        x, y: Columns.
        x_title, y_title: With units.
    """

    x: str
    y: str
    x_title: str
    y_title: str


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper.

    Attributes:
        name: "table1", "fig5".
        title: What it shows.
        columns, rows: Of the table, or of the table of a figure's points.
        measured_on: A key of `datasets.DATASETS`; "" where nothing is measured.
        stages: Runs that it needs beside those of its rows.
        needs: Parts that the whole of it lacks.
        maker: A key of `reproduce.MAKERS`: how ours comes about.
        axes: Panels of a figure of curves.
        by_hand: The paper's is a drawing; no program makes it.
        flags: Of evaluate.py at paper scale, beside models, pictures and alphas.
        smoke_rows, smoke_stages: What is enough at smoke scale; empty for all.
        notes: What a reader of the comparison has to know.
    """

    name: str
    title: str
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    measured_on: str = ""
    stages: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    maker: str = "comparison"
    axes: tuple[Axes, ...] = ()
    by_hand: bool = False
    flags: tuple[str, ...] = ()
    smoke_rows: tuple[str, ...] = ()
    smoke_stages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def row(self, key: str) -> Row:
        """The row of a key; KeyError where there is none."""
        found = {row.key: row for row in self.rows}
        return found[key]

    def column(self, key: str) -> Column:
        """The column of a key; KeyError where there is none."""
        found = {column.key: column for column in self.columns}
        return found[key]

    def all_needs(self) -> tuple[str, ...]:
        """Parts that the whole or any row lacks, each once."""
        rows = [need for row in self.rows for need in row.needs]
        return tuple(dict.fromkeys((*self.needs, *rows)))


PSNR = Column("psnr", "PSNR dB", ".2f", Band(absolute=0.3), ("psnr",))
# Tables are measured with clean-fid's network, the main results with torch-fidelity's.
FID = Column(
    "fid", "FID/256", ".2f", Band(absolute=0.5, percent=10), ("fid_clean_fid",)
)
FID_MAIN = dataclasses.replace(FID, measured_as=("fid_torch_fidelity",))
BPP = Column("bpp", "bpp", ".3f", Band(percent=5), ("bpp",))
MIOU = Column(
    "miou",
    "mIoU",
    ".2f",
    Band(absolute=0.02),
    ("validation/mean_iou_classes", "validation/mean_iou"),
)
