"""TensorFlow functions to OpenVINO models, in memory."""

from collections.abc import Callable
from typing import Any

import openvino
import tensorflow as tf
from openvino.frontend import FrontEndManager
from openvino.frontend.tensorflow.utils import create_tf_graph_iterator
from openvino.preprocess import PrePostProcessor
from tensorflow.python.framework import convert_to_constants


def converted(
    network: Callable[[tf.Tensor], tf.Tensor],
    channels: int,
    takes: openvino.Type,
    gives: openvino.Type,
) -> openvino.Model:
    """A network as a model for every height and width, its weights constants in it.

    The front end is called itself, not `openvino.convert_model`, which reports to its
    makers that it was called.

    Args:
        network: [1, H, W, channels] float32 -> [1, ., ., .] float32.
        channels: Of its input.
        takes, gives: Types of the model's input and output.
    """
    spec = tf.TensorSpec((1, None, None, channels), tf.float32)
    traced = tf.function(network, input_signature=[spec], autograph=False)
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        traced.get_concrete_function(), lower_control_flow=False
    )
    front_end = FrontEndManager().load_by_framework("tf")
    graph: Any = create_tf_graph_iterator(frozen.graph, None, None, None, False)
    model = front_end.convert(front_end.load(graph))
    model.reshape([1, -1, -1, channels])
    border = PrePostProcessor(model)
    border.input().tensor().set_element_type(takes)
    border.output().tensor().set_element_type(gives)
    return border.build()
