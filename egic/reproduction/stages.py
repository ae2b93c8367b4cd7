"""Every run behind the paper's tables and figures, once, at both scales."""

import dataclasses
from collections.abc import Iterable, Mapping

from egic.config import LAMBDAS, MSE_LAMBDAS
from egic.orp_config import PRESETS as ORP
from egic.pretraining_config import PRESETS as PRETRAINING
from egic.stage2_config import PRESETS as STAGE2


@dataclasses.dataclass(frozen=True)
class Stage:
    """One run of a training script.

    Attributes:
        name: Of its directory.
        script: Root script without suffix.
        preset: FILE.py:NAME at paper scale.
        smoke_preset: At smoke scale.
        cost: A key of `costs.STEPS`.
        data: A key of `datasets.DATASETS`.
        steps, batch: Of the recipe; the preset's where they are 0.
        init_from, discriminator: Stages whose results it starts from.
        flags: At both scales.
        paper_flags, smoke_flags: At one.
        needs: Parts that it lacks, keys of `parts.PARTS`.
    """

    name: str
    script: str
    preset: str
    smoke_preset: str
    cost: str
    data: str
    steps: int = 0
    batch: int = 0
    init_from: str = ""
    discriminator: str = ""
    flags: tuple[str, ...] = ()
    paper_flags: tuple[str, ...] = ()
    smoke_flags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def recipe(self) -> tuple[int, int]:
        """Steps and batch size at paper scale, per player."""
        _, _, name = self.preset.partition(":")
        preset = _RECIPES.get(self.script, {}).get(name)
        steps = self.steps or getattr(preset, "steps", 0)
        return steps, self.batch or getattr(preset, "batch_size", 0)


_RECIPES: Mapping[str, Mapping] = {
    "pretrain_discriminator": PRETRAINING,
    "train_stage2": STAGE2,
    "train_orp": ORP,
}

_NORM = "--config.discriminator.oasis.norm="
# OASIS of the study: spectral norm as in its own code.
_OASIS = (f"{_NORM}spectral_training",)
# DeepLab as small as OASIS of the tiny presets.
_SMALL_DEEPLAB = tuple(
    f"--config.discriminator.deeplab.{name}={value}"
    for name, value in {
        "stem": "8",
        "widths": "(8,8,16,16)",
        "depths": "(1,1,1,1)",
        "crop": "(128,128)",
    }.items()
)
_NO_PERCEPTION = "--config.perceptual_weight=0"


def _pretraining(name: str, data: str, flags=(), preset="", **fields) -> Stage:
    return Stage(
        name,
        "pretrain_discriminator",
        f"egic/pretraining_config.py:{preset or data}",
        "egic/pretraining_config.py:synthetic-tiny",
        "pre-training, OASIS",
        data,
        flags=tuple(flags),
        **fields,
    )


def _stage1(name: str, preset: str, data: str, smoke_rate: float, **fields) -> Stage:
    """Stage 1 of SwinT-ChARM; smoke starts in closed form and weighs no LPIPS."""
    return Stage(
        name,
        "train_stage1",
        f"egic/config.py:{preset}",
        "egic/config.py:egic-tiny",
        "stage 1, SwinT-ChARM",
        data,
        smoke_flags=("--init=klt", f"--config.rate.weight={smoke_rate:g}"),
        **fields,
    )


def _hific(name: str) -> Stage:
    return Stage(
        name,
        "train_stage1",
        f"egic/config.py:{name}",
        "egic/config.py:hific-tiny",
        "stage 1, HiFiC",
        "coco",
        1_000_000,
        8,
        smoke_flags=(_NO_PERCEPTION, "--config.rate.weight=0.5"),
    )


def _stage2(name, init_from, discriminator, strategy, preset, flags=(), **fields):
    """Stage 2; at smoke scale LPIPS, whose weights are a file of their own, is out."""
    backbone = "SwinT-ChARM" if preset == "egic" else "HiFiC"
    beta = STAGE2[preset].strategy_1.adversarial
    return Stage(
        name,
        "train_stage2",
        f"egic/stage2_config.py:{preset}",
        "egic/stage2_config.py:egic-tiny-synthetic",
        fields.pop("cost", f"stage 2 {strategy}, {backbone}"),
        "cityscapes" if "cityscapes" in preset else "coco",
        init_from=init_from,
        discriminator=discriminator,
        flags=(f"--strategy={strategy}", *flags),
        smoke_flags=(
            "--config.strategy_1.perceptual=0",
            f"--config.strategy_1.adversarial={beta}",
            *fields.pop("smoke_flags", ()),
        ),
        **fields,
    )


def _study(name: str, discriminator: str, conditioning: str, strategy="II", **fields):
    """A row of the preliminary study: HiFiC-lo, Cityscapes, E and P frozen."""
    flags = (
        f"--config.discriminator.conditioning={conditioning}",
        *fields.pop("flags", ()),
    )
    return _stage2(
        name, "hific-lo", discriminator, strategy, "hific-cityscapes", flags, **fields
    )


def _main_chain(weight: float) -> list[Stage]:
    """The four runs of one rate of the main model, and the ablation's decoder."""
    name = f"egic-{weight:g}"
    mse_only = (
        "--config.strategy_2.adversarial=0",
        "--config.strategy_2.distortion=1",
    )
    return [
        _stage1(
            name,
            name,
            "coco",
            weight,
            steps=2_000_000,
            batch=16,
        ),
        _stage2(f"{name}-I", name, "oasis-coco", "I", "egic"),
        Stage(
            f"{name}-orp",
            "train_orp",
            "egic/orp_config.py:orp",
            "egic/orp_config.py:orp-tiny",
            "ORP, SwinT-ChARM",
            "coco",
            init_from=f"{name}-I",
        ),
        # G1 towards squared error: a second stage with that term alone.
        _stage2(
            f"{name}-mse", name, "oasis-coco", "II", "egic", mse_only, steps=500_000
        ),
    ]


def _rate_points(rate: str) -> list[Stage]:
    """HiFiC's own second stage, and ours with the same E, P and start."""
    name = f"hific-{rate}"
    return [
        _hific(name),
        Stage(
            f"{name}-gan",
            "train_stage2",
            f"hific/config.py:{name}",
            "hific/config.py:hific-tiny",
            "HiFiC's stage 2",
            "coco",
            1_000_000,
            8,
            init_from=name,
            paper_flags=("--config.optimizer.warmup_steps=50000",),
            smoke_flags=(_NO_PERCEPTION,),
        ),
        _stage2(f"ours-{rate}-I", name, "oasis-coco", "I", "hific"),
        _stage2(
            f"oasis-{rate}-I",
            name,
            "",
            "I",
            "hific",
            (*_OASIS, "--config.discriminator.conditioning=none"),
        ),
    ]


_ALL = [
    _pretraining("oasis-coco", "coco"),
    _pretraining("oasis-cityscapes", "cityscapes"),
    _pretraining("oasis-cityscapes-spectral", "cityscapes", _OASIS),
    _pretraining("oasis-cityscapes-layer", "cityscapes", (f"{_NORM}layer",), batch=8),
    dataclasses.replace(
        _pretraining("deeplab-cityscapes", "cityscapes", preset="cityscapes-resnet50"),
        cost="pre-training, DeepLab",
        smoke_flags=("--config.discriminator.kind=deeplab", *_SMALL_DEEPLAB),
    ),
    *(stage for weight in LAMBDAS for stage in _main_chain(weight)),
    *(
        _stage1(
            f"swint-charm-mse-{weight:g}",
            f"swint-charm-mse-{weight:g}",
            "clic2020",
            500 * weight,
            steps=2_000_000,
            batch=8,
        )
        for weight in MSE_LAMBDAS
    ),
    *(stage for rate in ("lo", "mi", "hi") for stage in _rate_points(rate)),
    _study("study-e-concat", "", "concat", flags=_OASIS),
    _study("study-e-projection", "", "projection", flags=_OASIS),
    _study("study-e", "", "none", flags=_OASIS),
    _study("study-f", "deeplab-cityscapes", "concat", cost="stage 2 II, DeepLab"),
    _study("study-pretrained", "oasis-cityscapes-spectral", "none"),
    _study("study-weight-norm", "oasis-cityscapes", "none"),
    _study("study-layer-norm", "oasis-cityscapes-layer", "none"),
    _study("study-projection", "oasis-cityscapes", "projection"),
    _study("study-distortion", "oasis-cityscapes", "projection", "I"),
    _study("study-oasis-distortion", "", "none", "I", flags=_OASIS),
    _study(
        "study-class-frequency",
        "",
        "none",
        flags=(
            *_OASIS,
            "--config.data.pixel_weights=class_frequency",
            "--config.reduction=all_pixels",
        ),
    ),
]
STAGES: Mapping[str, Stage] = {stage.name: stage for stage in _ALL}


def in_order(names: Iterable[str]) -> list[Stage]:
    """The stages, and all they start from, each once and after what it needs."""
    order: dict[str, Stage] = {}

    def add(name: str) -> None:
        if not name or name in order:
            return
        stage = STAGES[name]
        add(stage.init_from)
        add(stage.discriminator)
        order[name] = stage

    for name in names:
        add(name)
    return list(order.values())
