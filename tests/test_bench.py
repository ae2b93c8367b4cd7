import numpy as np
import pytest

from egic.bench import networks, once, steps, timing
from egic.config import PRESETS


def test_the_least_of_the_repeats_is_reported_and_the_first_call_apart():
    calls = []

    def work():
        calls.append(len(calls))
        return sum(range(2_000_000 if len(calls) == 1 else 1000))

    first, best = timing.least(work, 3)
    assert calls == [0, 1, 2, 3]
    assert first > best > 0


def test_the_test_picture_is_not_flat_and_fills_the_range():
    image = once.photograph(512, 768)
    assert image.shape == (512, 768, 3) and image.dtype == np.uint8
    assert image.std() > 40


@pytest.mark.slow
def test_every_network_and_step_of_the_small_model_is_measured(monkeypatch):
    monkeypatch.setattr(timing, "PEAK_SIZE", 128)
    config = PRESETS["egic-tiny"]
    table = networks.network_table(config, (64, 128), 1)
    names = list(table.columns[0].cells)
    for name in ("analysis", "synthesis", "hyper path", "slice walk"):
        assert names.count(name) == 2
    seconds = [float(cell) for cell in table.columns[3].cells if cell]
    assert len(seconds) == 8 and min(seconds) > 0
    table = steps.step_table(config, 64, 1)
    assert list(table.columns[0].cells) == list(steps.STAGES)


@pytest.mark.slow
def test_what_happens_once_is_measured_in_processes_of_their_own():
    table = once.life_table(PRESETS["egic-tiny"], (64, 64))
    assert list(table.columns[0].cells) == [
        "build",
        "tables",
        "load",
        "cold egic compress",
        "cold egic decompress",
    ]
    assert float(list(table.columns[2].cells)[-1]) > 0.1  # Gigabytes.
