"""SwinT-ChARM at its smallest, every weight a function of numpy's generator.

Behind the golden file of the whole coding path: what is here never changes, or that
file, which must decode for ever, no longer fits.
"""

import functools

import numpy as np

from egic import codec as builder
from egic.config import CharmConfig, EgicConfig, HyperConfig, TransformConfig
from egic.initialisers import Initialiser
from hific.codec import Codec, CodecModel
from hific.names import named_variables
from hific.tables import Tables

MODEL_ID = b"micr"
CONFIG = EgicConfig(
    transform=TransformConfig(dims=(32,) * 4, depths=(1,) * 4, window=8),
    hyper=HyperConfig(channels=32, depths=(1, 1), windows=(4, 2)),
    charm=CharmConfig(max_support=2, widths=((32, 32),) * 2),
)


@functools.cache
def model() -> CodecModel:
    """The model; nothing in it comes from TensorFlow's random numbers."""
    micro = builder.build_egic(CONFIG, init=Initialiser(2024))
    rng = np.random.default_rng(2024)
    for name, variable in named_variables(micro).items():
        value = _value(name, tuple(variable.shape), rng)
        if value is not None:
            variable.assign(value.astype(np.float32))
    return micro


def _value(name: str, shape: tuple[int, ...], rng: np.random.Generator):
    """Replaces what TensorFlow drew, and what would leave most symbols 0."""
    if ".base.matrices." in name:  # Softplus of it, summed over inputs, is 1.
        return np.full(shape, np.log(np.expm1(1.0 / shape[-2])))
    if ".base.biases." in name:
        return rng.uniform(-0.5, 0.5, shape)
    if ".base.factors." in name:
        return rng.uniform(-0.2, 0.2, shape)
    if "scale_nets" in name and name.endswith("biases.2"):
        return rng.uniform(0.0, 40.0, shape)  # Scale indexes: sigma 0.11 to 15.
    if "mean_nets" in name and name.endswith("biases.2"):
        return rng.uniform(-3.0, 3.0, shape)
    if name == "synthesis.unpack.bias":
        return np.full(shape, 0.5)  # Pixels around the middle grey,
    if name == "synthesis.unpack.kernel":
        return 0.04 * rng.standard_normal(shape)  # most within the range.
    return None


def codec(tables: Tables) -> Codec:
    """The codec, with the tables it is to code with."""
    return builder.build_codec(CONFIG, model(), tables, MODEL_ID)


def picture(height: int = 50, width: int = 70) -> np.ndarray:
    """Ramps, a product and rings, [H, W, 3] uint8, in integers only."""
    y, x = np.mgrid[:height, :width]
    rings = ((x - 35) ** 2 + (y - 25) ** 2) // 8
    return np.stack([3 * x + y, x * y // 14, rings], -1).astype(np.uint8)
