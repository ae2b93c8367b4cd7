"""The four transforms of SwinT-ChARM: image to latent to hyper-latent, and back.

Every transform halves (or doubles) the resolution four (or two) times, with a stage of
Swin blocks at each. Weights exist as soon as a transform is made; calling it is a plain
function of tensors, with height and width known or not.

Source: Zhu et al. 2022 (SwinT-ChARM) in the configuration of EGIC, arXiv:2309.03244.
"""

from collections.abc import Sequence

import tensorflow as tf

from egic.config import HyperConfig, TransformConfig
from egic.initialisers import Initialiser
from egic.kernels import Kernels
from egic.swin import (
    PatchEmbed,
    PatchMerging,
    PatchSplitting,
    PatchUnpack,
    Stage,
    StageShape,
)
from hific.names import copy_variables

STRIDE = 64  # Sides of every picture coded are multiples of this.
LATENT_STRIDE = 16


class Analysis(tf.Module):
    """E: an image [B, H, W, 3] in [0, 255] to y [B, H/16, W/16, dims[-1]]."""

    def __init__(
        self, config: TransformConfig, init: Initialiser, kernels: Kernels, dtype
    ):
        super().__init__()
        self._dtype = dtype
        dims = config.dims
        self.embed = PatchEmbed(3, dims[0], init)
        self.stages = _stages(config, range(4), init, kernels)
        self.merges = [
            PatchMerging(dims[i], dims[i + 1], init, kernels) for i in range(3)
        ]

    def __call__(self, image: tf.Tensor) -> tf.Tensor:
        x = self.embed(tf.cast(image * (1.0 / 255.0), self._dtype))
        for stage, merge in zip(self.stages[:3], self.merges, strict=True):
            x = merge(stage(x))
        return tf.cast(self.stages[3](x), tf.float32)


class Synthesis(tf.Module):
    """G: y_hat [B, h, w, dims[-1]] to an image [B, 16h, 16w, 3] on the [0, 255] scale.

    The image is not clipped: whoever writes it as 8 bits rounds and saturates.
    """

    def __init__(
        self, config: TransformConfig, init: Initialiser, kernels: Kernels, dtype
    ):
        super().__init__()
        self._dtype = dtype
        dims = config.dims[::-1]
        self.stages = _stages(config, (3, 2, 1, 0), init, kernels)
        self.splits = [
            PatchSplitting(dims[i], dims[i + 1], init, kernels) for i in range(3)
        ]
        self.unpack = PatchUnpack(dims[3], 3, init)

    def __call__(self, y_hat: tf.Tensor) -> tf.Tensor:
        return self.render(self.features(y_hat))

    def features(self, y_hat: tf.Tensor, depth: int = 1) -> tf.Tensor:
        """The input of the last `depth` stages; [B, 8h, 8w, dims[0]] for one."""
        x = tf.cast(y_hat, self._dtype)
        first = 4 - depth
        for stage, split in zip(self.stages[:first], self.splits[:first], strict=True):
            x = split(stage(x))
        return x

    def render(self, features: tf.Tensor, depth: int = 1) -> tf.Tensor:
        """The last `depth` stages and their image, [B, 16h, 16w, 3] in [0, 255]."""
        return _image(features, *self.tail(depth))

    def tail(self, depth: int) -> tuple[list[Stage], list[PatchSplitting], PatchUnpack]:
        """The last `depth` stages, what lies between them, and what follows."""
        return self.stages[4 - depth :], self.splits[4 - depth :], self.unpack


class Head(tf.Module):
    """The output-residual head: G's last stages a second time, with other weights.

    Features of G to the image of least mean squared error that can be made of them, on
    the [0, 255] scale, not clipped. With one stage of the published size it has 399,892
    parameters. What is called a residual is this image minus G's.

    Source: Sect. 3.3 and A.3 of EGIC (arXiv:2309.03244), in the form that predicts the
    image itself.

    Attributes:
        depth: Stages; the features are `Synthesis.features(y_hat, depth)`.
        channels: Of the features.
    """

    def __init__(
        self,
        config: TransformConfig,
        depth: int,
        init: Initialiser,
        kernels: Kernels,
        dtype,
    ):
        super().__init__()
        if not 1 <= depth <= 4:
            raise ValueError(
                f"head.stages (={depth}) must be 1 to 4, the stages of G, or 0 for no "
                "head."
            )
        dims = config.dims[::-1]
        self.depth, self.channels = depth, dims[4 - depth]
        self._dtype = dtype
        self.stages = _stages(config, range(depth)[::-1], init, kernels)
        self.splits = [
            PatchSplitting(dims[i], dims[i + 1], init, kernels)
            for i in range(4 - depth, 3)
        ]
        self.unpack = PatchUnpack(dims[3], 3, init)

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        x = tf.cast(features, self._dtype)
        return _image(x, self.stages, self.splits, self.unpack)

    def start_from(self, synthesis: Synthesis) -> None:
        """Copies the weights of G's last stages: the head then gives G's image."""
        theirs = tf.nest.flatten(synthesis.tail(self.depth))
        ours = tf.nest.flatten((self.stages, self.splits, self.unpack))
        for source, target in zip(theirs, ours, strict=True):
            copy_variables(source, target)


def _image(
    x: tf.Tensor,
    stages: Sequence[Stage],
    splits: Sequence[PatchSplitting],
    unpack: PatchUnpack,
) -> tf.Tensor:
    for stage, split in zip(stages[:-1], splits, strict=True):
        x = split(stage(x))
    return tf.cast(unpack(stages[-1](x)), tf.float32) * 255.0


class HyperAnalysis(tf.Module):
    """h_a: y [B, h, w, C] to z [B, h/4, w/4, channels]."""

    def __init__(
        self, config: HyperConfig, latent: int, init: Initialiser, kernels: Kernels
    ):
        super().__init__()
        channels = config.channels
        self.embed = PatchEmbed(latent, channels, init)
        self.fine, self.coarse = _hyper_stages(config, init, kernels)
        self.merge = PatchMerging(channels, channels, init, kernels)

    def __call__(self, y: tf.Tensor) -> tf.Tensor:
        return self.coarse(self.merge(self.fine(self.embed(y))))


class HyperSynthesis(tf.Module):
    """h_s: z_hat [B, h/4, w/4, channels] to mean and scale features, [B, h, w, C]."""

    def __init__(
        self, config: HyperConfig, latent: int, init: Initialiser, kernels: Kernels
    ):
        super().__init__()
        channels = config.channels
        self.fine, self.coarse = _hyper_stages(config, init, kernels)
        self.split = PatchSplitting(channels, channels, init, kernels)
        self.unpack = PatchUnpack(channels, 2 * latent, init)

    def __call__(self, z_hat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = self.unpack(self.fine(self.split(self.coarse(z_hat))))
        mean, scale = tf.split(x, 2, axis=-1)
        return mean, scale


def _stages(config: TransformConfig, levels, init, kernels) -> list[Stage]:
    """Stages at stride 2, 4, 8, 16 for levels 0 to 3, in the order of `levels`."""
    return [
        Stage(
            StageShape(
                config.dims[level],
                config.depths[level],
                config.window,
                STRIDE // 2 ** (level + 1),
            ),
            init,
            kernels,
        )
        for level in levels
    ]


def _hyper_stages(config: HyperConfig, init, kernels) -> list[Stage]:
    """The stages at stride 32 and 64."""
    return [
        Stage(StageShape(config.channels, depth, window, granularity), init, kernels)
        for depth, window, granularity in zip(
            config.depths, config.windows, (2, 1), strict=True
        )
    ]
