"""Times of day and weather that scenes are painted under."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from deeplab2_tf.scenes.textures import rgb


@dataclasses.dataclass(frozen=True)
class Light:
    """Time of day and weather. Colours are [3, 1, 1] float32 in [0, 1].

    Attributes:
        zenith, haze: The sky's colours at the top and at the horizon; distant things
            fade into `haze`.
        cloud, cloud_shadow: Of clouds.
        tint: Multiplies everything under the sky.
        ambient: Brightness of what the sun does not reach, [0, 1].
        elevation: Height of the sun, in picture heights above the horizon.
        visibility: Depth at which two thirds of the colour is haze, metres.
    """

    zenith: np.ndarray
    haze: np.ndarray
    cloud: np.ndarray
    cloud_shadow: np.ndarray
    tint: np.ndarray
    ambient: float
    elevation: float
    visibility: float


LIGHTS: Mapping[str, Light] = {
    "noon": Light(
        zenith=rgb((0.18, 0.42, 0.80)),
        haze=rgb((0.74, 0.86, 0.95)),
        cloud=rgb((1.0, 1.0, 1.0)),
        cloud_shadow=rgb((0.68, 0.73, 0.80)),
        tint=rgb((1.0, 1.0, 0.98)),
        ambient=0.50,
        elevation=0.6,
        visibility=260.0,
    ),
    "morning": Light(
        zenith=rgb((0.36, 0.55, 0.80)),
        haze=rgb((0.96, 0.88, 0.76)),
        cloud=rgb((1.0, 0.95, 0.88)),
        cloud_shadow=rgb((0.74, 0.68, 0.70)),
        tint=rgb((1.0, 0.94, 0.84)),
        ambient=0.42,
        elevation=0.25,
        visibility=110.0,
    ),
    "sunset": Light(
        zenith=rgb((0.24, 0.24, 0.48)),
        haze=rgb((0.98, 0.62, 0.36)),
        cloud=rgb((1.0, 0.70, 0.48)),
        cloud_shadow=rgb((0.48, 0.32, 0.42)),
        tint=rgb((1.0, 0.82, 0.68)),
        ambient=0.36,
        elevation=0.08,
        visibility=150.0,
    ),
    "overcast": Light(
        zenith=rgb((0.56, 0.60, 0.66)),
        haze=rgb((0.80, 0.82, 0.84)),
        cloud=rgb((0.86, 0.87, 0.89)),
        cloud_shadow=rgb((0.50, 0.53, 0.58)),
        tint=rgb((0.84, 0.87, 0.90)),
        ambient=0.70,
        elevation=0.7,
        visibility=90.0,
    ),
    "dusk": Light(
        zenith=rgb((0.06, 0.08, 0.22)),
        haze=rgb((0.42, 0.36, 0.52)),
        cloud=rgb((0.48, 0.40, 0.54)),
        cloud_shadow=rgb((0.14, 0.14, 0.26)),
        tint=rgb((0.58, 0.60, 0.76)),
        ambient=0.50,
        elevation=0.05,
        visibility=160.0,
    ),
}

# As often as listed.
SKIES = ("noon", "noon", "morning", "sunset", "overcast", "dusk")
