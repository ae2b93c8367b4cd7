"""Tests of the fuzz driver: every kind of broken promise is noticed and repeated."""

import math
import re
import subprocess
import sys

import pytest

from tests.planted_faults import FAULTY
from trials import fuzz, targets, watch

FAULTS = "tests.planted_faults:"


@pytest.mark.parametrize(
    "name, kind, text",
    [
        ("hang", "hang", r"no return after .* s of CPU"),
        ("wait", "hang", "no return after 1"),
        ("slow", "error|hang", r"slow: 0\.\d\d s of CPU|no return"),
        ("crash", "crash", "died of SIGSEGV"),
        ("exit", "error", "ended before its cases"),
        ("error", "error", "IndexError: list index out of range"),
        ("codec_error", "error", "CodecError: refused"),
        ("memory", "error", "memory: grew by 1.. MiB within case"),
        ("memory_of_a_block", "error", "memory: grew by 1.. MiB within case 7, 50 are"),
        ("file", "error", r"left behind: \['out.png.tmp-1'\]"),
    ],
)
def test_a_planted_fault_is_found_and_the_cases_behind_it_are_tried(name, kind, text):
    report = watch.run(FAULTS + name, 0, math.inf, count=FAULTY + 3)
    (found,) = report.found
    assert re.fullmatch(kind, found.kind)
    assert found.case == FAULTY
    assert re.search(text, found.text)
    # What was well in the last half second before a kill is not counted.
    assert report.next_case is None and report.outcomes["well"] >= 2


def test_a_target_that_cannot_be_prepared_is_a_finding():
    report = watch.run(FAULTS + "unprepared", 0, math.inf)
    assert "No module named 'tensorflow'" in report.found[0].text
    assert not report.goes_on


def test_a_target_that_always_fails_is_given_up():
    report = watch.run(FAULTS + "always", 0, math.inf)
    assert [found.case for found in report.found] == list(range(10))


def test_a_finite_target_ends_when_all_of_it_was_tried():
    report = watch.run(FAULTS + "finite", 0, math.inf)
    assert report.outcomes == {"well": 20} and not report.goes_on


def test_time_ends_a_target_without_end_and_says_where_to_go_on():
    report = watch.run(FAULTS + "error", 0, 3.0, first=FAULTY + 1)
    assert report.goes_on and report.next_case > FAULTY + 1
    assert not report.found and report.tried > 0


def test_the_command_prints_a_table_and_what_repeats_a_finding(capsys):
    arguments = [f"--target={FAULTS}error", "--seed=3"]
    assert fuzz.main([*arguments, "--cases=10"]) == 1
    output = capsys.readouterr().out
    assert "9 well" in output
    assert f"repeat: python -m trials.fuzz {arguments[0]} --seed=3 --case=7" in output
    assert fuzz.main([*arguments, "--case=7"]) == 1
    assert "in raise_another_error" in capsys.readouterr().out
    assert fuzz.main([*arguments, "--case=6"]) == 0
    assert "no promise was broken" in capsys.readouterr().out


def test_targets_share_the_time_and_processes(capsys):
    names = [FAULTS + "finite", FAULTS + "error", "parser_cuts"]
    reports = fuzz.fuzz(names, 0, 8.0, processes=2)
    assert reports[names[0]].tried == 20
    assert len(reports[names[1]].found) == 1 and reports[names[1]].tried > 100
    assert reports["parser_cuts"].tried > 5000
    print(fuzz.table(reports))
    *_, last = capsys.readouterr().out.splitlines()
    assert last.split()[::2] == ["all", "1"]


def test_every_listed_target_is_there():
    for name in targets.TARGETS:
        assert targets.find(name).run
    modules = {place.module for place in targets.TARGETS.values()}
    held = sum((list(targets.importlib.import_module(m).TARGETS) for m in modules), [])
    assert sorted(held) == sorted(targets.TARGETS)


def test_an_unknown_target_is_wrong_usage(capsys):
    with pytest.raises(SystemExit):
        fuzz.main(["--target=parsley"])
    assert "no target parsley; there are parser," in capsys.readouterr().err


def test_the_driver_itself_loads_no_tensorflow():
    code = "import sys, trials.fuzz; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
