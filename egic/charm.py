"""The channel-wise autoregressive model of y: one slice of channels after another.

Source: Minnen & Singh 2020 (ChARM) as SwinT-ChARM uses it: no latent residual
prediction, a mean net and a scale net for each slice.
"""

from collections.abc import Callable

import tensorflow as tf

from egic.config import CharmConfig
from egic.initialisers import Initialiser

# (index, mean, scale) -> the slice as the decoder will know it, all [B, h, w, C /
# slices].
CodeSlice = Callable[[int, tf.Tensor, tf.Tensor], tf.Tensor]


class SliceNet(tf.Module):
    """Three zero-padded 3x3 convolutions, ReLU between: [B,h,w,C'] -> [B,h,w,D]."""

    def __init__(self, inputs: int, widths, outputs: int, init: Initialiser):
        super().__init__()
        sizes = [inputs, *widths, outputs]
        self.kernels = [
            init.he((3, 3, a, b), 9 * a) for a, b in zip(sizes, sizes[1:], strict=False)
        ]
        self.biases = [init.constant(0.0, (size,)) for size in sizes[1:]]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        last = len(self.kernels) - 1
        for i, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            x = tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias)
            if i < last:
                x = tf.nn.relu(x)
        return x


class SliceWalk(tf.Module):
    """Predicts each latent slice from the hyperprior and the slices before it.

    Training, encoding and decoding differ only in what happens to one slice once its
    distribution is known, so that is the argument.
    """

    def __init__(self, config: CharmConfig, latent: int, init: Initialiser):
        super().__init__()
        count = len(config.widths)
        if latent % count:
            raise ValueError(
                f"{latent} latent channels do not divide into {count} slices."
            )
        size = latent // count
        self._max_support = config.max_support
        inputs = [size * (1 + min(i, config.max_support)) for i in range(count)]
        plan = list(zip(inputs, config.widths, strict=True))
        self.mean_nets = [SliceNet(n, widths, size, init) for n, widths in plan]
        self.scale_nets = [SliceNet(n, widths, size, init) for n, widths in plan]

    def __call__(
        self, hyper: tuple[tf.Tensor, tf.Tensor], code_slice: CodeSlice
    ) -> tf.Tensor:
        """Returns y_hat, [B, h, w, C].

        Args:
            hyper: Mean and scale features, each [B, h, w, C], of the hyper-synthesis.
            code_slice: What to do with slice i, given its mean and its scale index.
        """
        means = tf.split(hyper[0], len(self.mean_nets), -1)
        scales = tf.split(hyper[1], len(self.mean_nets), -1)
        known: list[tf.Tensor] = []
        for i, (mean_net, scale_net) in enumerate(
            zip(self.mean_nets, self.scale_nets, strict=True)
        ):
            support = known[: self._max_support]
            mean = mean_net(tf.concat([means[i], *support], -1))
            scale = scale_net(tf.concat([scales[i], *support], -1))
            known.append(code_slice(i, mean, scale))
        return tf.concat(known, -1)
