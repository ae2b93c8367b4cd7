"""The micro codec with two channels of y alive, whose huge pictures are small files.

Behind the golden file of tiled coding: what is here never changes, as in
`tests.micro_codec`.
"""

import functools

import numpy as np

from egic import codec as builder
from egic.initialisers import Initialiser
from hific.codec import Codec, CodecModel
from hific.names import copy_variables
from hific.tables import Tables
from tests import micro_codec

MODEL_ID = b"spar"
SIZE = (2050, 2047)  # Height and width, the smallest picture but a few that is cut.
_SLICE = 16  # Channels; the first one of each is alive.


@functools.cache
def model() -> CodecModel:
    """The model. Dead channels are 0, and predicted to be so."""
    sparse = builder.build_egic(
        micro_codec.CONFIG, init=Initialiser(2024), tokens_at_once=2**14
    )
    copy_variables(micro_codec.model(), sparse)
    alive = np.zeros(32, np.float32)
    alive[::_SLICE] = 1.0
    (block,) = sparse.analysis.stages[3].blocks
    for variable in (
        sparse.analysis.merges[2].kernel,
        *(block.projection.kernel, block.projection.bias),
        *(block.mlp_out.kernel, block.mlp_out.bias),
    ):
        variable.assign(variable * alive)
    for net in (*sparse.prior.walk.mean_nets, *sparse.prior.walk.scale_nets):
        for variable in (net.kernels[2], net.biases[2]):
            variable.assign(variable * alive[:_SLICE])
    return sparse


def codec(tables: Tables) -> Codec:
    """The codec, with the tables it is to code with."""
    return builder.build_codec(micro_codec.CONFIG, model(), tables, MODEL_ID)


def picture() -> np.ndarray:
    """Grey, with the micro codec's picture where four tiles meet and in a corner."""
    image = np.full((*SIZE, 3), 128, np.uint8)
    image[1000:1050, 990:1060] = micro_codec.picture()
    image[-50:, -70:] = micro_codec.picture()
    return image
