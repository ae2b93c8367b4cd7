"""HiFiC's own second stage as a run, on small networks and pictures of noise."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from egic import hific_stage2, stage2
from egic.codec import build_model
from hific import checkpoints, run_directory
from hific.config import OptimizerConfig
from hific.names import named_variables
from hific.network_config import DecoderConfig
from hific.run_directory import Origin
from tests.stage_runs import CODECS, MICRO_HIFIC, codec_run
from tests.toy_codec import ToyPictures

NOWHERE = pathlib.Path("nowhere")
ORDER = run_directory.Order(0, len(ToyPictures()))
SETTINGS = stage2.Settings(data_threads=1, log_every=1, checkpoint_every=2)


@pytest.fixture(scope="module")
def stage1(tmp_path_factory):
    return codec_run(tmp_path_factory.mktemp("runs") / "hific", MICRO_HIFIC)


def prepare(stage1, **fields):
    config = dataclasses.replace(MICRO_HIFIC, **fields)
    origin = Origin(str(stage1))
    return hific_stage2.prepare(config, origin, NOWHERE, SETTINGS, steps=1)


def test_all_of_the_codec_moves_from_where_stage_1_left_it(stage1, tmp_path):
    start = prepare(stage1)
    run_directory.begin_stage(start.config, start.config, ORDER, start.origin, tmp_path)
    before = {k: v.numpy() for k, v in named_variables(start.model).items()}
    saved = build_model(MICRO_HIFIC)
    checkpoints.load_weights(stage1, saved)
    for name, variable in named_variables(saved).items():
        np.testing.assert_array_equal(before[name], variable)
    hific_stage2.train(start, ToyPictures(), tmp_path, SETTINGS, 1, 1)
    after = named_variables(start.model)
    moved = {k for k, v in before.items() if not np.array_equal(v, after[k])}
    parts = ("analysis.", "synthesis.", "prior.")
    assert all(any(name.startswith(part) for name in moved) for part in parts)
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    names = {"discriminator/real", "discriminator/fake", "generator/adversarial"}
    assert names <= set(json.loads(line))
    assert (tmp_path / "checkpoints" / "ckpt-1.ok").exists()


def test_a_cosine_schedule_ends_with_the_run(stage1):
    config = MICRO_HIFIC
    part = OptimizerConfig(schedule="cosine")
    assert prepare(stage1, optimizer=part).config.optimizer.horizon == 1
    assert (part.horizon, config.optimizer.horizon) == (0, 0)


def test_what_does_not_fit_is_refused(stage1, tmp_path):
    with pytest.raises(ValueError, match="nowhere/config.json does not exist"):
        prepare(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="differs from --config in decoder;"):
        prepare(stage1, decoder=DecoderConfig(4, 2, (4,) * 4))
    with pytest.raises(ValueError, match="No adversarial_loss 'none'"):
        prepare(stage1, adversarial_loss="none")
    other = codec_run(tmp_path / "egic", CODECS["egic"])
    with pytest.raises(ValueError, match="is a run of EgicConfig; this stage is"):
        prepare(other)


def test_the_directory_of_stage_1_is_not_written_to(stage1):
    start = prepare(stage1)
    config, origin = start.config, start.origin
    with pytest.raises(ValueError, match="a run of another stage"):
        run_directory.begin_stage(config, config, ORDER, origin, stage1)
