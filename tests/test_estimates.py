"""Hours on a GPU: the formula by hand, and the page as it is printed today."""

import json
import pathlib

import pytest

from egic import estimates
from egic.reproduction import costs
from egic.reproduction.stages import STAGES

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "hours.md"
MEASURED = json.loads(estimates.MEASURED.read_text())


def test_hours_are_steps_times_crops_times_flops_over_what_the_gpu_reaches():
    """Stage 1 at a share of 0.5, forward passes in GFLOP as they are counted.

    E and G 34.401681 each, P 4.745687, LPIPS 1.737004; everything is trained: 3 times
    75.286 = 225.858. 2,000,000 steps of 16 crops are 7.22746e18 FLOP, 78e12 a second
    need 92,660 s.
    """
    stage = STAGES["egic-0.5"]
    found = estimates.estimate(stage, {"stage 1, SwinT-ChARM": 0.5})
    assert found.flops == pytest.approx(225.858e9, rel=1e-5)
    assert found.hours == pytest.approx(92_660 / 3600, rel=1e-4)


def test_eight_gpus_are_seven_point_two_times_one():
    assert estimates.on_many(72.0) == pytest.approx(10.0)


def test_a_share_is_flops_a_second_over_those_of_a_matrix_product():
    """ORP: E 34.4017 + G 34.4017 + P 4.7457 + 2 times 14.0090 is 101.567 GFLOP."""
    measured = {
        "crops": 2,
        "peak_gflops": 203.134,
        "seconds": {"ORP, SwinT-ChARM": 4.0},
    }
    assert estimates.shares(measured) == {
        "ORP, SwinT-ChARM": pytest.approx(0.25, rel=1e-5)
    }


def test_lpips_is_not_in_the_measured_steps():
    cost = "stage 1, SwinT-ChARM"
    measured = {"crops": 1, "peak_gflops": 1.0, "seconds": {cost: 1.0}}
    without = costs.flops_per_crop(cost) - 3 * costs.FORWARD["LPIPS"]
    assert estimates.shares(measured)[cost] == pytest.approx(without / 1e9)


def test_every_command_has_a_measured_step():
    kinds = {STAGES[name].cost for name in estimates.CHAIN}
    assert kinds == set(MEASURED["seconds"])
    assert all(0 < share < 2 for share in estimates.shares(MEASURED).values())


def test_the_page_is_what_the_program_prints():
    assert estimates.page(MEASURED) == PAGE.read_text()


def test_measuring_asks_for_each_kind_of_step_and_keeps_the_machine(monkeypatch):
    asked = []

    def step(cost, crops, repeats, clock):
        asked.append(cost)
        return costs.Measured(seconds=0.5, crops=crops, share=0.0)

    monkeypatch.setattr("egic.reproduction.measuring.measure", step)
    monkeypatch.setattr("egic.bench.timing.peak", lambda dtype, repeats, clock: 100.4)
    measured = estimates.measure(crops=2)
    assert asked == [STAGES[name].cost for name in estimates.CHAIN]
    assert measured["crops"] == 2 and measured["peak_gflops"] == 100
    assert measured["seconds"] == dict.fromkeys(asked, 0.5)
    assert estimates.page(measured)
