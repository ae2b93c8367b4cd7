import numpy as np
import pytest

from egic import complexity
from egic.bench import networks, once, stage, steps, terms, timing
from egic.bench.stages import STAGES, Size
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


SMALL = Size("egic-tiny", "camvid-tiny", 64)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stage 1", "stage 2 I", "ORP"])
def test_a_stage_is_measured_and_counted(monkeypatch, name):
    monkeypatch.setattr(timing, "PEAK_SIZE", 128)
    found = stage.measure(name, SMALL, 1)
    assert found["seconds"] > 0 and found["trace"] > 0 and found["peak_gflops"] > 0
    macs = complexity.count(PRESETS["egic-tiny"], 64, 64)
    codec = 2e-9 * (macs.analysis + macs.hyper + macs.walk + macs.synthesis)
    # Trained: three passes, but for the gradient to the picture. Frozen: one.
    least = {"stage 1": 2.5, "stage 2 I": 2.0, "ORP": 1.0}[name]
    assert found["gflop"] > least * codec
    assert 0.1 < found["peak_gb"] < 16


def test_a_process_knows_its_own_peak_memory():
    before = stage.peak_gigabytes()
    ballast = np.ones(2**27, np.uint8)
    assert stage.peak_gigabytes() >= before
    del ballast


def test_stages_are_rows_and_processes_of_their_own(monkeypatch):
    asked = []

    def measured(program, repeats, size, stage=""):
        asked.append((program, size.precision, stage))
        return {
            "build": 1.0,
            "trace": 20.0,
            "seconds": 2.0,
            "gflop": 100.0,
            "peak_gflops": 200.0,
            "peak_gb": 3.0,
            "lpips": "random weights",
        }

    monkeypatch.setattr(steps, "_measured", measured)
    table = steps.step_table(SMALL, 1)
    assert list(table.columns[0].cells) == [one for one in STAGES for _ in range(2)]
    assert asked[1] == ("stage", "bfloat16", "pre-training")
    assert [list(c.cells)[0] for c in table.columns][2:] == [
        "1.00",
        "20.0",
        "2.00",
        "100",
        "50",
        "0.25",
        "3.00",
    ]
    assert "random weights" in table.caption


@pytest.mark.slow
def test_terms_are_measured_one_by_one():
    found = terms.measure(SMALL, 1)
    assert min(found.values()) >= 0 and found["E and P, frozen"] > 0
    for name in ("G", "LPIPS", "D on all three"):
        assert f"{name}, backward" in found and found[f"{name}, forward"] > 0


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
