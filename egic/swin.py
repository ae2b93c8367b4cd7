"""Swin transformer stages as plain functions of tensors.

A stage keeps its tokens in window order from its first block to its last: one gather of
rows enters that order, one moves on between the plain and the shifted windows, one
leaves it. Everything between is a matrix product over [tokens, channels] or attention
over [windows, heads, w*w, 32], and needs neither roll nor window transpose. Any height
and width are taken: a grid that windows do not divide is padded, and the padding
masked.

Source: Liu et al. 2021, arXiv:2103.14030, with the details of the SwinT-ChARM
implementation that EGIC builds on.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from egic.chunks import in_chunks
from egic.initialisers import Initialiser
from egic.kernels import Kernels, dense
from egic.windows import Mask, windows

HEAD_DIM = 32


@dataclasses.dataclass(frozen=True)
class StageShape:
    """What one stage of Swin blocks looks like.

    Attributes:
        dim: C, channels; a multiple of 32, the width of a head.
        depth: Number of blocks; every odd one works on windows shifted by window // 2.
        window: w, side of a window in tokens.
        granularity: Heights and widths the stage will see are multiples of this. Where
            it is a multiple of the window, nothing is ever padded.
    """

    dim: int
    depth: int
    window: int
    granularity: int

    def __post_init__(self):
        if self.dim % HEAD_DIM:
            raise ValueError(f"dim must be a multiple of {HEAD_DIM}, got {self.dim}.")


@tf.custom_gradient
def _permute(tokens, index, inverse):
    """Gathers tokens [B, N, C] along N; its gradient gathers back, not scatters."""

    def gradient(upstream):
        return tf.gather(upstream, inverse, axis=1), None, None

    return tf.gather(tokens, index, axis=1), gradient


def relative_position_index(window: int) -> np.ndarray:
    """The row of the bias table for every pair of tokens, [w*w, w*w] int32."""
    row, column = np.divmod(np.arange(window * window), window)
    rows = row[:, np.newaxis] - row + window - 1
    columns = column[:, np.newaxis] - column + window - 1
    return (rows * (2 * window - 1) + columns).astype(np.int32)


class SwinBlock(tf.Module):
    """x + Attention(LN(x)), then x + MLP(LN(x)), on tokens in window order.

    [B*N, C] -> [B*N, C]. Attention stays within windows of w*w tokens, with a learned
    bias for each relative position. Parameters: 12 C^2 + 13 C + (2w - 1)^2 C / 32.
    """

    def __init__(self, dim: int, window: int, init: Initialiser, kernels: Kernels):
        super().__init__()
        self._heads = dim // HEAD_DIM
        self._window = window
        self._kernels = kernels
        self.norm1 = Affine(dim, init)
        self.position_bias = init.constant(0.0, ((2 * window - 1) ** 2, self._heads))
        self.qkv = Dense(dim, 3 * dim, init)
        self.projection = Dense(dim, dim, init)
        self.norm2 = Affine(dim, init)
        self.mlp_in = Dense(dim, 4 * dim, init, bias_std=1e-6)
        self.mlp_out = Dense(4 * dim, dim, init, bias_std=1e-6)

    def __call__(self, x: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        kernels = self._kernels
        attended = self._attend(kernels.layer_norm(x, *self.norm1(x.dtype)), mask)
        x = kernels.dense_add(attended, *self.projection(x.dtype), x)
        hidden = kernels.layer_norm(x, *self.norm2(x.dtype))
        hidden = kernels.dense_gelu(hidden, *self.mlp_in(x.dtype))
        return kernels.dense_add(hidden, *self.mlp_out(x.dtype), x)

    def _attend(self, x: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        heads, area, dim = self._heads, self._window**2, x.shape[-1]
        kernel, bias = self.qkv(x.dtype)
        # Queries are scaled by 32^-1/2: cheaper in the weights than in the tokens.
        scale = np.repeat([HEAD_DIM**-0.5, 1.0, 1.0], dim).astype(
            x.dtype.as_numpy_dtype
        )
        qkv = dense(x, kernel * scale, bias * scale)
        qkv = tf.reshape(qkv, (-1, area, 3, heads, HEAD_DIM))
        # Three axes, never four: with one head, oneDNN takes [n, 1, w*w, 32] for a
        # broadcast and is a hundred times slower.
        qkv = tf.reshape(tf.transpose(qkv, (2, 0, 3, 1, 4)), (3, -1, area, HEAD_DIM))
        q, k, v = tf.unstack(qkv)
        logits = tf.matmul(q, k, transpose_b=True)
        logits = tf.reshape(logits, (-1, heads, area, area)) + self._bias(x.dtype)
        if mask is not None:
            count = tf.shape(mask)[0]
            logits = tf.reshape(logits, (-1, count, heads, area, area)) + mask
        attended = tf.matmul(tf.nn.softmax(tf.reshape(logits, (-1, area, area))), v)
        attended = tf.reshape(attended, (-1, heads, area, HEAD_DIM))
        return tf.reshape(tf.transpose(attended, (0, 2, 1, 3)), (-1, dim))

    def _bias(self, dtype) -> tf.Tensor:
        """The learned bias of every pair of tokens, [1, heads, w*w, w*w]."""
        area = self._window**2
        index = relative_position_index(self._window).reshape(-1)
        bias = tf.gather(tf.cast(self.position_bias, dtype), index)
        bias = tf.reshape(bias, (1, area, area, self._heads))
        return tf.transpose(bias, (0, 3, 1, 2))


class Stage(tf.Module):
    """Swin blocks at one resolution, [B, H, W, C] -> [B, H, W, C]."""

    def __init__(self, shape: StageShape, init: Initialiser, kernels: Kernels):
        super().__init__()
        self._shape = shape
        self._at_once = kernels.tokens_at_once
        self.blocks = [
            SwinBlock(shape.dim, shape.window, init, kernels)
            for _ in range(shape.depth)
        ]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        window, dim = self._shape.window, self._shape.dim
        batch, height, width, _ = tf.unstack(tf.shape(x))
        padding = None
        if self._shape.granularity % window:
            padding = (-height % window, -width % window)
            x = tf.pad(x, ((0, 0), (0, padding[0]), (0, padding[1]), (0, 0)))
        padded_height, padded_width = tf.unstack(tf.shape(x)[1:3])
        count = padded_height * padded_width
        cuts = [
            windows(padded_height, padded_width, padding, window, shift, x.dtype)
            for shift in (0, window // 2)[: len(self.blocks)]
        ]
        tokens = tf.reshape(x, (batch, count, dim))
        tokens = _permute(tokens, cuts[0].order, cuts[0].inverse)
        for i, block in enumerate(self.blocks):
            here = cuts[i % 2]
            if i:
                before = cuts[(i - 1) % 2]
                step = tf.gather(before.inverse, here.order)
                back = tf.gather(here.inverse, before.order)
                tokens = _permute(tokens, step, back)
            flat = self._through(block, tf.reshape(tokens, (-1, dim)), here.mask)
            tokens = tf.reshape(flat, (batch, count, dim))
        last = cuts[(len(self.blocks) - 1) % 2]
        tokens = _permute(tokens, last.inverse, last.order)
        x = tf.reshape(tokens, (batch, padded_height, padded_width, dim))
        return x if padding is None else x[:, :height, :width]

    def _through(self, block: SwinBlock, tokens, mask: Mask | None) -> tf.Tensor:
        if self._at_once is None:
            return block(tokens, None if mask is None else mask.whole())
        area = self._shape.window**2
        return in_chunks(block, tokens, mask, area, self._at_once)


class Dense(tf.Module):
    """The weights of x @ kernel + bias, cast to the dtype they are asked for."""

    def __init__(self, inputs, outputs, init: Initialiser, bias_std=0.0):
        super().__init__()
        self.kernel = init.glorot((inputs, outputs), inputs, outputs)
        self.bias = init.normal(bias_std, (outputs,))

    def __call__(self, dtype) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(self.kernel, dtype), tf.cast(self.bias, dtype)


class Affine(tf.Module):
    """The gain and offset of a LayerNorm."""

    def __init__(self, dim: int, init: Initialiser):
        super().__init__()
        self.gamma = init.constant(1.0, (dim,))
        self.beta = init.constant(0.0, (dim,))

    def __call__(self, dtype) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(self.gamma, dtype), tf.cast(self.beta, dtype)


class PatchEmbed(tf.Module):
    """Conv2D 2x2 stride 2 with bias, [B, H, W, C] -> [B, H/2, W/2, C']."""

    def __init__(self, inputs: int, outputs: int, init: Initialiser):
        super().__init__()
        shape = (2, 2, inputs, outputs)
        self.kernel = init.glorot(shape, 4 * inputs, 4 * outputs)
        self.bias = init.constant(0.0, (outputs,))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        kernel = tf.reshape(self.kernel, (-1, self.kernel.shape[-1]))
        x = tf.nn.space_to_depth(x, 2)
        return _on_grid(x, tf.cast(kernel, x.dtype), tf.cast(self.bias, x.dtype))


class PatchMerging(tf.Module):
    """LN(4C) and Dense(C', no bias) of 2x2 tokens, [B, H, W, C] -> [B, H/2, W/2, C'].

    The four tokens are taken in the order (0, 0), (1, 0), (0, 1), (1, 1) of (row,
    column), which is not that of space-to-depth.
    """

    def __init__(self, inputs: int, outputs: int, init: Initialiser, kernels: Kernels):
        super().__init__()
        self._kernels = kernels
        self.norm = Affine(4 * inputs, init)
        self.kernel = init.glorot((4 * inputs, outputs), 4 * inputs, outputs)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        batch, height, width, _ = tf.unstack(tf.shape(x))
        x = self.normalised(x)
        x = tf.matmul(x, tf.cast(self.kernel, x.dtype))
        return tf.reshape(x, (batch, height // 2, width // 2, self.kernel.shape[1]))

    def normalised(self, x: tf.Tensor) -> tf.Tensor:
        """The LayerNorm output that the projection sees, [B*H/2*W/2, 4C]."""
        batch, height, width, _ = tf.unstack(tf.shape(x))
        dim = x.shape[-1]
        x = tf.reshape(x, (batch, height // 2, 2, width // 2, 2, dim))
        x = tf.reshape(tf.transpose(x, (0, 1, 3, 4, 2, 5)), (-1, 4 * dim))
        return self._kernels.layer_norm(x, *self.norm(x.dtype))


class PatchSplitting(tf.Module):
    """Dense(4C', no bias), LN(4C'), depth-to-space: [B, H, W, C] -> [B, 2H, 2W, C']."""

    def __init__(self, inputs: int, outputs: int, init: Initialiser, kernels: Kernels):
        super().__init__()
        self._kernels = kernels
        self.kernel = init.glorot((inputs, 4 * outputs), inputs, 4 * outputs)
        self.norm = Affine(4 * outputs, init)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        batch, height, width, _ = tf.unstack(tf.shape(x))
        x = tf.matmul(tf.reshape(x, (-1, x.shape[-1])), tf.cast(self.kernel, x.dtype))
        x = self._kernels.layer_norm(x, *self.norm(x.dtype))
        x = tf.reshape(x, (batch, height, width, self.kernel.shape[1]))
        return tf.nn.depth_to_space(x, 2)


class PatchUnpack(tf.Module):
    """Dense(4C', bias), depth-to-space: [B, H, W, C] -> [B, 2H, 2W, C']."""

    def __init__(self, inputs: int, outputs: int, init: Initialiser):
        super().__init__()
        self.kernel = init.glorot((inputs, 4 * outputs), inputs, 4 * outputs)
        self.bias = init.constant(0.0, (4 * outputs,))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        kernel, bias = tf.cast(self.kernel, x.dtype), tf.cast(self.bias, x.dtype)
        return tf.nn.depth_to_space(_on_grid(x, kernel, bias), 2)


def _on_grid(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """A dense layer at every position of [B, H, W, C]."""
    flat = dense(tf.reshape(x, (-1, x.shape[-1])), kernel, bias)
    return tf.reshape(flat, tf.concat([tf.shape(x)[:3], tf.shape(bias)], 0))
