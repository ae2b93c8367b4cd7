r"""A data set of painted scenes with exact panoptic labels; nothing is downloaded.

    python -m deeplab2_tf.synthetic --out_dir=/data/synthetic --count=1000 --seed=0

Six classes of stuff and five of things (label set "synthetic"), with perspective,
occlusion, shadows, five kinds of light, a few pixels of void and, in every third scene
or so, a crowd. Writes SPLIT-00000-of-00010.tfrecord and so on, with PNG pictures, and
manifest.json; the training scripts also take `Scenes` as they are, unwritten. Run it
again to go on after a kill. Other seeds give other scenes, for another --split.
"""

import argparse
import io
import pathlib
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from deeplab2_tf import examples, labels, shards
from deeplab2_tf.building import command_line, manifest
from deeplab2_tf.building.journal import FinishedShard, Journal
from deeplab2_tf.examples import LabelledPicture
from deeplab2_tf.scenes import worlds

_SMALLEST = 16
# One more whenever a scene changes, so that a build does not go on with older ones.
_PAINTING = 1


class Scenes:
    """A source of painted scenes; reading one takes about 25 ms at 256 x 256.

    Picture k depends on the seed, k and the size, and on nothing else.

    Attributes:
        label_set: The label set "synthetic".
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
        self.size = size
        self._count, self._seed = count, seed

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        """Names a scene without painting it."""
        return f"scene-{self._seed}-{index:06d}"

    def read(self, index: int) -> LabelledPicture:
        """Paints one scene; may be called from any thread."""
        if not 0 <= index < self._count:
            raise IndexError(f"No scene {index}; there are {self._count}.")
        rng = np.random.default_rng((self._seed, index))
        canvas = worlds.paint(*self.size, self.label_set, rng)
        pixels = np.rint(canvas.image * np.float32(255.0)).astype(np.uint8)
        image = np.ascontiguousarray(np.moveaxis(pixels, 0, -1))
        return LabelledPicture(self.name(index), image, canvas.ids)


def write(
    scenes: Scenes, out_dir: pathlib.Path, split: str, num_shards: int
) -> list[FinishedShard]:
    """Writes scenes as records, with a manifest; keeps the shards that are there.

    Args:
        scenes: All of them are written.
        out_dir: Folder for the shards.
        split: First part of their names.
        num_shards: Number of files.

    Raises:
        ValueError: The folder holds a split of this name with other settings.
    """
    settings = {
        "painting": _PAINTING,
        "first": scenes.name(0),
        "pictures": len(scenes),
        "size": list(scenes.size),
        "num_shards": num_shards,
    }
    journal = Journal(out_dir / "journal" / f"{split}.jsonl", settings)
    entries = []
    for number, indices in enumerate(shards.shard_ranges(len(scenes), num_shards)):
        path = out_dir / shards.shard_name(split, number, num_shards)
        finished = journal.finished.get(number)
        if finished is None or not shards.is_intact(path, finished.shard):
            finished = _write_shard(scenes, indices, path, number)
            journal.append(finished)
        entries.append(finished)
    manifest.write_rejected(out_dir, split, [])
    manifest.write_manifest(
        out_dir,
        scenes.label_set,
        split,
        manifest.describe_split(split, entries, scenes.label_set, settings),
    )
    return entries


def _write_shard(
    scenes: Scenes, indices: range, path: pathlib.Path, number: int
) -> FinishedShard:
    pixels = np.zeros(256, np.int64)

    def records() -> Iterator[bytes]:
        nonlocal pixels
        for index in indices:
            scene = scenes.read(index)
            height, width = scene.panoptic.shape
            semantic = scene.panoptic // scenes.label_set.label_divisor
            pixels += np.bincount(semantic.ravel(), minlength=256)
            png = io.BytesIO()
            Image.fromarray(scene.image).save(png, "png")
            yield examples.serialize(
                scene.name, png.getvalue(), "png", height, width, scene.panoptic
            )

    return FinishedShard(
        number, shards.write_shard(path, records()), pixels.tolist(), []
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the builder; see the top of this file."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--out_dir", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, required=True, help="number of scenes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--height", type=int, default=256, help="pixels")
    parser.add_argument("--width", type=int, default=256, help="pixels")
    parser.add_argument("--num_shards", type=int, default=10)
    parser.add_argument("--split", default="train", help="begins the file names")
    flags = parser.parse_args(arguments)

    def run() -> int:
        scenes = Scenes(flags.count, flags.seed, (flags.height, flags.width))
        entries = write(scenes, flags.out_dir, flags.split, flags.num_shards)
        size = sum(entry.shard.size for entry in entries)
        command_line.report(
            f"{flags.split}: {len(scenes)} scenes in {len(entries)} shards, "
            f"{size / 1e6:.1f} MB"
        )
        return 0

    return command_line.exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
