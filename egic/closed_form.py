"""A closed-form start for SwinT-ChARM: a near-linear codec instead of random weights.

The architecture and its forward pass are untouched, only the variables get other
first values, so that an untrained model is already a transform codec. Random weights
begin at an MSE of tens of thousands, because LayerNorm hides absolute brightness and
colour until the network has learned to carry them past it.

The recipe, this project's own ("hierarchical KLT"): patch embedding and mergings are
principal components of what they see; splittings and unpacking are the ridge
regressions that undo them. Every token also carries a constant that is larger than its
signal, so that LayerNorm, which divides by the norm of both, is almost a linear map.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from egic.config import EgicConfig
from egic.linear_maps import (
    chunks,
    frame,
    principal_directions,
    ridge_map,
    second_moment,
)
from egic.swin import Stage
from egic.transforms import STRIDE
from hific.codec import CodecModel
from hific.entropy import LOG_STEP, NUM_SCALES, SCALE_MIN, FactorizedDensity
from hific.names import named_variables

_BATCH = 16  # Crops computed at once.


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The constants of the start.

    Attributes:
        constant: K, the constant that every token carries, in units of the root mean
            square of its signal. Larger is more linear, and leaves the signal less.
        quantiser_step: Grey levels, in an orthonormal basis of 16x16x3 pixels, that one
            step of y stands for. 80 starts near 0.8 bpp.
        ridge: Of the decoder's regressions, relative to the mean of the diagonal. With
            1e-6 the weights in near-null directions are so large that Adam destroys the
            start within 100 steps.
        residual: Factor of what a Swin block adds to its shortcut, and of the last
            layers of the slice nets.
        hyper_std: Standard deviation of z; below 0.5 it would round to zero.
        max_crops, max_side: What is used of the crops, which bounds memory.
    """

    constant: float = 2.0
    quantiser_step: float = 80.0
    ridge: float = 3e-3
    residual: float = 0.05
    hyper_std: float = 2.0
    max_crops: int = 160
    max_side: int = 128


def initialise(
    model: CodecModel,
    crops: np.ndarray,
    config: EgicConfig,
    recipe: Recipe = Recipe(),
    seed: int = 0,
) -> None:
    """Assigns the near-linear start to the variables of a model.

    Args:
        model: SwinT-ChARM of `egic.codec.build_model`. What is not assigned (queries
            and keys, first MLP layers, h_s) keeps its value.
        crops: [N, c, c, 3] float32 or uint8 in [0, 255], of training pictures; c a
            multiple of 64. About 160 of 128x128 are enough.
        config: What the model was built from.
        recipe: Constants.
        seed: Of the frames and of the noise that stands for rounding.

    Raises:
        ValueError: The config is not one of SwinT-ChARM, or the crops do not fit it.
    """
    if not isinstance(config, EgicConfig):
        raise ValueError(
            f"The closed-form start is for SwinT-ChARM, got a {type(config).__name__}."
        )
    side = min(recipe.max_side, *np.shape(crops)[1:3]) if np.ndim(crops) == 4 else 0
    if not side or side % STRIDE or len(crops) == 0 or crops.shape[3] != 3:
        raise ValueError(
            "crops must be [N, c, c, 3] with N > 0 and c a multiple of "
            f"{STRIDE}, got shape {tuple(np.shape(crops))}."
        )
    rng = np.random.default_rng(seed)
    pixels = crops[: recipe.max_crops, :side, :side].astype(np.float32) / 255.0
    analysis: Any = model.analysis
    synthesis: Any = model.synthesis
    for stage in (*analysis.stages, *synthesis.stages):
        _quieten(stage, recipe.residual)
    y, merged = _fit_analysis(analysis, pixels, recipe, rng)
    noisy = y + rng.uniform(-0.5, 0.5, y.shape).astype(np.float32)
    _fit_synthesis(synthesis, noisy, merged, pixels, recipe)
    _fit_hyper_analysis(model.prior.hyper_analysis, y, recipe)
    _fit_density(model.prior.density, recipe.hyper_std)
    _fit_slice_nets(model.prior.walk, y, recipe)


def _fit_analysis(analysis, pixels, recipe: Recipe, rng):
    """Fits E from fine to coarse.

    Returns:
        y [N, h, w, C], and what the projection of each merging sees, [tokens, 4 C'] at
        stride 4, 8 and 16.
    """
    blocks = _space_to_depth(pixels)
    kernel, bias = embedding(_rows(blocks), analysis.embed.bias.shape[0], recipe, rng)
    analysis.embed.kernel.assign(kernel.reshape(analysis.embed.kernel.shape))
    analysis.embed.bias.assign(bias)
    x = _map(analysis.embed, pixels)
    merged = []
    last = len(analysis.merges) - 1
    for i, (stage, merge) in enumerate(
        zip(analysis.stages, analysis.merges, strict=False)
    ):
        x = _map(stage, x)
        seen = _map(merge.normalised, x)
        outputs = merge.kernel.shape[1]
        if i < last:
            kernel = merging(seen, outputs, recipe, rng)
        else:
            kernel = latent_merging(seen, outputs, block_energy(pixels), recipe)
        merge.kernel.assign(kernel)
        merged.append(seen)
        x = _map(merge, x)
    return _map(analysis.stages[-1], x), merged


def embedding(blocks: np.ndarray, outputs: int, recipe: Recipe, rng):
    """The KLT of pixel blocks, in a frame, and the constant beside it.

        e = F P^T (b - mean(b)) + K s f,   s^2 = E |b - mean(b)|^2

    P are the principal directions of the blocks, [F f] a frame (see `frame`).

    Args:
        blocks: [tokens, 12] in [0, 1].
        outputs: C, at least 14.
        recipe: `constant` is K.
        rng: Draws the frame.

    Returns:
        Kernel [12, C] and bias [C].
    """
    mean = blocks.mean(0, dtype=np.float64)
    directions, energies = principal_directions(
        second_moment(blocks) - np.outer(mean, mean)
    )
    signal, constant = _split_frame(outputs, len(mean), rng)
    kernel = directions @ signal.T
    size = recipe.constant * math.sqrt(energies.sum())
    return kernel, size * constant - mean @ kernel


def merging(seen: np.ndarray, outputs: int, recipe: Recipe, rng) -> np.ndarray:
    """The projection of a merging whose output is tokens again.

        W = P F^T + (K s / mu.mu) mu f^T

    mu is the mean of the LayerNorm output, the direction in which the constants of the
    four tokens lie; P are the leading principal directions of the rest, s^2 its energy.

    Args:
        seen: [tokens, 4 C], the LayerNorm output.
        outputs: C', at least 3.
        recipe: `constant` is K.
        rng: Draws the frame.

    Returns:
        [4 C, C'] kernel.
    """
    constant, directions, energies = _apart_from_the_constant(seen)
    count = min(len(energies), outputs - 2)
    signal, direction = _split_frame(outputs, count, rng)
    size = recipe.constant * math.sqrt(energies[:count].sum())
    return directions[:, :count] @ signal.T + size * np.outer(constant, direction)


def latent_merging(
    seen: np.ndarray, outputs: int, energy: float, recipe: Recipe
) -> np.ndarray:
    """The projection of the merging that writes y: components first, constant last.

    The components are scaled so that their energy is that of the pixels they describe,
    in units of the quantiser step; the constant is K times their root mean square.

    Args:
        seen: [tokens, 4 C], the LayerNorm output.
        outputs: Channels of y.
        energy: See `block_energy`.
        recipe: `constant` is K, `quantiser_step` in grey levels.

    Returns:
        [4 C, outputs] kernel.
    """
    constant, directions, energies = _apart_from_the_constant(seen)
    step = recipe.quantiser_step / 255.0
    gain = math.sqrt(energy / energies.sum()) / step
    count = min(len(energies), outputs - 1)
    kernel = np.zeros((len(constant), outputs))
    kernel[:, :count] = gain * directions[:, :count]
    size = recipe.constant * gain * math.sqrt(energies[:count].sum())
    kernel[:, -1] = size * constant
    return kernel


def block_energy(pixels: np.ndarray, side: int = 16) -> float:
    """E |b - mean(b)|^2 of blocks b of side x side pixels, mean(b) one colour."""
    return float(pixels.var(axis=(0, 1, 2), dtype=np.float64).sum() * side * side)


def _apart_from_the_constant(seen):
    """mu / mu.mu, the principal directions of the rest, and the energy along each."""
    mean = seen.mean(0, dtype=np.float64)
    constant = mean / (mean @ mean)
    rest = np.eye(len(mean)) - np.outer(mean, constant)
    directions, energies = principal_directions(rest @ second_moment(seen) @ rest)
    # The last direction is the constant's own, with nothing left along it.
    return constant, directions[:, :-1], energies[:-1]


def _fit_synthesis(synthesis, noisy_y, merged, pixels, recipe: Recipe) -> None:
    """Fits G from coarse to fine, each layer behind those that are fitted already.

    A splitting aims at the LayerNorm output of the merging that it undoes. That has
    mean 0 and variance 1 over channels, so the splitting's own LayerNorm, with gain 1
    and offset 0, leaves it nearly as it is.
    """
    x = noisy_y
    for stage, split, seen in zip(
        synthesis.stages, synthesis.splits, merged[::-1], strict=False
    ):
        x = _map(stage, x)
        split.kernel.assign(ridge_map(_rows(x), _raster_order(seen), recipe.ridge))
        split.norm.gamma.assign(tf.ones_like(split.norm.gamma))
        split.norm.beta.assign(tf.zeros_like(split.norm.beta))
        x = _map(split, x)
    x = _rows(_map(synthesis.stages[-1], x))
    blocks = _rows(_space_to_depth(pixels))
    mean_x, mean_blocks = (t.mean(0, dtype=np.float64) for t in (x, blocks))
    kernel = ridge_map(x - mean_x, blocks - mean_blocks, recipe.ridge)
    synthesis.unpack.kernel.assign(kernel)
    synthesis.unpack.bias.assign(mean_blocks - mean_x @ kernel)


def _raster_order(seen: np.ndarray) -> np.ndarray:
    """Reorders 2x2 tokens from columns first, as mergings take them, to rows first."""
    tokens = seen.reshape(len(seen), 4, -1)
    return tokens[:, [0, 2, 1, 3]].reshape(len(seen), -1)


def _fit_hyper_analysis(hyper_analysis, y, recipe: Recipe) -> None:
    """Makes h_a see channels of mean 0 and variance 1, and z of them vary enough.

    The large channels of y would otherwise be all that LayerNorm lets through. The
    projection of the merging is made orthogonal to its mean input, so that the mean of
    z is 0.
    """
    mean, std = _channel_statistics(y)
    embed, merge = hyper_analysis.embed, hyper_analysis.merge
    kernel = embed.kernel.numpy() / std[:, np.newaxis]
    embed.kernel.assign(kernel)
    embed.bias.assign(-np.einsum("rcio,i->o", kernel, mean))
    for stage in (hyper_analysis.fine, hyper_analysis.coarse):
        _quieten(stage, recipe.residual)
    seen = _map(merge.normalised, _map(hyper_analysis.fine, _map(embed, y)))
    average = seen.mean(0, dtype=np.float64)
    kernel = merge.kernel.numpy().astype(np.float64)
    kernel -= np.outer(average, average @ kernel) / (average @ average)
    variance = np.einsum("io,ij,jo->o", kernel, second_moment(seen), kernel)
    merge.kernel.assign(kernel * (recipe.hyper_std / np.sqrt(variance)))


def _fit_density(density: FactorizedDensity, std: float) -> None:
    """Narrows the density of z, which starts as a logistic one of scale `init_scale`.

    The first layer of the cumulative multiplies z by softplus(matrix), so a factor
    there scales the axis. A logistic density of scale s has s^2 = 3 std^2 / pi^2.
    """
    factor = density.distribution.base.init_scale * math.pi / (math.sqrt(3.0) * std)
    matrix = named_variables(density)["distribution.base.matrices.0"]
    slope = np.log1p(np.exp(matrix.numpy().astype(np.float64))) * factor
    matrix.assign(np.log(np.expm1(slope)))


def _fit_slice_nets(walk, y, recipe: Recipe) -> None:
    """Makes slice nets predict about the mean and standard deviation of each channel.

    Known slices enter divided by their standard deviation.
    """
    count = len(walk.mean_nets)
    mean, std = _channel_statistics(y)
    index = np.clip((np.log(std) - math.log(SCALE_MIN)) / LOG_STEP, 1, NUM_SCALES - 2)
    size = len(mean) // count
    for nets, biases in ((walk.mean_nets, mean), (walk.scale_nets, index)):
        for net, bias in zip(nets, np.split(biases, count), strict=True):
            first, last = net.kernels[0], net.kernels[-1]
            support = np.maximum(std[: first.shape[2] - size], 1.0)
            divisor = np.concatenate([np.ones(size), support])
            first.assign(first.numpy() / divisor[:, np.newaxis])
            last.assign(last * recipe.residual)
            net.biases[-1].assign(bias)


def _channel_statistics(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = y.mean((0, 1, 2), dtype=np.float64)
    std = y.std((0, 1, 2), dtype=np.float64)
    return mean, np.maximum(std, SCALE_MIN)


def _quieten(stage: Stage, factor: float) -> None:
    """Scales what the blocks of a stage add to their shortcuts."""
    for block in stage.blocks:
        for layer in (block.projection, block.mlp_out):
            layer.kernel.assign(layer.kernel * factor)
            layer.bias.assign(layer.bias * factor)


def _split_frame(size: int, count: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """A frame of `count` columns for a signal, and one more for the constant."""
    columns = frame(size, count + 1, rng)
    return columns[:, :count], columns[:, count]


def _map(function: Callable, x: np.ndarray) -> np.ndarray:
    """The function of a few pictures at a time, float32."""
    parts = [function(tf.constant(x[rows])).numpy() for rows in chunks(len(x), _BATCH)]
    return np.concatenate(parts)


def _rows(x: np.ndarray) -> np.ndarray:
    """[..., C] -> [tokens, C]."""
    return x.reshape(-1, x.shape[-1])


def _space_to_depth(pixels: np.ndarray) -> np.ndarray:
    """[N, H, W, 3] -> [N, H/2, W/2, 12], a patch's (row, column, colour)."""
    return _map(lambda x: tf.nn.space_to_depth(x, 2), pixels)
