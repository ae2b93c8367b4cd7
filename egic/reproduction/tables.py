"""Tables 3, 4 and 7 as data, and all tables by name.

Source: EGIC, arXiv:2309.03244.
"""

from collections.abc import Mapping

from egic.reproduction import study
from egic.reproduction.experiment import MIOU, Column, Experiment, Row

_PARAMETERS = Column("parameters", "parameters", ".0f", exact=True)

# Counted in the released code; the paper's Table 3 has the shapes. N + 1 = 135.
_TABLE3 = Experiment(
    "table3",
    "OASIS-C, layer by layer, for COCO and SwinT-ChARM's latents",
    (_PARAMETERS,),
    tuple(
        Row(key, f"{key}: {label}", {"parameters": parameters})
        for key, label, parameters in (
            ("d1", "3 -> 128, to 128x128, first down block", 152_064),
            ("d2", "128 -> 128, to 64x64, identity shortcut", 295_424),
            ("d3", "128 -> 256, to 32x32", 919_040),
            ("d4", "256 -> 256, to 16x16, identity shortcut", 1_180_672),
            ("d5", "256 -> 512, to 8x8", 3_673_088),
            ("d6", "512 -> 512, to 4x4, identity shortcut", 4_720_640),
            ("u1", "512 -> 512, to 8x8, identity shortcut", 4_720_640),
            ("u2", "cat(u1, d5) 1024 -> 256, to 16x16", 3_212_800),
            ("u3", "cat(u2, d4) 512 -> 256, to 32x32", 1_902_080),
            ("u4", "cat(u3, d3) 512 -> 128, to 64x64", 803_584),
            ("u5", "cat(u4, d2) 256 -> 128, to 128x128", 475_904),
            ("u6", "cat(u5, d1) 256 -> 64, to 256x256", 201_088),
            ("out", "64 -> N+1, 1x1, no weight norm", 65 * 135),
            ("latent", "320 -> 64, 3x3, then nearest to 256x256", 184_448),
            ("body", "d1 to u6", 22_257_024),
            ("total", "135 outputs, as released", 22_450_247),
            ("total-134", "134 outputs, as the paper counts", 22_450_182),
            ("total-20", "20 outputs, Cityscapes", 22_442_772),
        )
    ),
    maker="oasis_c",
    notes=(
        "The paper's table joins (up, skip); the released code and ours (skip, up). "
        "Only the order of input channels differs.",
        "The paper gives the latent branch 64 channels, although its text says that "
        "it has the shape of 'out': it has that of u6.",
        "The paper counts N + 1 = 134 outputs for COCO; DeepLab2's label set also has "
        "void, so the released network has 135.",
    ),
)

_TABLE4 = Experiment(
    "table4",
    "Pre-training of the discriminator",
    (MIOU,),
    (
        Row(
            "cityscapes",
            "Cityscapes, crop 256x256, batch 16, 320,000 steps",
            {"miou": 0.67},
            "oasis-cityscapes",
        ),
        Row(
            "coco",
            "COCO 2017, crop 256x256, batch 16, 1,000,000 steps",
            {"miou": 0.41},
            "oasis-coco",
        ),
    ),
)


def _millions(key: str, title: str) -> Column:
    return Column(key, title, ".1f", exact=True)


def _system(key, label, encoder, decoder, prior, total, **more) -> Row:
    parts = {"E": encoder, "G": decoder, "P": prior, "total": total}
    return Row(key, label, {**parts, **more})


_TABLE7 = Experiment(
    "table7",
    "Parameters in millions: encoder | decoder | probability model | total",
    (
        _millions("E", "E"),
        _millions("G", "G"),
        _millions("conditioning", "beside G"),
        _millions("P", "P"),
        _millions("total", "total"),
    ),
    (
        _system("hific", "HiFiC, MS-ILLM", 7.4, 156.8, 17.3, 181.5),
        _system("dirac", "DIRAC", 7.0, 7.0, 14.3, 136.8, conditioning=108.4),
        _system("hfd", "HFD/DDPM", 10.7, 10.7, 36.4, 1091.7, conditioning=1033.9),
        _system("mric", "MRIC", 10.7, 10.7, 36.4, 60.45, conditioning=2.65),
        _system("egic", "EGIC", 9.1, 9.1, 14.4, 33.0, conditioning=0.4),
    ),
    maker="parameters",
)

TABLES: Mapping[str, Experiment] = {
    table.name: table
    for table in (
        study.TABLE1,
        study.TABLE2,
        _TABLE3,
        _TABLE4,
        study.TABLE5,
        study.TABLE6,
        _TABLE7,
        study.TABLE8,
    )
}
