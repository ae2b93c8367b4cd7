"""Tests of what a picture needs of memory and of what there is of it."""

import resource
import subprocess
import sys

import pytest

from egic.codec import SYSTEMS
from egic.config import PRESETS, EgicConfig
from hific import limits, memory
from hific.config import HificConfig
from hific.errors import LimitExceededError

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine described by files: writes those named, 8 GiB free and no group."""
    monkeypatch.setattr(memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "cgroup")
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)

    def describe(**files):
        files = {"proc/meminfo": f"MemAvailable:  {8 * GIB // 1024} kB\n"} | files
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(str(text))

    return describe


def test_free_memory_is_available(machine):
    machine()
    assert memory.available() == 8 * GIB


def test_what_the_process_has_already_is_available_to_it(machine):
    machine(**{"proc/self/statm": "900 100 50 1 0 70 0"})
    assert memory.available() == 8 * GIB + 100 * resource.getpagesize()


@pytest.mark.parametrize(
    "line, folder, names, cache",
    [
        ("0::/job", "", ("memory.max", "memory.current"), "inactive_file"),
        (
            "4:memory:/job",
            "memory/",
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
            "total_inactive_file",
        ),
    ],
)
def test_a_control_group_leaves_its_limit_less_its_use_but_for_caches(
    machine, line, folder, names, cache
):
    limit, used = (f"cgroup/{folder}job/{name}" for name in names)
    stat = f"cgroup/{folder}job/memory.stat"
    groups = {"proc/self/cgroup": f"{line}\n9:pids:/\n", limit: 2 * GIB, used: GIB}
    machine(**groups)
    assert memory.available() == GIB
    machine(**groups, **{stat: f"x 1\n{cache} {GIB // 2}\ny 2\n"})
    assert memory.available() == GIB + GIB // 2


def test_the_tightest_of_nested_groups_counts(machine):
    machine(
        **{
            "proc/self/cgroup": "0::/outer/inner",
            "cgroup/outer/inner/memory.max": "max",
            "cgroup/outer/memory.max": 3 * GIB,
            "cgroup/outer/memory.current": GIB,
            "cgroup/memory.max": 5 * GIB,
        }
    )
    assert memory.available() == 2 * GIB


def test_a_group_named_from_outside_of_a_container_is_found_at_the_mount(machine):
    machine(**{"proc/self/cgroup": "0::/docker/0123", "cgroup/memory.max": GIB})
    assert memory.available() == GIB


def test_a_limit_of_addresses_counts():
    code = (
        "import resource; from hific import memory; "
        "resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9,) * 2); "
        "print(memory.available())"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert int(output) == 500_000_000


def test_a_picture_above_the_budget_is_refused_with_need_and_budget():
    need = memory.needed(1000, 2000)
    memory.check(1000, 2000, need)
    with pytest.raises(
        LimitExceededError, match=r"2000 x 1000 .* takes 2\.4 GB .* 2\.3"
    ):
        memory.check(1000, 2000, need - 10**8)


def test_without_a_budget_it_is_what_the_machine_has(machine):
    machine()
    memory.check(1000, 2000)
    machine(**{"proc/meminfo": f"MemAvailable: {GIB // 1024} kB\n"})
    with pytest.raises(LimitExceededError, match=r"1\.1 GB are to be had"):
        memory.check(1000, 2000)


def test_the_limits_of_a_file_hold_its_budget(machine):
    machine()
    limits.Limits().check_memory(2000, 1000)
    with pytest.raises(LimitExceededError, match=r"0\.8 GB are to be had"):
        limits.Limits(memory_bytes=8 * 10**8).check_memory(2000, 1000)


def test_a_huge_picture_counts_as_a_window_and_what_stands_beside_it():
    # 1,280 x 1,280 pixels for the networks, 20 bytes for each pixel of the picture.
    assert memory.needed(4096, 4096) == 900_000_000 + 700 * 1280**2 + 20 * 2**24
    assert memory.needed(4000, 6000) < 3 * 2**30
    assert memory.needed(65_535, 65) < memory.needed(4096, 4096)


def test_the_entropy_path_of_an_untiled_file_counts_in_full_however_large():
    assert memory.needed(4096, 4096, whole=True) > 4.9 * 10**9
    with pytest.raises(LimitExceededError, match="takes 5.1 GB"):
        limits.Limits(memory_bytes=4 * 10**9).check_memory(
            4096, 4096, whole=True, model=memory.LARGEST
        )


def test_a_small_model_may_code_where_a_large_one_may_not():
    budget = limits.Limits(memory_bytes=2 * 10**9)
    budget.check_memory(2048, 2048, model=memory.Footprint(600_000_000, 226))
    with pytest.raises(LimitExceededError, match="takes 3.8 GB"):
        budget.check_memory(2048, 2048, model=memory.LARGEST)


def test_the_footprint_of_a_model_follows_from_its_config():
    line = SYSTEMS[EgicConfig].footprint
    assert line(PRESETS["egic-tiny"], 2_200_000) == (584_200_000, 130 + 3 * 32)
    assert line(PRESETS["egic"], 32_000_000) == (912_000_000, 130 + 3 * 128)
    assert SYSTEMS[HificConfig].footprint(HificConfig(), 1) == memory.LARGEST


def test_reading_a_picture_counts_beside_what_the_process_has(machine):
    machine(**{"proc/self/statm": "9 2 5"})
    memory.check_reading(16384, 16384)
    machine(**{"proc/meminfo": f"MemAvailable: {GIB // 1024} kB\n"})
    with pytest.raises(LimitExceededError, match="[Rr]eading 16384 x 16384 .*1.1 GB"):
        memory.check_reading(16384, 16384)


@pytest.mark.parametrize("stride, pixels", [(64, 64 * 65_536), (256, 256 * 65_536)])
def test_the_padding_of_a_narrow_picture_counts(stride, pixels):
    need = memory.LARGEST.at_start + memory.LARGEST.per_pixel * pixels
    for height, width in ((1, 65_535), (65_535, 1)):
        assert memory.needed(height, width, stride=stride) == need
