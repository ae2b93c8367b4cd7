import dataclasses
import pathlib
import random
import sys

import numpy as np
import pytest

from tests import egic_script
from trials import kill_batch

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Pictures:
    """Two pictures of noise, so that crops differ."""

    def __len__(self):
        return 2

    def read(self, index):
        return np.random.default_rng(index).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.fixture
def trial(tmp_path, monkeypatch):
    model = tmp_path / "model"
    egic_script.write_model(model)
    monkeypatch.setenv("EGIC_MODEL", str(model))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    source = tmp_path / "source"
    bad = kill_batch.make_source(source, Pictures(), count=24, side=8, seed=0)
    program = (sys.executable, egic_script.__file__)
    return kill_batch.Trial(program, source, bad, tmp_path, 2, 1, random.Random(0))


@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 2])
def test_nothing_is_lost_however_often_a_compression_is_killed(trial, shards):
    trial = dataclasses.replace(trial, shards=shards, processes=3 - shards)
    tally = kill_batch.run(trial, kills=5)
    assert 5 <= tally.kills < 5 + shards and tally.files == 24 * tally.rounds
    assert tally.early < 5  # Some files were in work.


def test_the_trial_notices_what_is_lost(trial, monkeypatch, tmp_path):
    started = trial.start

    def start(out, shard):
        """A run that makes one file too few, after the uninterrupted one."""
        if out.name != "whole":
            (trial.source / "0" / "0" / "0.png").unlink(missing_ok=True)
        return started(out, shard)

    object.__setattr__(trial, "start", start)
    with pytest.raises(kill_batch.LostError, match=r"such as 0/0/0\.egic"):
        kill_batch.run(trial, kills=1)
