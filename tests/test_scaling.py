"""What many pictures and many devices take: by hand, and as the page has it."""

import json
import pathlib

import pytest

from egic import estimates
from egic.scaling import __main__ as command
from egic.scaling import arithmetic, page
from egic.scaling.arithmetic import Link

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
MEASURED = json.loads(command.MEASURED.read_text())


def test_a_million_kodak_pictures_at_one_megapixel_a_second_take_109_core_hours():
    """768 x 512 is 0.393216 megapixels: 393,216 seconds of one core."""
    found = arithmetic.core_hours(1e6, 0.393216, rate=1.0)
    assert found == pytest.approx(393_216 / 3600)
    assert arithmetic.core_hours(1e6, 0.393216, rate=4.0) == pytest.approx(found / 4)


def test_a_million_kodak_pictures_at_a_tenth_of_a_bit_are_4_9_gigabytes():
    found = arithmetic.stored_bytes(1e6, 0.393216, bpp=0.1)
    assert found == pytest.approx(4.9152e9)


def test_an_exchange_sends_everything_nearly_twice():
    """Of 10 million parameters, 40 MB, each of 4 devices sends 2 * 3/4 * 40 MB."""
    link = Link("1 GB/s", 1e9)
    assert arithmetic.exchange_seconds(10_000_000, 4, link) == pytest.approx(0.06)


def test_one_device_exchanges_nothing():
    link = Link("slow", 1.0)
    assert arithmetic.step_seconds(3.0, 10**9, 1, link) == 3.0


def test_a_step_is_its_share_of_the_batch_and_the_exchange():
    link = Link("1 GB/s", 1e9)
    found = arithmetic.step_seconds(2.0, 10_000_000, 4, link)
    assert found == pytest.approx(0.5 + 0.06)


def test_counts_of_a_forecast_have_two_digits():
    """A million of 768 x 512 at 1 MP/s is 109 core-hours, a billion 109,227."""
    text = page_of([{"model": "m", "engine": "e", "compress": 1.0, "decompress": 2.0}])
    (row,) = [line for line in text.splitlines() if "| 768 x 512 | " in line]
    cells = [cell.strip() for cell in row.split("|")[4:-1]]
    assert cells == ["110 h", "55 h", "110,000 h", "55,000 h"]


def test_a_size_that_one_model_was_not_asked_for_says_so():
    sizes = [("a", 768, 512), ("a", 6000, 4000), ("b", 768, 512)]
    rows = [
        {"model": model, "engine": "e", "width": width, "height": height}
        | {"compress": 0.5, "decompress": 0.75}
        for model, width, height in sizes
    ]
    text = page_of([], memory=rows)
    assert "| 768 x 512 | 0.5, 0.8 | 0.5, 0.8 |" in text
    assert "| 6000 x 4000 | 0.5, 0.8 | not measured |" in text


def test_two_devices_without_gradients_to_exchange_halve_the_hours():
    text = page_of([], parameters=dict.fromkeys(estimates.CHAIN, 0))
    row = next(line for line in text.splitlines() if "`train_stage1.py` | 16" in line)
    assert "43 h (100%) | 21 h (100%) | 11 h (100%) | 5.4 h (100%) | 2.7 h" in row


def test_gradients_over_a_slow_link_leave_less_of_many_devices():
    """43 h is 77.2 ms a step; 125 MB twice times 15/16 over 1.25 GB/s are 187.5 ms.

    A step on 16 devices takes 4.8 + 187.5 ms, more than on one.
    """
    text = page_of([], parameters=dict.fromkeys(estimates.CHAIN, 31_250_000))
    slow = text[text.index("10 Gbit/s") :]
    row = next(line for line in slow.splitlines() if "`train_stage1.py` | 16" in line)
    assert row.rstrip(" |").endswith("110 h (3%)")


def page_of(coding, memory=(), parameters=None):
    return page.page(
        MEASURED
        | {"coding": coding, "memory": memory}
        | ({"parameters": parameters} if parameters else {})
    )


def test_the_page_is_what_the_program_prints():
    assert page.page(MEASURED) == PAGE.read_text()


def test_every_measured_model_is_measured_in_every_engine():
    engines = {row["model"]: set() for row in MEASURED["coding"]}
    for row in MEASURED["coding"]:
        engines[row["model"]].add(row["engine"])
        assert row["compress"] > 0.0 and row["decompress"] > 0.0
    assert engines["egic"] == engines["egic-small"] == {"tensorflow", "openvino"}
