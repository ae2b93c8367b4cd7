r"""Trains a small discriminator and a small codec for minutes and shows what they do.

    python demo.py

Needs no data and no network. The discriminator learns to segment painted scenes (stage
0 of EGIC). The codec (stage 1) is trained on three pictures that ship with
scikit-image; a fourth is compressed to a file and read back. Writes to --out: model/,
photo.png (the original), photo.egic, side_by_side.png, which also shows JPEG and WebP
at the same number of bytes, and segmentation.png, scenes that were not trained on. To
see that everything runs: --steps=2 --segmentation_steps=2.
"""

import copy
import pathlib
import shutil
import sys
import tempfile
import time
from typing import Any

import numpy as np
import skimage.data
from absl import app, flags

# These load TensorFlow, which must happen before app.run: inside, 2.14 starts as
# version 1.
from deeplab2_tf import evaluation, pictures
from deeplab2_tf.sources import InMemory
from deeplab2_tf.synthetic import Scenes
from egic import codec, pretraining, pretraining_config, stage1
from egic.config import PRESETS
from egic.discriminators import build
from egic.pretraining_config import PretrainingConfig
from hific import loop
from hific.evaluation.baselines import BASELINES, at_matched_bits
from hific.evaluation.metrics import bits_per_pixel, psnr
from hific.evaluation.pictures import side_by_side
from hific.files import write_atomically
from hific.images import write_png
from hific.pictures import find_pictures
from hific.run_directory import Order

_STEPS = flags.DEFINE_integer("steps", 400, "Training steps of 4 crops.", 1)
_SEGMENTATION_STEPS = flags.DEFINE_integer(
    "segmentation_steps", 700, "Pre-training steps of 4 crops.", 1
)
_OUT = flags.DEFINE_string("out", "demo", "Folder; what the demo writes is replaced.")

_TRAINED_ON = ("astronaut", "coffee", "rocket")
_HELD_OUT = "chelsea"
# Scenes of two seeds have nothing in common.
_SEEN, _UNSEEN = InMemory(Scenes(300, seed=0)), Scenes(50, seed=1)
_SHOWN = (0, 1, 2, 3)
_BASELINES = {"JPEG 4:2:0": "jpeg", "WebP": "webp"}


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}. Flags start with --.")
    start = time.monotonic()
    out = pathlib.Path(_OUT.value)
    try:
        critic, config = _pretrain_critic(_SEGMENTATION_STEPS.value)
        _train_model(out / "model", _STEPS.value)
    except loop.Interrupted:
        sys.exit(f"Interrupted; {out} is as it was.")
    _segment(critic, config, out)
    image = getattr(skimage.data, _HELD_OUT)()
    _compare(image, _code(image, out), out)
    _say_what_is_where(out, time.monotonic() - start)


def _pretrain_critic(steps: int) -> tuple[Any, PretrainingConfig]:
    """Teaches a discriminator to segment painted scenes."""
    config = copy.deepcopy(pretraining_config.PRESETS["synthetic-tiny"])
    config.steps = steps
    config.optimizer.warmup_steps = min(config.optimizer.warmup_steps, steps - 1)
    print(f"Pre-training a discriminator for {steps} steps on painted scenes")
    with tempfile.TemporaryDirectory() as folder:
        workdir = pathlib.Path(folder)
        pretraining.record(config, workdir, _SEEN, _UNSEEN)
        pretraining.train(config, _SEEN, workdir, pretraining.Settings())
        return build.load_pretrained(workdir)


def _train_model(model: pathlib.Path, steps: int) -> None:
    """Trains on the pictures and writes the model bundle, in place of an older one."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = pathlib.Path(folder) / "pictures"
        workdir = pathlib.Path(folder) / "run"
        for name in _TRAINED_ON:
            write_png(pictures / f"{name}.png", getattr(skimage.data, name)())
        config = copy.deepcopy(PRESETS["egic-tiny"])
        seen = find_pictures(str(pictures))
        settings = stage1.Settings(steps, batch_size=4, init="klt")
        stage1.record(config, workdir, steps, Order(settings.seed, len(seen)))
        print(f"Training egic-tiny for {steps} steps on {', '.join(_TRAINED_ON)}")
        stage1.train(config, seen, workdir, settings)
        if (model / "manifest.json").exists():
            shutil.rmtree(model)
        codec.export(workdir, model)


def _segment(critic: Any, config: PretrainingConfig, out: pathlib.Path) -> None:
    """Measures the discriminator on scenes it has not seen, and shows some of them."""
    predict = evaluation.make_predict(
        lambda image: critic(image, None), _UNSEEN, config.data
    )
    metric = evaluation.evaluate(predict, _UNSEEN).mean_iou
    print(f"\n{len(_UNSEEN)} painted scenes, not trained on")
    print(f"  {'':24}{'mean IoU':>10}{'pixels right':>14}")
    for name, score in (
        ("discriminator", metric),
        ("most frequent class", metric.majority()),
    ):
        print(f"  {name:24}{score.result():10.4f}{score.pixel_accuracy():14.2%}")
    columns = {}
    for index in _SHOWN:
        scene = _UNSEEN.read(index)
        maps = predict(scene.image, scene.panoptic)
        coloured = [pictures.coloured(map_, _UNSEEN.label_set) for map_ in maps]
        columns[scene.name] = pictures.stacked([scene.image, *coloured])
    shown = side_by_side(columns)
    legend = pictures.legend(_UNSEEN.label_set, shown.shape[1])
    write_png(out / "segmentation.png", pictures.stacked([shown, legend]))


def _code(image: np.ndarray, out: pathlib.Path) -> dict[str, tuple[np.ndarray, bytes]]:
    """Label -> what comes back of a picture, and the file it came from.

    The first is the trained codec, through real files in `out`; the others get no more
    bytes than it used, unless their smallest file is larger.
    """
    model = codec.load(out / "model")
    write_png(out / "photo.png", image)
    path = out / "photo.egic"
    write_atomically(path, model.compress(image))
    data = path.read_bytes()
    versions = {"EGIC": (model.decompress(data), data)}
    for label, name in _BASELINES.items():
        match = at_matched_bits(image, BASELINES[name], len(data))
        label = label if match.fits else f"{label} (its smallest)"
        versions[label] = (BASELINES[name].decode(match.data), match.data)
    return versions


def _compare(
    original: np.ndarray,
    versions: dict[str, tuple[np.ndarray, bytes]],
    out: pathlib.Path,
) -> None:
    """Sets the versions side by side, labelled, and prints the same as a table."""
    height, width, _ = original.shape
    print(f"\n{_HELD_OUT}, {width}x{height}, not trained on")
    print(f"  {'':24}{'bytes':>8}{'bpp':>9}{'PSNR dB':>9}")
    labelled = {f"original: {original.size:,} bytes raw, 24 bpp": original}
    for name, (image, data) in versions.items():
        size, quality = len(data), psnr(image, original)
        bpp = bits_per_pixel(8 * size, height, width)
        labelled[f"{name}: {size:,} bytes, {bpp:.3f} bpp, {quality:.2f} dB"] = image
        print(f"  {name:24}{size:8,}{bpp:9.4f}{quality:9.2f}")
    write_png(out / "side_by_side.png", side_by_side(labelled))


def _say_what_is_where(out: pathlib.Path, seconds: float) -> None:
    egic, here = pathlib.Path(sys.executable).with_name("egic"), pathlib.Path.cwd()
    egic = egic.relative_to(here) if egic.is_relative_to(here) else egic
    print(
        f"\nIn {seconds:.0f} s, written to {out}/\n"
        "  segmentation.png  scenes, their labels, what the discriminator sees: look\n"
        "  side_by_side.png  the pictures of the second table: look\n"
        "  photo.png         the original\n"
        "  photo.egic        what it was compressed to\n"
        "  model/            the trained codec\n"
        "\nNext\n"
        f"  {egic} info {out}/photo.egic\n"
        f"  {egic} decompress {out}/photo.egic --model={out}/model --out_dir={out}/back"
    )


if __name__ == "__main__":
    app.run(main)
