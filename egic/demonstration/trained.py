"""What came of the two minutes of training: a segmentation, and a codec that codes."""

import dataclasses
from typing import Any

import numpy as np

from deeplab2_tf import evaluation, pictures
from deeplab2_tf.synthetic import Scenes
from egic import codec, stored
from egic.demonstration.comparison import Comparison, compare
from egic.demonstration.stages import Folders
from egic.discriminators import build
from hific.evaluation.pictures import side_by_side
from hific.files import write_atomically
from hific.images import write_png

ALPHAS = (0.0, 1.0)
_SHOWN = 4
# Scenes of two seeds have nothing in common.
_UNSEEN = Scenes(_SHOWN, seed=1)


@dataclasses.dataclass(frozen=True)
class Trained:
    """Pictures of what was trained; none of the scenes was trained on.

    Attributes:
        segmentation: Scenes, their labels, and what the discriminator sees in them.
        comparison: A scene through the exported codec.
    """

    segmentation: np.ndarray
    comparison: Comparison


def show(folders: Folders) -> Trained:
    """Exports the codec of the last stage, codes a scene with it, and segments some.

    Writes model/, scene.png, scene.egic and scene.alpha-A.png to the folder.
    """
    codec.export(folders.head, folders.model)
    scene = _UNSEEN.read(0).image
    comparison = compare(stored.load(folders.model), scene, ALPHAS, ())
    write_png(folders.out / "scene.png", scene)
    write_atomically(folders.out / "scene.egic", comparison.data)
    for alpha, image in comparison.drawn.items():
        write_png(folders.out / f"scene.alpha-{alpha:g}.png", image)
    return Trained(_segmentation(*build.load_pretrained(folders.critic)), comparison)


def line(comparison: Comparison) -> str:
    """Returns what became of the scene, as a line to print."""
    height, width, _ = comparison.original.shape
    quality = ", ".join(
        f"{comparison.psnr(image):.2f} dB at alpha {alpha:g}"
        for alpha, image in comparison.drawn.items()
    )
    return (
        f"a scene of {width}x{height}, not trained on: {len(comparison.data):,} bytes, "
        f"{comparison.bpp(comparison.data):.4f} bpp, {quality}"
    )


def _segmentation(critic: Any, config: Any) -> np.ndarray:
    predict = evaluation.make_predict(
        lambda image: critic(image, None), _UNSEEN, config.data
    )
    columns = {}
    for index in range(_SHOWN):
        scene = _UNSEEN.read(index)
        maps = predict(scene.image, scene.panoptic)
        coloured = [pictures.coloured(map_, _UNSEEN.label_set) for map_ in maps]
        columns[scene.name] = pictures.stacked([scene.image, *coloured])
    shown = side_by_side(columns)
    legend = pictures.legend(_UNSEEN.label_set, shown.shape[1])
    return pictures.stacked([shown, legend])
