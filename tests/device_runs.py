"""Small trainings of three stages, as a script that takes the flags of the real ones.

    python -m tests.device_runs --runs=DIR --out=DIR --strategy_devices=2

`prepare` makes what they begin with.
"""

import dataclasses
import pathlib
import sys

from absl import flags

from deeplab2_tf import labels
from deeplab2_tf.synthetic import Scenes
from egic import orp, stage1, stage2
from egic.orp_config import OrpConfig
from egic.stage2_config import AdamConfig, GeneratorWeights, Stage2Config
from hific import devices, run_directory, running
from hific.config import DataConfig, OptimizerConfig, RateConfig
from hific.network_config import HeadConfig
from hific.run_directory import Order, Origin
from tests.stage_runs import DATA, MICRO_HIFIC, codec_run, discriminator_run
from tests.toy_codec import ToyPictures

BATCH = 4
# Of each stage; stage 1 has time enough for being stopped.
STEPS = {"stage1": 60, "stage2": 20, "orp": 20}
ADAM = OptimizerConfig(learning_rate=1e-4, ema_decay=0.5, clip_norm=1.0)
CROPS = DataConfig(crop=64)

_RUNS = flags.DEFINE_string("runs", None, "What `prepare` made.")
_OUT = flags.DEFINE_string("out", None, "Gets a run directory of each stage.")
_STAGES = flags.DEFINE_list("stages", ["stage1", "stage2", "orp"], "Which to train.")
_SAVED_EVERY = flags.DEFINE_integer("saved_every", 20, "Steps.")


def prepare(root: pathlib.Path) -> None:
    """Makes the runs of a codec and of a discriminator."""
    codec_run(root / "codec", MICRO_HIFIC)
    outputs = labels.load("synthetic").num_outputs
    discriminator_run(root / "critic", "synthetic", outputs)


def first(runs: pathlib.Path, out: pathlib.Path, steps: int) -> None:
    """Stage 1, with HiFiC's controller: its price depends on all of a batch."""
    del runs
    rate = RateConfig("target", target_bpp=0.5, weight_above=2.0, weight_below=0.5)
    config = dataclasses.replace(MICRO_HIFIC, rate=rate, optimizer=ADAM, data=CROPS)
    settings = stage1.Settings(
        steps, BATCH, log_every=1, checkpoint_every=_SAVED_EVERY.value
    )
    stage1.record(config, out, steps, Order(0, len(ToyPictures()), BATCH))
    stage1.train(config, ToyPictures(), out, settings)


def second(runs: pathlib.Path, out: pathlib.Path, steps: int) -> None:
    """Stage 2, strategy I without LPIPS."""
    config = Stage2Config(
        strategy_1=GeneratorWeights(0.01, 0.0, 0.3),
        data=dataclasses.replace(DATA, pixel_weights="class_frequency"),
        optimizer=AdamConfig(1e-4, 1e-4, clip_norm=1.0, ema_decay=0.5),
        steps=steps,
        batch_size=BATCH,
    )
    settings = stage2.Settings(log_every=1, checkpoint_every=_SAVED_EVERY.value)
    origin = Origin(str(runs / "codec"), str(runs / "critic"))
    scenes = Scenes(6, seed=0, size=(64, 64))
    start = stage2.prepare(config, origin, out, settings)
    stage2.record(start, scenes, out)
    stage2.train(start, scenes, out, settings)


def third(runs: pathlib.Path, out: pathlib.Path, steps: int) -> None:
    """Stage 3."""
    config = OrpConfig(
        head=HeadConfig(stages=1),
        optimizer=ADAM,
        data=CROPS,
        steps=steps,
        batch_size=BATCH,
    )
    order, origin = Order(0, len(ToyPictures())), Origin(str(runs / "codec"))
    settings = orp.Settings(log_every=1, checkpoint_every=_SAVED_EVERY.value)
    model = orp.prepare(config, origin, out, "float32", order)
    orp.train(config, model, ToyPictures(), out, settings)


TRAININGS = {"stage1": first, "stage2": second, "orp": third}


@running.as_script("device_runs")
def main():
    for name in _STAGES.value:
        out = pathlib.Path(_OUT.value) / name
        TRAININGS[name](pathlib.Path(_RUNS.value), out, STEPS[name])
        assert run_directory.is_begun(out) or not devices.current().is_chief


if __name__ == "__main__":
    flags.FLAGS(sys.argv)
    main()
