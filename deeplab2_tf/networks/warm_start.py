"""Starts a network that sees extra features from one that does not."""

import tensorflow as tf

from deeplab2_tf.networks.deeplab import SemanticDeepLab


def warm_start(network: SemanticDeepLab, trained: SemanticDeepLab) -> None:
    """Gives `network` the weights of `trained`; at first both answer alike.

    Where `network` has more input channels, the trained weights go to the channels it
    shares, which come first. Depthwise kernels and normalisation of the others keep
    their initial values, and their rows of the pointwise kernel become zero: the extra
    features are computed and not heard until training listens to them.

    Args:
        network: Made for extra features, and otherwise like `trained`.
        trained: Made for none.

    Raises:
        ValueError: They differ in more than the extra features.
    """
    grown = _variables_that_grow(network)
    for ours, theirs in zip(network.variables, trained.variables, strict=True):
        if ours.shape == theirs.shape:
            ours.assign(theirs)
        elif ours.ref() in grown:
            _fill_first(ours, theirs)
        else:
            raise ValueError(
                f"{ours.name} is {tuple(ours.shape)} and its trained counterpart "
                f"{theirs.name} {tuple(theirs.shape)}; the networks may differ in "
                "their extra channels only."
            )
    for conv in network.decoder.first_convolutions():
        channels = conv.pointwise.conv.kernel.shape[2]
        conv.ignore_channels_from(channels - network.extra_channels)


def _variables_that_grow(network: SemanticDeepLab) -> set:
    grown: set = set()
    for conv in network.decoder.first_convolutions():
        grown.update(variable.ref() for variable in conv.depthwise.variables)
        grown.add(conv.pointwise.conv.kernel.ref())
    return grown


def _fill_first(variable: tf.Variable, value: tf.Variable) -> None:
    corner = tuple(slice(0, side) for side in value.shape)
    variable[corner].assign(value)
