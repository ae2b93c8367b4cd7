import sys

import pytest

from tools import check_platform


@pytest.mark.parametrize(
    "system, machine, fine",
    [
        ("Linux", "x86_64", True),
        ("Linux", "aarch64", False),
        ("Darwin", "arm64", False),
        ("Windows", "AMD64", False),
    ],
)
def test_only_linux_on_x86_64_passes(system, machine, fine):
    assert (check_platform.platform_problem(system, machine) is None) == fine


@pytest.mark.parametrize("found, fine", [((3, 11), True), ((3, 12), False)])
def test_only_python_3_11_passes(found, fine):
    assert (check_platform.python_problem("python", found) is None) == fine


def test_a_python_that_is_not_there_is_named(capsys):
    assert check_platform.main(["check_platform.py", "python-nowhere"]) == 1
    assert "python-nowhere does not run" in capsys.readouterr().err


def test_the_python_running_this_is_recognised():
    assert check_platform.version_of(sys.executable) == sys.version_info[:2]
