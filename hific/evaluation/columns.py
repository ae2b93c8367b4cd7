"""What the columns of an evaluation are called, mean, and how they are shown."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its key in results.csv and summary.json.
        title: Its heading, without the unit; by default its name.
        unit: Of its numbers.
        meaning: A sentence or two for who has not seen it before.
        better: Which end is the good one, where rows compare at all.
        form: Format of its numbers.
        estimate: Whether it estimates what cannot be below 0. Values that are say only
            that too little was measured to tell rows apart.
    """

    name: str
    title: str = ""
    unit: str = ""
    meaning: str = ""
    better: Literal["", "higher", "lower"] = ""
    form: str = ".4g"
    estimate: bool = False

    @property
    def heading(self) -> str:
        return self.title or self.name.replace("_", " ")


_TRUE_PIXELS = "over the true pixels of the picture"
_ALEX = "which compares with no published FID."


def _distances(
    frechet: str, of_frechet: str, kernel: str, of_kernel: str, network: str, how: str
) -> tuple[Column, ...]:
    """Returns the columns of two sets of features, see `sets.distances`."""
    what = f"of {network} features of patches, originals against reconstructions, {how}"
    return (
        Column(frechet, of_frechet, "", f"Fréchet distance {what}", "lower", ".3f"),
        Column(kernel, of_kernel, "", f"Kernel distance {what}", "lower", ".5f", True),
        Column(f"{kernel}_std", f"{of_kernel} ±", "", "Of its subsets.", "", ".5f"),
        Column(
            f"{kernel}_paired",
            f"{of_kernel}, pairs apart",
            "",
            "Without patches beside their own reconstructions.",
            "lower",
            ".5f",
            True,
        ),
        Column(f"{frechet}_patches", f"{of_frechet} patches", "", "", "", ",.0f"),
    )


# In the order in which they are shown: rate and quality first, for a screen is narrow;
# then where the bits went.
_KNOWN = (
    Column("image", "picture", meaning="The picture's file name, without suffix."),
    Column("codec", "codec", meaning="A model with its setting, or a baseline."),
    Column("setting", "setting", meaning="What the decoder or encoder was told."),
    Column("pictures", "pictures", meaning="How many were measured.", form=",.0f"),
    Column(
        "bytes",
        "size",
        "bytes",
        "The whole file: header, payload, checksums.",
        "",
        ",.0f",
    ),
    Column("bpp", "rate", "bpp", f"Bits of the whole file {_TRUE_PIXELS}.", "", ".4f"),
    Column(
        "psnr",
        "PSNR",
        "dB",
        "On 8-bit RGB, per picture; ∞ where it came back unchanged.",
        "higher",
        ".2f",
    ),
    Column(
        "ms_ssim",
        "MS-SSIM",
        "",
        "Five scales, mean over channels; sides of 161 pixels and more.",
        "higher",
        ".4f",
    ),
    Column(
        "lpips", "LPIPS", "", "AlexNet, version 0.1, whole picture.", "lower", ".4f"
    ),
    Column("dists", "DISTS", "", "VGG16, whole picture.", "lower", ".4f"),
    *_distances("fd_alex", "FD-alex", "kd_alex", "KD-alex", "LPIPS-AlexNet", _ALEX),
    *_distances(
        "fid_torch_fidelity",
        "FID (torch-fidelity)",
        "kid_torch_fidelity",
        "KID (torch-fidelity)",
        "FID-Inception",
        "with the weights and the resize of torch-fidelity.",
    ),
    *_distances(
        "fid_clean_fid",
        "FID (clean-fid)",
        "kid_clean_fid",
        "KID (clean-fid)",
        "FID-Inception",
        "as clean-fid resizes patches and computes them.",
    ),
    Column(
        "encode_seconds", "encode", "s", "Wall clock, image to bytes.", "lower", ".3f"
    ),
    Column(
        "decode_seconds", "decode", "s", "Wall clock, bytes to image.", "lower", ".3f"
    ),
    Column("target_bytes", "limit", "bytes", "What a baseline may use.", "", ",.0f"),
    Column("header_bpp", "header", "bpp", f"Header {_TRUE_PIXELS}.", "", ".4f"),
    Column("z_bpp", "z", "bpp", f"The hyper-latent {_TRUE_PIXELS}.", "", ".4f"),
    Column("y_bpp", "y", "bpp", f"The latent {_TRUE_PIXELS}.", "", ".4f"),
    Column(
        "padded_bpp",
        "padded rate",
        "bpp",
        "The same bits over the pixels that are really coded, both sides rounded up to "
        "the model's stride; some released code reports this one.",
        "",
        ".4f",
    ),
    Column(
        "estimated_bpp",
        "estimated rate",
        "bpp",
        "What the probability model gives the rounded latents.",
        "",
        ".4f",
    ),
    Column("gap_percent", "gap", "%", "File over that estimate.", "", "+.2f"),
    Column(
        "payload_gap_percent",
        "payload gap",
        "%",
        "The coder's stream over that estimate, without header and checksums.",
        "",
        "+.2f",
    ),
    Column(
        "clipped", "clipped", "", "Symbols moved to the end of their table.", "", ",.0f"
    ),
    Column("curve", "curve", meaning="Rows of one curve differ in their rate alone."),
    Column("width", "width", "px", form=",.0f"),
    Column("height", "height", "px", form=",.0f"),
)
COLUMNS: Mapping[str, Column] = {column.name: column for column in _KNOWN}


def tell_apart(column: Column, values: Iterable[float]) -> bool:
    """Returns whether the values of a column say which row is the better."""
    return not column.estimate or all(value >= 0 for value in values)


def of(name: str) -> Column:
    """Returns the column of a name; one that is not known is shown as it is called."""
    return COLUMNS.get(name, Column(name))


def shown(value: Any, column: Column) -> str:
    """Returns a value as a reader sees it; – where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if math.isnan(value):
        return "not a number"
    whole = isinstance(value, int) and column.form == Column.form
    return format(value, "," if whole else column.form).replace("-", "−")
