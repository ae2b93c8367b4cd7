import os
import pathlib
import signal
import sys
import textwrap
import time

import pytest

from egic import isolation
from egic.isolation import Budget
from hific.errors import CodecError, CorruptError, LimitExceededError

ROOT = pathlib.Path(__file__).resolve().parents[1]


def child(code: str, budget: Budget | None = None) -> isolation.Child:
    """A process that runs lines of Python."""
    return isolation.Child([sys.executable, "-c", textwrap.dedent(code)], budget)


def serving(body: str, budget: Budget | None = None) -> isolation.Child:
    """A process that answers by a function body of `question` and `data`."""
    answer = "def answer(question, data):\n" + textwrap.indent(
        textwrap.dedent(body), "    "
    )
    imports = f"import os, sys\nsys.path.insert(0, {str(ROOT)!r})\n"
    imports += "from egic import isolation\nfrom hific.errors import *\n"
    return child(f"{imports}\n{answer}\nisolation.serve(answer)", budget)


def test_questions_are_answered_with_a_line_and_bytes():
    with serving("return {'twice': 2 * question['n']}, data[::-1]") as process:
        for n in range(3):
            answer, data = process.ask({"n": n}, b"abc", 3)
            assert (answer["twice"], data) == (2 * n, b"cba")


def test_what_a_library_prints_is_no_answer():
    with serving("print('loading'); os.system('echo more'); return {}, b''") as process:
        assert process.ask({})[0] == {"bytes": 0}


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "while True: pass"])
def test_a_process_that_hangs_is_killed_on_time(code):
    start = time.monotonic()
    with (
        child(code, Budget(wall_seconds=0.5)) as process,
        pytest.raises(LimitExceededError, match="longer than the 0.5 s it was given"),
    ):
        process.ask({})
    assert time.monotonic() - start < 5
    assert process._process.returncode == -signal.SIGKILL


def test_a_process_that_takes_no_questions_is_killed_on_time():
    with (
        child("import time; time.sleep(60)", Budget(wall_seconds=0.5)) as process,
        pytest.raises(LimitExceededError, match="longer than the 0.5 s"),
    ):
        process.ask({}, bytes(10**7))  # More than a pipe holds.


def test_a_process_that_stops_within_its_answer_is_killed_on_time():
    code = "import time; print('{}', flush=True); time.sleep(60)"
    with (
        child(code, Budget(wall_seconds=0.5)) as process,
        pytest.raises(LimitExceededError, match="longer than the 0.5 s"),
    ):
        process.ask({}, expected=100)


def test_time_is_counted_over_all_questions():
    body = "import time; time.sleep(0.4); return {}, b''"
    with (
        serving(body, Budget(wall_seconds=1.0)) as process,
        pytest.raises(LimitExceededError, match="longer than the 1 s"),
    ):
        for _ in range(10):
            process.ask({})


def test_an_answer_may_have_a_time_of_its_own():
    with serving("import time; time.sleep(question['n']); return {}, b''") as process:
        process.ask({"n": 0}, seconds=20)
        with pytest.raises(LimitExceededError, match="longer than the 0.5 s"):
            process.ask({"n": 60}, seconds=0.5)


def test_a_process_that_computes_too_long_is_ended():
    with (
        child("while True: pass", Budget(cpu_seconds=1, wall_seconds=60)) as process,
        pytest.raises(LimitExceededError, match="the 1 s of CPU time it was given"),
    ):
        process.ask({})


def test_a_process_that_wants_too_much_memory_is_told_so():
    budget = Budget(memory_bytes=300 * 2**20, wall_seconds=60)
    with (
        child("bytearray(10**9)", budget) as process,
        pytest.raises(LimitExceededError, match="more than the 0.3 GB of addresses"),
    ):
        process.ask({})
    with serving("bytearray(10**9)", budget) as process:
        with pytest.raises(LimitExceededError, match="more memory than it was given"):
            process.ask({})
        with pytest.raises(LimitExceededError, match="more memory than it was given"):
            process.ask({})  # It still answers.


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL", "SIGTERM"])
def test_a_process_killed_by_a_signal_is_an_error_of_one_line(name):
    code = f"import os, signal; os.kill(os.getpid(), signal.{name})"
    with child(code) as process, pytest.raises(CodecError) as error:
        process.ask({})
    assert str(error.value) == f"The decoding process ended by {name}."
    assert type(error.value) is CodecError


def test_a_process_that_fails_is_an_error_with_its_last_line():
    with serving("raise KeyError('planted')") as process:
        with pytest.raises(CodecError, match="ended with code 1: KeyError: 'planted'$"):
            process.ask({})
        with pytest.raises(CodecError, match="ended with code 1"):
            process.ask({})


def test_errors_of_the_codec_are_passed_on():
    with (
        serving("raise CorruptError('It is broken.')") as process,
        pytest.raises(CorruptError, match="^It is broken.$"),
    ):
        process.ask({})


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[1]",
        "1",
        "[" * 60_000,
        '{"error": "SystemExit"}',
        '{"error": "annotations"}',
    ],
)
def test_an_answer_that_is_none_is_an_error(line):
    code = f"print({line!r}, flush=True)"
    with child(code) as process, pytest.raises(CodecError) as error:
        process.ask({})
    assert type(error.value) is CodecError


def test_an_answer_too_short_or_without_an_end_is_an_error():
    code = "print('{}'); print('abc')"
    with child(code) as process, pytest.raises(CodecError, match="ended with code 0"):
        process.ask({}, expected=100)
    code = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    with child(code) as process, pytest.raises(CodecError, match="gave no answer"):
        process.ask({})


def test_a_process_writes_no_large_file(tmp_path):
    path = tmp_path / "planted"
    body = f"""
        try:
            open({str(path)!r}, 'wb', 0).write(bytes(2**22))
        except OSError as error:
            return {{'strerror': error.strerror}}, b''
        return {{'written': os.path.getsize({str(path)!r})}}, b''
    """
    with serving(body, Budget(file_bytes=1000)) as process:
        assert process.ask({})[0].get("written", 0) <= 1000
    assert path.stat().st_size <= 1000


def test_what_a_process_started_dies_with_it():
    body = """
        import subprocess
        other = subprocess.Popen(['sleep', '60'])
        return {'pid': other.pid}, b''
    """
    with serving(body) as process:
        pid = process.ask({})[0]["pid"]
        assert pathlib.Path(f"/proc/{pid}").exists()
    end = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return False
    return state[0] != "Z"


def test_the_budget_grows_with_the_picture_and_the_cores():
    small, large = isolation.budget_of(64, 64), isolation.budget_of(2000, 2000)
    assert large.wall_seconds - small.wall_seconds == pytest.approx(80, rel=0.01)
    assert large.memory_bytes > small.memory_bytes
    several = isolation.budget_of(2000, 2000, pictures=7)
    assert several.memory_bytes - large.memory_bytes >= 6 * 2 * 3 * 2000 * 2000
    tiled, whole = (isolation.budget_of(4000, 6000, one) for one in (False, True))
    assert whole.memory_bytes - tiled.memory_bytes > 3 * 10**9
    cores = len(os.sched_getaffinity(0))
    assert small.cpu_seconds == pytest.approx(cores * small.wall_seconds)


def test_modules_of_the_current_folder_are_not_run(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)
    command, environment = isolation.python("egic.cli", "--version")
    with isolation.Child(command, None, environment) as process:
        assert process._process.wait(30) == 0
