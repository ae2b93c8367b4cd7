"""Draws docs/architecture/*.svg from the configs of the published sizes.

    python -m drawings.architecture

Every number in the drawings is computed from `egic.config` and
`egic.pretraining_config`; a test compares the committed files with what this draws.
"""

import pathlib

from deeplab2_tf import labels
from drawings.diagram import Diagram
from egic.config import PRESETS, EgicConfig
from egic.pretraining_config import PRESETS as PRETRAINING
from egic.pretraining_config import DiscriminatorConfig
from hific.entropy import NUM_SCALES

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "docs" / "architecture"
PICTURE = 768, 512  # Width and height that the shapes are of.


def main() -> None:
    """Writes the drawings."""
    FOLDER.mkdir(exist_ok=True)
    for name, svg in drawings().items():
        (FOLDER / f"{name}.svg").write_text(svg)


def drawings() -> dict[str, str]:
    """File name without suffix -> SVG."""
    config = PRESETS["egic"]
    recipe = PRETRAINING["coco"]
    outputs = labels.load(recipe.data.label_set).num_outputs
    return {
        "codec": codec(config),
        "slices": slices(config),
        "discriminator": discriminator(recipe.discriminator, outputs, config),
    }


def _shape(stride: int, channels: int) -> str:
    return f"{PICTURE[0] // stride} × {PICTURE[1] // stride} × {channels}"


def _blocks(count: int) -> str:
    return f"{count} Swin block{'s' * (count != 1)}"


# Left sides of the columns, and the middle of each stride's row.
_E, _HA, _HS, _G, _HEAD = 96, 262, 488, 654, 820
_WIDE, _HYPER = 140, 136
_ROWS = {1: 142, 2: 218, 4: 294, 8: 370, 16: 454, 32: 550, 64: 626}


def codec(config: EgicConfig) -> str:
    """E down the left, the hyper path at the bottom, G up the right, then the head."""
    d = Diagram(976, 742, "SwinT-ChARM with an output-residual head")
    for stride, y in _ROWS.items():
        name = "picture" if stride == 1 else f"stride {stride}"
        d.text(12, y + 4, name, "quiet")
        if stride > 1:
            d.rule(y - 38 if stride != 16 else y - 42)
    _ends(d)
    _transforms(d, config)
    _middle(d, config)
    _head(d, config)
    return d.svg()


def _ends(d: Diagram) -> None:
    shape = _shape(1, 3)
    for x, name in ((_E, "picture x"), (_G, "picture, alpha 1")):
        d.box(x, _ROWS[1] - 22, _WIDE, 44, "f", [name, shape])
    d.text(_E, _ROWS[1] - 34, "E, analysis", "strong")
    d.text(_G, _ROWS[16] + 42, "G, synthesis", "strong")


def _transforms(d: Diagram, config: EgicConfig) -> None:
    """The four stages of E and of G, and what lies between them."""
    part, middle = config.transform, _WIDE / 2
    rows = [_ROWS[stride] for stride in (1, 2, 4, 8, 16)]
    for level, (dim, depth) in enumerate(zip(part.dims, part.depths, strict=True)):
        y = _ROWS[2 ** (level + 1)]
        lines = [_blocks(depth), _shape(2 ** (level + 1), dim)]
        d.box(_E, y - 22, _WIDE, 44, "a", lines)
        d.box(_G, y - 22, _WIDE, 44, "d", lines)
        above = rows[level]
        d.arrow((_E + middle, above + 22), (_E + middle, y - 22))
        d.arrow((_G + middle, y - 22), (_G + middle, above + 22))
        gap = (above + y) / 2 + 4
        down, up = ("embed", "unpack") if not level else ("merge", "split")
        d.text(_E + middle + 8, gap, down, "quiet")
        d.text(_G + middle + 8, gap, up, "quiet")
    for i, line in enumerate(
        (
            f"Attention in windows of {part.window} × {part.window} positions,",
            "every second block's shifted by half a window.",
            "Merge: four positions become one; split and",
            "unpack: one becomes four.",
        )
    ):
        d.text(_HA, _ROWS[2] - 18 + 17 * i, line, "quiet")


def _middle(d: Diagram, config: EgicConfig) -> None:
    """What turns y into bits and back."""
    hyper, latent = config.hyper, config.transform.dims[-1]
    count, y, low = len(config.charm.widths), _ROWS[16], _ROWS[64]
    walk = 300, 324  # Left side and width.
    right = walk[0] + walk[1]
    d.box(
        walk[0],
        y - 30,
        walk[1],
        60,
        "c",
        [
            "ChARM slice walk",
            f"{count} slices of {latent // count} channels, one after the other",
            "mean and scale of each from those before",
        ],
    )
    d.arrow((_E + _WIDE, y), (walk[0], y))
    d.text(_E + _WIDE + 24, y - 8, "y", "strong")
    d.arrow((right, y), (_G, y))
    d.text(right + 8, y - 8, "ŷ", "strong")
    for i, (depth, window) in enumerate(zip(hyper.depths, hyper.windows, strict=True)):
        stride = 32 * 2**i
        lines = [_blocks(depth), _shape(stride, hyper.channels)]
        for x in (_HA, _HS):
            d.box(x, _ROWS[stride] - 22, _HYPER, 44, "b", lines)
        del window
    _hyper_arrows(d, latent)
    d.box(
        _HA + 40,
        low + 54,
        _HS + _HYPER - _HA - 80,
        44,
        "f",
        ["photo.egic", "header, one range-coder stream, checksums"],
    )
    d.arrow((405, y + 30), (405, low + 54))
    d.text(411, _ROWS[32] + 4, "bits of y", "quiet")
    d.arrow((466, low), (466, low + 54))
    d.text(472, low + 32, "bits of z", "quiet")


def _hyper_arrows(d: Diagram, latent: int) -> None:
    y, fine, low = _ROWS[16], _ROWS[32], _ROWS[64]
    left, right = _HA + _HYPER / 2, _HS + _HYPER / 2
    d.arrow((_E + _WIDE / 2, y + 22), (_E + _WIDE / 2, fine), (_HA, fine))
    d.text(_E + _WIDE / 2 + 8, fine - 8, "h_a", "strong")
    d.arrow((left, fine + 22), (left, low - 22))
    d.arrow((_HA + _HYPER, low), (_HS, low))
    d.text(_HA + _HYPER + 10, low - 8, "z, rounded", "quiet")
    d.arrow((right, low - 22), (right, fine + 22))
    d.arrow((right, fine - 22), (right, y + 30))
    d.text(right + 8, fine - 32, f"h_s: means, scales, 2 × {latent}", "quiet")


def _head(d: Diagram, config: EgicConfig) -> None:
    """The head and the choice of alpha."""
    x, middle, part = _HEAD, _WIDE / 2, config.transform
    y, top = _ROWS[2], _ROWS[1] - 22
    d.text(x, y + 50, "head: G's last stage", "strong")
    d.text(x, y + 68, "with weights of its own", "quiet")
    d.box(x, y - 22, _WIDE, 44, "e", [_blocks(part.depths[0]), _shape(2, part.dims[0])])
    d.box(x, top, _WIDE, 44, "f", ["picture, alpha 0", _shape(1, 3)])
    d.arrow((x + middle, y - 22), (x + middle, top + 44))
    d.text(x + middle + 8, (y + _ROWS[1]) / 2 + 4, "unpack", "quiet")
    fork = y + 28
    d.arrow((_G + middle, fork), (x + middle, fork), (x + middle, y + 22))
    lines = ["picture at alpha", "(1 − alpha) · head + alpha · G,", "a number or a map"]
    d.box(_G, 14, _HEAD + _WIDE - _G, 64, "f", lines)
    for column in (_G, x):
        d.arrow((column + middle, top), (column + middle, 78))


def slices(config: EgicConfig) -> str:
    """One step of the walk."""
    charm, latent = config.charm, config.transform.dims[-1]
    count = len(charm.widths)
    size = latent // count
    d = Diagram(976, 330, "One slice of the walk")
    d.text(30, 24, f"Slice i of {count}", "strong")
    known = f"up to {min(charm.max_support, count - 1) * size} channels"
    d.box(30, 132, 150, 60, "f", ["slices before", "ŷ of 0 to i − 1", known])
    first, last = charm.widths[0], charm.widths[-1]
    widths = f"{first[0]}–{last[0]}, {first[1]}–{last[1]}, {size}"
    for y, name, net, found in (
        (50, "means", "mean net", "mean μ"),
        (222, "scales", "scale net", "scale index"),
    ):
        d.box(30, y, 150, 44, "b", [f"{name} of h_s", f"{size} channels"])
        d.box(250, y - 8, 190, 60, "c", [net, "three 3 × 3 convolutions", widths])
        d.arrow((180, y + 22), (250, y + 22))
        d.arrow((180, 162), (215, 162), (215, y + 36), (250, y + 36))
        d.arrow((440, y + 22), (524, y + 22))
        d.text(448, y + 14, found, "quiet")
    read = "y is E's, or read from the file"
    d.box(524, 42, 210, 60, "f", ["symbol", "round(y − μ)", read])
    tables = [f"{NUM_SCALES} of them, integers,", "stored with the model"]
    d.box(524, 214, 210, 60, "f", ["table of the index", *tables])
    d.arrow((629, 158), (629, 102))
    d.arrow((629, 158), (629, 214))
    d.text(637, 162, "range coder: bits", "quiet")
    d.box(800, 42, 164, 60, "d", ["ŷ of slice i", "symbol + μ", f"{size} channels"])
    d.arrow((734, 72), (800, 72))
    back = (882, 102), (882, 306), (14, 306), (14, 162), (30, 162)
    d.arrow(*back, dashed=True)
    note = "known to every later slice; after the last, ŷ goes to G"
    d.text(260, 298, note, "quiet")
    return d.svg()


def discriminator(
    config: DiscriminatorConfig, outputs: int, codec_config: EgicConfig
) -> str:
    """OASIS' U-Net between its two doors."""
    down, up = config.oasis.down, config.oasis.up
    d = Diagram(976, 526, "OASIS-C and its two doors")
    left, right, wide = 300, 536, 140
    middle = left + wide / 2
    rows = [152 + 62 * i for i in range(len(down))]
    low, high = config.oasis.input_range
    d.box(left, 16, wide, 46, "f", ["picture", f"x or x̂, to [{low:g}, {high:g}]"])
    d.box(left, 88, wide, 30, "e", ["enter"])
    d.arrow((middle, 62), (middle, 88))
    for i, (width, y) in enumerate(zip(down, rows, strict=True)):
        d.text(left - 12, y + 27, f"to stride {2 ** (i + 1)}", "quiet", "end")
        d.box(left, y, wide, 44, "a", [f"down {i + 1}", f"{width} channels"])
        d.arrow((middle, rows[i - 1] + 44 if i else 118), (middle, y))
    _up_path(d, up, rows, left, right, wide)
    _doors(d, codec_config.transform.dims[-1], left)
    ends = ["1 × 1 convolution", f"{up[-1]} to {outputs} channels", "plain, no norm"]
    d.box(770, 152, 150, 62, "d", ends)
    d.arrow((right + wide, 112), (724, 112), (724, 183), (770, 183))
    d.arrow((845, 152), (845, 118))
    d.text(770, 236, f"{outputs} logits at every pixel,", "quiet")
    d.text(770, 254, "the last for “fake”", "quiet")
    return d.svg()


def _doors(d: Diagram, latent: int, left: int) -> None:
    """How the latent comes in: before the trunk, after it, or not at all."""
    d.box(24, 16, 164, 46, "c", ["latent ŷ", f"stride 16, {latent} channels"])
    d.arrow((188, 50), (230, 50), (230, 103), (left, 103))
    d.text(24, 92, "concat: features of ŷ", "quiet")
    d.text(24, 110, "join the picture's channels", "quiet")
    d.box(770, 88, 150, 30, "e", ["leave"])
    d.arrow((188, 28), (230, 28), (230, 8), (950, 8), (950, 103), (920, 103))
    d.text(700, 34, "projection: features of ŷ times those", "quiet")
    d.text(700, 52, "of the trunk are added to the logits", "quiet")


def _up_path(d: Diagram, up, rows, left, right, wide) -> None:
    """From the bottom to the picture's size; each block but the first sees a skip."""
    last, middle = len(up) - 1, right + wide / 2
    tops = [*rows[::-1][1:], 90]  # An up block ends at the next finer stride.
    for i, (width, y) in enumerate(zip(up, tops, strict=True)):
        d.box(right, y, wide, 44, "d", [f"up {i + 1}", f"{width} channels"])
        if i:
            d.arrow((middle, tops[i - 1]), (middle, y + 44))
    bottom = rows[-1] + 22
    d.arrow((left + wide, bottom), (middle, bottom), (middle, tops[0] + 44))
    for i in range(last):
        y = rows[last - 1 - i] + 22
        d.arrow((left + wide, y), (right, y), dashed=True)
    d.text(24, bottom - 14, "dashed: skips, joined to", "quiet")
    d.text(24, bottom + 4, "what leaves the block", "quiet")


if __name__ == "__main__":
    main()
