"""A codec of two matrices and one scale per channel, to test plumbing in a second."""

import dataclasses

import numpy as np
import tensorflow as tf

from hific import shares
from hific.config import DataConfig, OptimizerConfig, RateConfig

CHANNELS = 4


@dataclasses.dataclass
class ToyConfig:
    rate: RateConfig = dataclasses.field(default_factory=RateConfig)
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    distortion_weight: float = 0.01
    perceptual_weight: float = 0.0
    perceptual_start: int = 0


@dataclasses.dataclass
class Rate:
    y_hat: tf.Tensor
    y_bits: tf.Tensor
    z_bits: tf.Tensor
    hard_y_bits: tf.Tensor
    hard_z_bits: tf.Tensor


class _Matrix(tf.Module):
    def __init__(self, rows, columns, call):
        super().__init__()
        start = tf.random.stateless_normal((rows, columns), seed=(rows, columns))
        self.matrix = tf.Variable(start * 0.03)
        self._call = call

    def __call__(self, x):
        return self._call(x)


class ToyPrior(tf.Module):
    def __init__(self):
        super().__init__()
        self.log_scale = tf.Variable(tf.zeros(CHANNELS))

    def rate(self, y, seed=None):
        noise = (
            0.0
            if seed is None
            else shares.stateless_uniform(tf.shape(y), seed, -0.5, 0.5)
        )

        def bits(v):
            z = v * tf.exp(-self.log_scale)
            return tf.reduce_sum(z**2 / 2 + self.log_scale, axis=(1, 2, 3))

        y_hat = y + tf.stop_gradient(tf.round(y) - y)
        nothing = tf.zeros(tf.shape(y)[0])
        return Rate(y_hat, bits(y + noise), nothing, bits(tf.round(y)), nothing)


class ToyCodec(tf.Module):
    """16x16 blocks, each a matrix product there and back."""

    stride = 64

    def __init__(self):
        super().__init__()
        self.analysis = _Matrix(768, CHANNELS, self.analysis_call)
        self.synthesis = _Matrix(CHANNELS, 768, self.synthesis_call)
        self.prior = ToyPrior()

    def analysis_call(self, image):
        return tf.nn.space_to_depth(image, 16) @ self.analysis.matrix / 8

    def synthesis_call(self, y_hat):
        return tf.nn.depth_to_space(255 * (y_hat @ self.synthesis.matrix), 16)


class ToyPictures:
    """Five pictures of noise, 40 to 56 pixels wide."""

    def __len__(self):
        return 5

    def name(self, index):
        return f"picture {index}"

    def read(self, index):
        shape = (40, 40 + 4 * index, 3)
        return np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)
