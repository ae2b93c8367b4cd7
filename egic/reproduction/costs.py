"""What a training step costs, and GPU-hours from it: counted, or measured here.

    hours = steps * (FLOPs of a step) / (peak of the GPU * share of it) / 3600

The FLOPs are those of matrix products and convolutions. A network costs 1 forward, 2
more where its weights are trained, 1 more where only a gradient passes through it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from egic.reproduction.stages import STAGES, Stage

# FLOPs of one forward pass of a 256x256 crop, from `counting.forward_flops`.
FORWARD: Mapping[str, float] = {
    "SwinT-ChARM E": 34_401_681_408,
    "SwinT-ChARM G": 34_401_681_408,
    "SwinT-ChARM P": 4_745_687_040,
    "ORP": 14_008_975_360,
    "HiFiC E": 10_622_730_240,
    "HiFiC G": 87_063_920_640,
    "HiFiC P": 2_526_382_080,
    "PatchGAN": 6_991_508_704,
    "OASIS": 56_057_397_248,
    "DeepLab": 15_628_894_208,
    "LPIPS": 1_737_004_416,
}


def _codec(backbone: str, passes: int, synthesis: int) -> dict[str, int]:
    return {
        f"{backbone} E": passes,
        f"{backbone} G": synthesis,
        f"{backbone} P": passes,
    }


def _stage2(backbone: str, critic: str, perception: int) -> dict[str, int]:
    """Both shares of E and P forward, G once forward and once trained.

    The critic is trained on three pictures (9) and passes one gradient on (2).
    """
    return {**_codec(backbone, 2, 4), critic: 11, "LPIPS": perception}


# `Stage.cost` -> network -> passes of one crop of each player's batch, in forwards.
# LPIPS is of two pictures, and passes a gradient to one of them. The head stands where
# the end of G, of its size, is not run.
STEPS: Mapping[str, Mapping[str, int]] = {
    "pre-training, OASIS": {"OASIS": 3},
    "pre-training, DeepLab": {"DeepLab": 3},
    "stage 1, SwinT-ChARM": {**_codec("SwinT-ChARM", 3, 3), "LPIPS": 3},
    "stage 1, HiFiC": {**_codec("HiFiC", 3, 3), "LPIPS": 3},
    "HiFiC's stage 2": {**_codec("HiFiC", 4, 4), "PatchGAN": 8, "LPIPS": 3},
    "stage 2 I, SwinT-ChARM": _stage2("SwinT-ChARM", "OASIS", 3),
    "stage 2 II, SwinT-ChARM": _stage2("SwinT-ChARM", "OASIS", 0),
    "stage 2 I, HiFiC": _stage2("HiFiC", "OASIS", 3),
    "stage 2 II, HiFiC": _stage2("HiFiC", "OASIS", 0),
    "stage 2 II, DeepLab": _stage2("HiFiC", "DeepLab", 0),
    "ORP, SwinT-ChARM": {**_codec("SwinT-ChARM", 1, 1), "ORP": 2},
}


class Gpu(NamedTuple):
    """A device as its maker describes it.

    Attributes:
        title: Its name, and the number format of `peak`.
        peak: FLOP/s of dense matrix products.
    """

    title: str
    peak: float


# Makers' data sheets, without sparsity. TensorFlow uses TF32 where there is.
GPUS: Mapping[str, Gpu] = {
    "v100": Gpu("V100, float32", 15.7e12),
    "a100": Gpu("A100, TF32", 156e12),
    "h200": Gpu("H200, TF32", 494.7e12),
}
SHARE = 0.3  # Of the peak; 0.2 to 0.4 is usual for training convolutions.


def flops_per_crop(cost: str, without: tuple[str, ...] = ()) -> float:
    """FLOPs of one training step for each crop of a player's batch."""
    return sum(
        FORWARD[network] * passes
        for network, passes in STEPS[cost].items()
        if network not in without
    )


def flops(stage: Stage) -> float:
    """FLOPs of a whole run at paper scale."""
    steps, batch = stage.recipe
    return steps * batch * flops_per_crop(stage.cost)


def hours(stage: Stage, gpu: Gpu, share: float = SHARE) -> float:
    """Estimated hours of a run at paper scale on one GPU."""
    return flops(stage) / (gpu.peak * share) / 3600


class Measured(NamedTuple):
    """A step that was run here.

    Attributes:
        seconds: The least of several, for a batch of `crops`.
        crops: Of each player's batch.
        share: FLOP/s over those of a large matrix product in the same process.
    """

    seconds: float
    crops: int
    share: float


def hours_here(stage: Stage, measured: Measured) -> float:
    """Hours of a run at paper scale on the machine where a step was measured."""
    steps, batch = stage.recipe
    return steps * measured.seconds * batch / measured.crops / 3600


def formula(gpu: Gpu, share: float) -> str:
    """What an estimate is made of, for those who read it."""
    return (
        f"An estimate, not a measurement: steps x FLOPs of a step / ({share:.0%} of "
        f"{gpu.peak / 1e12:g} TFLOP/s, {gpu.title}). Counted are the matrix products "
        "and convolutions of the full-size networks; loading data is left out."
    )


def needed_costs(stages: Iterable[Stage]) -> list[str]:
    """The kinds of step that stages have, each once."""
    return list(dict.fromkeys(stage.cost for stage in stages))


def example(cost: str) -> Stage:
    """A stage with this kind of step."""
    return next(stage for stage in STAGES.values() if stage.cost == cost)
