r"""A data set of painted scenes with exact panoptic labels; nothing is downloaded.

    python -m deeplab2_tf.synthetic --out_dir=/data/synthetic --count=1000
    python -m deeplab2_tf.synthetic --out_dir=/data/synthetic --count=50 --split=val

Six classes of stuff and five of things (label set "synthetic"), with perspective,
occlusion, shadows, five kinds of light, a few pixels of void and, in every third scene
or so, a crowd. Writes SPLIT-00000-of-00010.tfrecord and so on, with PNG pictures, and
manifest.json; the training scripts also take `Scenes` as they are, unwritten. Run it
again to go on after a kill.

Other seeds give other scenes. Without --seed, it is the CRC-32 of the split's name, so
that every split has scenes of its own; one folder refuses two splits of one seed.
"""

import io
import pathlib
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from deeplab2_tf import examples, labels
from deeplab2_tf.building import command_line, manifest
from deeplab2_tf.building.builds import Plan, Split, build
from deeplab2_tf.building.conversion import Converted
from deeplab2_tf.examples import LabelledPicture
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.scenes import worlds

_SMALLEST = 16
# One more whenever a scene changes, so that a build does not go on with older ones.
_PAINTING = 1


class Scenes:
    """A source of painted scenes; reading one takes about 25 ms at 256 x 256.

    Picture k depends on the seed, k and the size, and on nothing else.

    Attributes:
        label_set: The label set "synthetic".
        seed: Scenes of two seeds have nothing in common.
        size: Height and width, pixels.
        problems: None.
    """

    problems: tuple[str, ...] = ()

    def __init__(self, count: int, seed: int = 0, size: tuple[int, int] = (256, 256)):
        """Creates the source; nothing is painted yet.

        Args:
            count: Number of scenes.
            seed: Scenes of two seeds have nothing in common.
            size: Height and width, pixels.

        Raises:
            ValueError: A number is out of its range.
        """
        if count < 1 or seed < 0 or min(size) < _SMALLEST:
            raise ValueError(
                f"Scenes need a count (={count}) of at least 1, a seed (={seed}) of at "
                f"least 0 and sides (={size[0]} x {size[1]}) of at least {_SMALLEST} "
                "pixels."
            )
        self.label_set = labels.load("synthetic")
        self.seed, self.size = seed, size
        self._count = count

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        """Names a scene without painting it."""
        return f"scene-{self.seed}-{index:06d}"

    def read(self, index: int) -> LabelledPicture:
        """Paints one scene; may be called from any thread."""
        if not 0 <= index < self._count:
            raise IndexError(f"No scene {index}; there are {self._count}.")
        rng = np.random.default_rng((self.seed, index))
        canvas = worlds.paint(*self.size, self.label_set, rng)
        pixels = np.rint(canvas.image * np.float32(255.0)).astype(np.uint8)
        image = np.ascontiguousarray(np.moveaxis(pixels, 0, -1))
        return LabelledPicture(self.name(index), image, canvas.ids)


class Painter(NamedTuple):
    """The converter of scenes: paints a record for each number.

    Attributes:
        scenes: Where they come from.
    """

    scenes: Scenes

    @property
    def label_set(self) -> LabelSet:
        """The classes of the records."""
        return self.scenes.label_set

    def name(self, picture: int) -> str:
        """The name of a scene."""
        return self.scenes.name(picture)

    def convert(self, picture: int) -> Converted:
        """Paints one scene and makes its record."""
        scene = self.scenes.read(picture)
        height, width = scene.panoptic.shape
        semantic = scene.panoptic // self.label_set.label_divisor
        png = io.BytesIO()
        Image.fromarray(scene.image).save(png, "png")
        record = examples.serialize(
            scene.name, png.getvalue(), "png", height, width, scene.panoptic
        )
        return Converted(record, np.bincount(semantic.ravel()))

    def settings(self, pictures: Sequence[int]) -> dict[str, Any]:
        """What the pixels depend on."""
        del pictures
        return {
            "painting": _PAINTING,
            "seed": self.scenes.seed,
            "size": list(self.scenes.size),
        }


def seed_of(split: str) -> int:
    """The seed of a split for which none is given.

    It is the CRC-32 of the name, so that two splits differ, and both from the small
    numbers that people choose.
    """
    return zlib.crc32(split.encode())


def write(
    scenes: Scenes,
    out_dir: pathlib.Path,
    split: str,
    num_shards: int,
    processes: int = 1,
    report: Callable[[str], None] = print,
) -> None:
    """Writes scenes as records, with a manifest; keeps the shards that are there.

    Args:
        scenes: All of them are written.
        out_dir: Folder for the shards.
        split: First part of their names.
        num_shards: Number of files.
        processes: That paint.
        report: Takes lines of progress.

    Raises:
        ValueError: The folder holds a split of this name with other settings, or
            another split with the same seed; or as `builds.build`.
    """
    for name, other in manifest.read_splits(out_dir).items():
        if name != split and other.get("settings", {}).get("seed") == scenes.seed:
            raise ValueError(
                f"{out_dir} holds a split {name!r} with the same seed "
                f"(={scenes.seed}): {split!r} would have its scenes. Choose another "
                "--seed, or none, which makes one of the split's name."
            )
    plan = Plan(Painter(scenes), out_dir, num_shards, processes)
    build([Split(split, range(len(scenes)))], plan, report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the builder; see the top of this file."""
    parser = command_line.parser(__doc__, 10)
    parser.add_argument("--count", type=int, required=True, help="number of scenes")
    parser.add_argument(
        "--seed", type=int, help="of the scenes (default: made of --split)"
    )
    parser.add_argument("--height", type=int, default=256, help="pixels")
    parser.add_argument("--width", type=int, default=256, help="pixels")
    parser.add_argument("--split", default="train", help="begins the file names")
    flags = parser.parse_args(arguments)

    def run() -> int:
        seed = seed_of(flags.split) if flags.seed is None else flags.seed
        write(
            Scenes(flags.count, seed, (flags.height, flags.width)),
            flags.out_dir,
            flags.split,
            flags.num_shards,
            flags.processes,
            command_line.report,
        )
        return command_line.COMPLETE

    return command_line.exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
