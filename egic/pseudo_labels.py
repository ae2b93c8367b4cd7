r"""Labels pictures that nobody has labelled, by a pre-trained discriminator's own eyes.

    python -m egic.pseudo_labels --discriminator=runs/critic \
        --images=bsds500/train,imagenet --out=runs/pseudo --confidence=0.7

Writes a label map for every picture of the folders, OUT/FOLDER/NAME.png, FOLDER being
0, 1 and so on, which train_stage2.py takes beside true ones:

    --images=camvid/train,bsds500/train --labels=camvid/trainannot,runs/pseudo/0

Pixels whose most likely class has a lower probability than --confidence are void. The
discriminator names everything by the classes it knows: of a picture of another kind it
is often sure, and wrong; see docs/results.md for what that does.
"""

import argparse
import io
import pathlib
import sys
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from deeplab2_tf import image_files, labels
from deeplab2_tf.errors import DataError
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.sources import Unlabelled
from egic import flags
from egic.discriminators import build
from hific.files import write_atomically

# Sides are padded to multiples of this; both discriminators' trunks divide by less.
_MULTIPLE = 64


def label(
    logits_of: Callable[[tf.Tensor], tf.Tensor],
    image: np.ndarray,
    label_set: LabelSet,
    confidence: float,
) -> np.ndarray:
    """Segments one picture at its own size.

    Args:
        logits_of: [1, h, w, 3] float32 in [0, 255] -> [1, h, w, C]. Logits beyond the
            label set's classes ("fake") are left out.
        image: [H, W, 3] uint8.
        label_set: The classes.
        confidence: Probability, 0 to 1, that the best class needs.

    Returns:
        [H, W] uint8, semantic ids, and the label set's `ignore_label` for void.
    """
    height, width = image.shape[:2]
    padding = [(0, -height % _MULTIPLE), (0, -width % _MULTIPLE), (0, 0)]
    padded = tf.constant(np.pad(image, padding, mode="symmetric")[np.newaxis])
    logits = logits_of(tf.cast(padded, tf.float32))[0, :height, :width]
    shares = tf.nn.softmax(logits[..., : label_set.num_classes]).numpy()
    best = shares.argmax(-1)
    sure = shares.max(-1) >= confidence
    return np.where(sure, best, label_set.ignore_label).astype(np.uint8)


def main(argv: Sequence[str] | None = None) -> int:
    """Labels folders; returns 1 if it stopped, 3 if pictures were left out, or 0."""
    args = _parser().parse_args(argv)
    try:
        return _label_folders(args)
    except (ValueError, OSError) as error:
        print(f"pseudo_labels: {error}", file=sys.stderr)
        return 1


def _label_folders(args: argparse.Namespace) -> int:
    critic, config = build.load_pretrained(args.discriminator)
    label_set = labels.load(config.data.label_set)
    see = tf.function(
        lambda image: critic(image, None), reduce_retracing=True, autograph=False
    )
    sources = [Unlabelled([folder], label_set) for folder in args.images.split(",")]
    rejected = 0
    for number, source in enumerate(sources):
        void = []
        for path in map(pathlib.Path, map(source.name, range(len(source)))):
            try:
                image = image_files.decode_picture(path)
            except DataError as error:
                print(f"Left out: {error}", file=sys.stderr)
                rejected += 1
                continue
            found = label(see, image, label_set, args.confidence)
            void.append((found == label_set.ignore_label).mean())
            _write(args.out / str(number) / f"{path.stem}.png", found)
        if void:
            print(
                f"{args.out / str(number)}: {len(void)} pictures, "
                f"{np.mean(void):.1%} of their pixels void"
            )
    return 3 if rejected else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m egic.pseudo_labels", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--discriminator",
        type=pathlib.Path,
        required=True,
        help="run directory of pretrain_discriminator.py",
    )
    parser.add_argument("--images", required=True, help="folders, separated by commas")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="a folder")
    parser.add_argument(
        "--confidence", type=flags.share, default=0.0, help="0 to 1; below it, void"
    )
    return parser


def _write(path: pathlib.Path, ids: np.ndarray) -> None:
    encoded = io.BytesIO()
    Image.fromarray(ids).save(encoded, "PNG")
    write_atomically(path, encoded.getvalue())


if __name__ == "__main__":
    sys.exit(main())
