"""Figures 1 to 30 as data. Source: EGIC, arXiv:2309.03244."""

from collections.abc import Mapping, Sequence

from egic.config import LAMBDAS, MSE_LAMBDAS
from egic.reproduction.experiment import BPP, FID_MAIN, PSNR, Axes, Experiment, Row
from hific.evaluation import published

ALPHAS = (0.0, 0.17, 0.33, 0.5, 0.67, 0.83, 1.0)
_RATE_DISTORTION = Axes("bpp", "psnr", "bits per pixel", "PSNR in dB")
_RATE_PERCEPTION = Axes("bpp", "fid", "bits per pixel", "FID/256")
_PLANE = Axes("psnr", "fid", "PSNR in dB", "FID/256")
_CURVES = (BPP, PSNR, FID_MAIN)

_LAMBDA_NOTE = (
    "The paper does not say which lambda this is; 1.5 is our guess. Compare with the "
    "one whose bpp is nearest."
)


def _drawing(name: str, title: str) -> Experiment:
    return Experiment(name, title, by_hand=True)


def _known(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def _teaser() -> tuple[Row, ...]:
    """The points of Fig. 1; those of EGIC are ours to reproduce."""
    rows = []
    for point in published.load("clic2020"):
        if "Fig. 1" not in point.source:
            continue
        label = ", ".join(filter(None, (point.curve, point.point)))
        values = _known(psnr=point.psnr, fid=point.fid)
        if point.curve == "EGIC":
            alpha = float(point.point.partition("=")[2])
            rows.append(Row(label, label, values, "egic-1.5-orp", alpha, curve="EGIC"))
        else:
            rows.append(Row(label, label, values, curve=point.curve))
    return tuple(rows)


_FIG1 = Experiment(
    "fig1",
    "Distortion-perception plane, CLIC 2020 at about 0.094 bpp",
    (PSNR, FID_MAIN),
    _teaser(),
    "clic2020",
    maker="curves",
    axes=(_PLANE,),
    notes=(
        "Published values are read off the figure: +-0.05 dB and +-0.3 FID. The seven "
        "alphas are 0 to 1; the figure does not print them.",
        _LAMBDA_NOTE,
    ),
)


def _by_rate(alphas: Sequence[float] = (0.0, 1.0)) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"egic-{weight:g}-{alpha:g}",
            f"EGIC lambda={weight:g}, alpha={alpha:g}",
            stage=f"egic-{weight:g}-orp",
            alpha=alpha,
            curve=f"EGIC, alpha={alpha:g}",
        )
        for weight in LAMBDAS
        for alpha in alphas
    )


_MSE_ONLY = tuple(
    Row(
        f"mse-{weight:g}",
        f"SwinT-ChARM, MSE, lambda={weight:g}",
        stage=f"swint-charm-mse-{weight:g}",
        curve="SwinT-ChARM, MSE",
    )
    for weight in MSE_LAMBDAS
)
_TWO_RATES = ("egic-2-0", "egic-2-1", "egic-0.1-0", "egic-0.1-1", "mse-0.001")


def _rate_figure(name: str, title: str, data: str, axes: Sequence[Axes]) -> Experiment:
    return Experiment(
        name,
        title,
        _CURVES,
        (*_by_rate(), *_MSE_ONLY),
        data,
        maker="curves",
        axes=tuple(axes),
        flags=("--curves=jpeg444,bpg,vtm",),
        smoke_rows=_TWO_RATES,
        notes=("EGIC's own curves are not published as numbers.",),
    )


def _rate_points() -> tuple[Row, ...]:
    """Three for each rate; the official ones are those of HiFiC's release."""
    rows = []
    official = sorted(published.load("clic2020", ["HiFiC"]))
    for rate, point in zip(("lo", "mi", "hi"), official, strict=True):
        values = _known(bpp=point.bpp, psnr=point.psnr, fid=point.fid)
        rows += [
            Row(f"official-{rate}", f"HiFiC-{rate}, official", values),
            Row(
                f"hific-{rate}",
                f"HiFiC-{rate}, reproduced",
                stage=f"hific-{rate}-gan",
                curve="HiFiC, reproduced",
            ),
            Row(
                f"ours-{rate}",
                f"ours w/ d, {rate}",
                stage=f"ours-{rate}-I",
                curve="ours w/ d",
            ),
        ]
    return tuple(rows)


_FIG9 = Experiment(
    "fig9",
    "HiFiC as published, reproduced, and with our second stage, at three rates",
    _CURVES,
    _rate_points(),
    "clic2020",
    maker="curves",
    axes=(_RATE_DISTORTION, _RATE_PERCEPTION),
    smoke_rows=("official-lo", "hific-lo", "ours-lo"),
    notes=("Official: Mentzer et al. 2020, data.csv of HiFiC's release.",),
)


def _interpolation(name: str, mode: str) -> Experiment:
    """Seven alphas between a decoder for squared error and that of stage 2."""
    rows = []
    for weight in LAMBDAS:
        point = f"egic-{weight:g}"
        for alpha in ALPHAS:
            rows += [
                Row(
                    f"{point}-{alpha:g}",
                    f"lambda={weight:g}, ORP, alpha={alpha:g}",
                    stage=f"{point}-orp",
                    alpha=alpha,
                    curve=f"lambda={weight:g}, ORP",
                ),
                Row(
                    f"{point}-{mode}-{alpha:g}",
                    f"lambda={weight:g}, {mode}, alpha={alpha:g}",
                    stage=f"{point}-I",
                    alpha=alpha,
                    interpolate_from=f"{point}-mse",
                    mode=mode,
                    curve=f"lambda={weight:g}, {mode}",
                ),
            ]
    return Experiment(
        name,
        f"Interpolation of {mode} against the output-residual head",
        _CURVES,
        tuple(rows),
        "clic2020",
        maker="curves",
        axes=(_PLANE,),
        smoke_rows=tuple(row.key for row in rows if row.key.startswith("egic-1-")),
        notes=(
            "The fine-tuned first decoder is trained for squared error, 500,000 steps; "
            "the paper does not say for what.",
        ),
    )


_ALL_ORP = tuple(f"egic-{weight:g}-orp" for weight in LAMBDAS)


def _crops(number: int, picture: str, data: str, bpp: Mapping[str, float]):
    """Pictures side by side; the rate of ours that comes nearest is shown."""
    return Experiment(
        f"fig{number}",
        f"{picture}: {', '.join(bpp)}",
        (BPP,),
        tuple(Row(name.lower(), name, {"bpp": value}) for name, value in bpp.items()),
        data,
        stages=_ALL_ORP,
        smoke_stages=("egic-1-orp",),
        maker="crops",
        notes=(
            f"The paper shows {picture}. Others' pictures are theirs to publish; "
            "ours is that of the rate nearest to EGIC's bpp in the figure.",
        ),
    )


_VISUAL = (
    (
        20,
        "kodim13",
        "kodak",
        {"JPEG": 0.296, "BPG": 0.333, "VTM": 0.292, "EGIC": 0.282},
    ),
    (
        21,
        "kodim22",
        "kodak",
        {"JPEG": 0.254, "BPG": 0.126, "VTM": 0.143, "EGIC": 0.127},
    ),
    (22, "kodim20", "kodak", {"EGIC": 0.077, "HiFiC": 0.121, "MS-ILLM": 0.094}),
    (23, "kodim14", "kodak", {"EGIC": 0.184, "HiFiC": 0.235, "MS-ILLM": 0.185}),
    (24, "kodim11", "kodak", {"EGIC": 0.134, "HiFiC": 0.186, "MS-ILLM": 0.151}),
    (25, "kodim21", "kodak", {"EGIC": 0.157, "HiFiC": 0.173, "MS-ILLM": 0.157}),
    (26, "1ac06", "clic2020", {"MRIC": 0.166, "DIRAC-100": 0.157, "EGIC": 0.159}),
    (27, "46c18", "clic2020", {"MRIC": 0.219, "DIRAC-100": 0.217, "EGIC": 0.202}),
    (28, "732bf", "clic2020", {"PO-ELIC": 0.068, "EGIC": 0.0716}),
    (29, "kodim24", "kodak", {"EGIC": 0.197, "HFD": 0.196}),
    (30, "2ff70", "clic2020", {"EGIC": 0.092, "HFD": 0.106}),
)
_PURE_GAN = ("patchgan", "sesame", "unet", "projected")

_ALL = (
    _FIG1,
    _drawing("fig2", "PatchGAN and OASIS-C side by side, a diagram"),
    _drawing("fig3", "DIRAC, MRIC and ORP side by side, a diagram"),
    Experiment(
        "fig4",
        "Five purely adversarial reconstructions and their spectra",
        stages=("study-e-concat",),
        needs=_PURE_GAN,
    ),
    _rate_figure(
        "fig5",
        "CLIC 2020: FID and PSNR against bpp",
        "clic2020",
        (_RATE_PERCEPTION, _RATE_DISTORTION),
    ),
    Experiment(
        "fig6",
        "Pictures made for faithfulness and for realism",
        stages=_ALL_ORP,
        smoke_stages=("egic-1-orp",),
        measured_on="clic2020",
        maker="crops",
    ),
    _rate_figure(
        "fig7",
        "DIV2K: FID and PSNR against bpp",
        "div2k",
        (_RATE_PERCEPTION, _RATE_DISTORTION),
    ),
    _rate_figure("fig8", "Kodak: PSNR against bpp", "kodak", (_RATE_DISTORTION,)),
    _FIG9,
    Experiment(
        "fig10",
        "Training of OASIS and of OASIS-C with distortion terms",
        stages=(
            "study-oasis-distortion",
            "study-distortion",
            *(
                f"{who}-{rate}-I"
                for rate in ("lo", "mi", "hi")
                for who in ("oasis", "ours")
            ),
        ),
        smoke_stages=("study-oasis-distortion", "study-distortion"),
        maker="training_curves",
    ),
    Experiment(
        "fig11",
        "bpp, FID and PSNR against steps, two runs each",
        stages=("hific-lo-gan", "ours-lo-I"),
        needs=("periodic",),
    ),
    _drawing("fig12", "The conditional DeepLab decoder of conf-f, a diagram"),
    _interpolation("fig13", "image"),
    _interpolation("fig14", "weights"),
    Experiment(
        "fig15",
        "U-Net discriminator: reconstructions with concatenation and projection",
        needs=("unet",),
    ),
    Experiment(
        "fig16",
        "Segmentation with weight norm and with spectral norm, and their errors",
        stages=("oasis-cityscapes", "oasis-cityscapes-spectral"),
        measured_on="cityscapes",
        maker="segmentation",
    ),
    Experiment(
        "fig17",
        "The discriminator at work, Cityscapes",
        stages=("study-distortion",),
        measured_on="cityscapes",
        maker="discriminator",
    ),
    Experiment(
        "fig18",
        "The discriminator at work, COCO",
        stages=("ours-lo-I",),
        measured_on="coco",
        maker="discriminator",
    ),
    Experiment(
        "fig19",
        "Pixel weights by instance size and by class frequency",
        maker="weight_maps",
        notes=("Needs labelled pictures alone; painted scenes where none are given.",),
    ),
    *(_crops(*row) for row in _VISUAL),
)
FIGURES: Mapping[str, Experiment] = {figure.name: figure for figure in _ALL}
