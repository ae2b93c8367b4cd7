import tensorflow as tf
import tensorflow_compression as tfc

from hific.names import named_variables


class Block(tf.keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.convolutions = [tf.keras.layers.Conv2D(2, 1) for _ in range(2)]
        for convolution in self.convolutions:
            convolution.build((None, None, None, 2))
        self.scale = self.add_weight("scale", (2,))


class Network(tf.Module):
    def __init__(self):
        super().__init__()
        self.blocks = (Block(dtype="mixed_bfloat16"), Block())
        self.prior = tfc.NoisyDeepFactorized(batch_shape=(3,), num_filters=(3,))
        self.dense = tf.keras.Sequential(
            [tf.keras.layers.ReLU(), tf.keras.layers.Dense(1, use_bias=False)]
        )
        self.dense.build((None, 2))
        self.a_second_way = self.blocks[0].convolutions
        self.table = {"gain": tf.Variable(1.0)}


NAMES = [
    "blocks.0.scale",
    *(f"a_second_way.{i}.{kind}" for i in (0, 1) for kind in ("kernel", "bias")),
    *(f"blocks.1.convolutions.{i}.{k}" for i in (0, 1) for k in ("kernel", "bias")),
    "blocks.1.scale",
    "dense.1.kernel",
    "prior.base.biases.0",
    "prior.base.biases.1",
    "prior.base.factors.0",
    "prior.base.matrices.0",
    "prior.base.matrices.1",
    "table.gain",
]


def test_names_are_the_shortest_paths_of_attributes():
    assert list(named_variables(Network())) == sorted(NAMES)


def test_every_variable_has_exactly_one_name():
    network = Network()
    named = named_variables(network)
    assert {id(v) for v in named.values()} == {id(v) for v in network.variables}
    assert len(named) == len(network.variables)


def test_a_second_network_has_the_same_names():
    assert list(named_variables(Network())) == list(named_variables(Network()))
