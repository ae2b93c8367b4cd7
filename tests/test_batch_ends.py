"""What ends a run over a folder, and how the next one goes on."""

import functools
import pathlib
import subprocess
import sys

import pytest

from egic import batch, batch_folders, journal
from hific import bitstream, workers
from hific.errors import ModelLoadError
from tests import folder_orders
from tests.folder_orders import (
    begun,
    changed,
    die,
    fill_disk,
    linger,
    load_no_model,
    outputs,
    pictures,
    tell_to_stop,
    working,
)

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def order(tmp_path):
    return folder_orders.order_in(tmp_path)


def test_what_a_killed_run_left_is_finished_last_and_without_force(order):
    pictures(order, "a.png", "b.png", "c.png")
    with journal.Journal(order.out) as opened:
        opened.begun("a.egic", str(order.root / "a.png"))
    (order.out / "a.egic").write_text("written, and then killed")
    (order.out / "b.egic.tmp-12-0123abcd").write_text("half")
    (order.out / "b.egic.tmp-mine").write_text("somebody's")
    assert batch_folders.run(order) == 0
    assert begun(order) == ["a.egic", "b.egic", "c.egic", "a.egic"]
    assert not (order.out / "b.egic.tmp-12-0123abcd").exists()
    assert (order.out / "b.egic.tmp-mine").exists()
    assert bitstream.unpack((order.out / "a.egic").read_bytes()).width == 4


@pytest.mark.parametrize("processes", [1, 2])
def test_those_in_work_beside_a_deadly_file_are_done(order, capsys, processes):
    names = [f"{i}.png" for i in range(8)]
    pictures(order, *names)
    make = functools.partial(working, {"3.png": die})
    deadly = changed(order, make=make, processes=processes, at_once=4)
    assert batch_folders.run(deadly) == batch.EXIT_SYSTEM
    assert outputs(order).keys() == {f"{i}.egic" for i in range(8) if i != 3}
    assert capsys.readouterr().err.count("twice") == 1
    assert begun(order) == [f"{i}.egic" for i in range(8)]


def test_files_at_which_runs_were_killed_are_last_and_each_alone(order, monkeypatch):
    given = {}

    def run(make, tasks, processes, last, **settings):
        given.update(tasks=list(tasks), last=list(last), **settings)
        return (workers.Outcome(task, error=OSError("no")) for task in ())

    pictures(order, "a.png", "b.png", "c.png")
    with journal.Journal(order.out) as opened:
        opened.begun("b.egic", str(order.root / "b.png"))
    monkeypatch.setattr(batch_folders.workers, "run", run)
    assert batch_folders.run(changed(order, at_once=2)) == batch.EXIT_STOPPED
    assert [job.source.name for job in given["tasks"]] == ["a.png", "c.png"]
    assert [job.source.name for job in given["last"]] == ["b.png"]
    assert given["at_once"] == 2


def test_a_file_whose_processes_die_is_named_and_the_others_are_done(order, capsys):
    pictures(order, "a.png", "b.png", "c.png")
    deadly = changed(
        order, make=functools.partial(working, {"b.png": die}), processes=2
    )
    assert batch_folders.run(deadly) == batch.EXIT_SYSTEM
    assert outputs(order).keys() == {"a.egic", "c.egic"}
    error = capsys.readouterr().err
    assert "b.png: its process ended by SIGKILL: was memory short?, twice" in error
    assert batch_folders.run(order) == 0


def test_processes_that_die_at_everything_end_the_run(order, monkeypatch):
    pictures(order, *(f"{i}.png" for i in range(5)))
    monkeypatch.setattr(batch_folders, "_DEATHS_IN_A_ROW", 2)
    trouble = {f"{i}.png": die for i in range(5)}
    deadly = changed(order, make=functools.partial(working, trouble))
    with pytest.raises(OSError, match="processes died at 2 files in a row"):
        batch_folders.run(deadly)
    assert len(begun(order)) < 5


@pytest.mark.parametrize(
    "trouble, error",
    [(fill_disk, "No space left.*same command goes on.*b.egic"), (load_no_model, "m")],
)
def test_what_would_meet_every_file_ends_the_run_in_a_good_state(order, trouble, error):
    pictures(order, "a.png", "b.png", "c.png", "d.png")
    make = functools.partial(working, {"b.png": trouble})
    with pytest.raises((OSError, ModelLoadError), match=error):
        batch_folders.run(changed(order, make=make))
    done = outputs(order)  # Those after it may have been in work.
    assert "a.egic" in done and "b.egic" not in done
    assert batch_folders.run(order) == 0
    assert len(outputs(order)) == 4 and outputs(order)["a.egic"] == done["a.egic"]


def test_a_run_that_is_told_to_stop_finishes_what_it_began(order, capfd):
    pictures(order, *(f"{i}.png" for i in range(9)))
    # The other process must not be done with all of them before this one has begun.
    trouble = {f"{i}.png": linger for i in range(3, 9)} | {"2.png": tell_to_stop}
    make = functools.partial(working, trouble)
    two = changed(order, make=make, processes=2)
    assert batch_folders.run(two) == batch.EXIT_STOPPED
    done = outputs(order)
    assert "2.egic" in done and len(done) < 9
    assert sorted(begun(order)) == sorted(done)
    error = capfd.readouterr().err
    assert "stopping after the files in work" in error
    assert "stopped; the same command goes on" in error
    assert batch_folders.run(order) == 0
    assert sorted(begun(order)) == sorted(outputs(order)) and len(begun(order)) == 9


def test_a_run_that_is_told_to_stop_before_it_began_leaves_at_once(order, tmp_path):
    order.root.mkdir()
    code = (
        "import os, pathlib, signal\n"
        "from egic import cli\n"
        "os.scandir = lambda path: os.kill(os.getpid(), signal.SIGTERM)\n"
        f"cli.main(['decompress', {str(order.root)!r}, '--model=none'])\n"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert process.returncode == batch.EXIT_STOPPED
