import functools
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from hific import pipelines, workers
from hific.errors import CorruptError, ModelLoadError


def doubling(folder):
    """Notes each process that makes its work."""
    (folder / f"made-{os.getpid()}").touch()
    return lambda task: 2 * task


def dying(folder, times):
    """Task 3 kills its process, the first few times."""

    def work(task):
        path = folder / "deaths"
        deaths = len(path.read_text()) if path.exists() else 0
        if task == 3 and deaths < times:
            path.write_text("x" * (deaths + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return task

    return work


def failing(errors):
    def work(task):
        if task in errors:
            raise errors[task]
        return task

    return work


def unloadable():
    raise ModelLoadError("no model here")


def sleeping(folder):
    def work(task):
        (folder / f"pid-{os.getpid()}").touch()
        time.sleep(60)

    return work


def signalled():
    """What a terminal or a scheduler sends to all processes at once reaches a task."""

    def work(task):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(os.getpid(), number)
        return task

    return work


def processing():
    return lambda task: (task, os.getpid())


def sharing():
    return lambda task: os.getpid()


def counting():
    """Says how many tasks its process has, once the other stage had time to begin."""
    here, lock = [], threading.Lock()

    def begin(task):
        with lock:
            here.append(task)
        return task

    def end(task):
        time.sleep(0.1)
        with lock:
            most = len(here)
            here.remove(task)
        return most

    return pipelines.Line((begin, end))


@pytest.mark.parametrize("processes", [1, 2])
def test_every_task_is_worked_on_by_what_each_process_makes_once(tmp_path, processes):
    make = functools.partial(doubling, tmp_path)
    outcomes = list(workers.run(make, range(5), processes))
    assert sorted((o.task, o.value, o.error) for o in outcomes) == [
        (task, 2 * task, None) for task in range(5)
    ]
    made = [int(path.name.partition("-")[2]) for path in tmp_path.glob("made-*")]
    assert 1 <= len(made) <= processes
    assert (os.getpid() in made) == (processes == 1)


def test_a_task_whose_process_dies_is_given_to_another(tmp_path):
    make = functools.partial(dying, tmp_path, 1)
    outcomes = {o.task: o for o in workers.run(make, range(5), 2)}
    assert {task: o.value for task, o in outcomes.items()} == {i: i for i in range(5)}


def test_a_task_that_kills_two_processes_is_named_and_the_others_go_on(tmp_path):
    make = functools.partial(dying, tmp_path, 9)
    outcomes = {o.task: o for o in workers.run(make, range(5), 2)}
    assert (tmp_path / "deaths").read_text() == "xx"
    assert isinstance(outcomes[3].error, workers.WorkerDiedError)
    assert "ended by SIGKILL: was memory short?, twice" in str(outcomes[3].error)
    assert [outcomes[i].value for i in (0, 1, 2, 4)] == [0, 1, 2, 4]


def test_a_deadly_task_is_told_from_those_beside_it(tmp_path):
    make = functools.partial(dying, tmp_path, 9)
    outcomes = {o.task: o for o in workers.run(make, range(8), 2, at_once=4)}
    assert "twice" in str(outcomes.pop(3).error)
    assert {task: o.value for task, o in outcomes.items()} == {
        i: i for i in range(8) if i != 3
    }


def test_a_process_has_as_many_tasks_as_it_may_and_the_last_ones_alone():
    outcomes = list(workers.run(counting, range(6), apart=True, at_once=3, last=[6, 7]))
    assert [o.task for o in outcomes] == list(range(8))
    assert [o.value for o in outcomes[-2:]] == [1, 1]
    assert 2 <= max(o.value for o in outcomes) <= 3


def test_tasks_are_shared_before_a_process_has_several():
    outcomes = workers.run(sharing, range(2), 2, at_once=4)
    assert len({o.value for o in outcomes}) == 2


def test_in_this_process_the_last_tasks_come_last_and_lines_are_called():
    outcomes = workers.run(counting, [1], last=[2])
    assert [(o.task, o.value) for o in outcomes] == [(1, 1), (2, 1)]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_codec_refuses_is_passed_on(processes):
    errors = {1: CorruptError("a checksum"), 2: OSError(28, "disk full", "out/x")}
    outcomes = workers.run(functools.partial(failing, errors), range(4), processes)
    found = {o.task: o.error for o in outcomes}
    assert isinstance(found[1], CorruptError) and str(found[1]) == "a checksum"
    assert found[2].errno == 28 and found[2].filename == "out/x"
    assert found[0] is found[3] is None


def test_a_defect_ends_its_process_with_a_traceback(capfd):
    make = functools.partial(failing, {0: ZeroDivisionError("odd")})
    outcomes = {o.task: o for o in workers.run(make, range(2), 2)}
    assert "ended with code 1, twice" in str(outcomes[0].error)
    assert outcomes[1].value == 1
    assert "ZeroDivisionError: odd" in capfd.readouterr().err


def test_what_cannot_be_made_fails_every_task():
    errors = [o.error for o in workers.run(unloadable, range(3), 2)]
    assert [str(error) for error in errors] == ["no model here"] * 3


def test_what_is_sent_to_all_processes_ends_no_task():
    outcomes = workers.run(signalled, range(3), 2)
    assert sorted(o.value for o in outcomes) == [0, 1, 2]


def test_one_process_may_be_another_one():
    (outcome,) = workers.run(processing, ["only"], apart=True)
    name, pid = outcome.value
    assert name == "only" and pid != os.getpid()


@pytest.mark.parametrize("processes", [1, 2])
def test_tasks_are_taken_when_somebody_is_free_and_not_after_stopping(processes):
    taken, over = [], []

    def tasks():
        for task in range(100):
            taken.append(task)
            yield task

    outcomes = workers.run(
        processing, tasks(), processes, stopping=lambda: len(over) >= 3
    )
    for outcome in outcomes:
        over.append(outcome.task)
        assert len(taken) <= len(over) + processes
    assert sorted(over) == taken and 3 <= len(over) <= 3 + processes


def test_processes_end_when_nobody_listens_any_more(tmp_path):
    outcomes = workers.run(functools.partial(sleeping, tmp_path), range(2), 2)
    with pytest.raises(KeyboardInterrupt):
        _interrupt_when(tmp_path, outcomes)
    assert not [pid for pid in _pids(tmp_path) if _lives(pid)]


def test_processes_end_with_the_one_that_started_them(tmp_path):
    code = (
        "import functools, pathlib\n"
        "from hific import workers\n"
        "from tests import test_workers as here\n"
        "if __name__ == '__main__':\n"
        f"    folder = pathlib.Path({str(tmp_path)!r})\n"
        "    make = functools.partial(here.sleeping, folder)\n"
        "    list(workers.run(make, range(2), 2))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    root = pathlib.Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, str(script)], env=environment) as process:
        _wait_for(lambda: len(_pids(tmp_path)) == 2)
        process.kill()
    _wait_for(lambda: not any(_lives(pid) for pid in _pids(tmp_path)))


def _interrupt_when(folder, outcomes):
    """Raises KeyboardInterrupt in the wait for the first outcome, as Ctrl-C does."""

    def press(*_):
        if len(_pids(folder)) == 2:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        next(outcomes)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _pids(folder):
    return [int(path.name.partition("-")[2]) for path in folder.glob("pid-*")]


def _lives(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return state[0] != "Z"


def _wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
