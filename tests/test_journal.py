import errno
import json
import os

import pytest

from egic import journal
from egic.batch import UsageError
from egic.folders import Shard
from egic.journal import Done, History, Journal

DONE = Done("/in/a.png", 10, 20, "settings", (30,))


def _history(folder, target="a.egic") -> History:
    with Journal(folder) as opened:
        return opened.histories.get(target, History())


def test_what_is_done_is_known_to_the_next_run(tmp_path):
    with Journal(tmp_path / "out") as opened:
        opened.begun("a.egic", "/in/a.png")
        opened.done("a.egic", DONE, bpp=0.5)
    history = _history(tmp_path / "out")
    assert history.done == DONE and not history.unclear and history.open == 0
    *_, line = journal.entries(tmp_path / "out")
    assert line["bpp"] == 0.5


def test_what_was_begun_and_not_ended_is_unclear_and_counted(tmp_path):
    for times in (1, 2):
        with Journal(tmp_path) as opened:
            opened.begun("a.egic", "/in/a.png")
        history = _history(tmp_path)
        assert history.unclear and history.open == times
    with Journal(tmp_path) as opened:
        opened.done("a.egic", DONE)
        opened.begun("a.egic", "/in/a.png")
    history = _history(tmp_path)
    assert history.done == DONE and history.unclear and history.open == 1


@pytest.mark.parametrize("left", [False, True])
def test_what_failed_is_unclear_only_where_something_was_left(tmp_path, left):
    with Journal(tmp_path) as opened:
        opened.begun("a.egic", "/in/a.png")
        opened.failed("a.egic", "/in/a.png", "no picture", left)
    history = _history(tmp_path)
    assert history.unclear == left and history.open == 0 and history.done is None


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_last_line_is_left_out_and_the_next_one_stays_whole(tmp_path, cut):
    with Journal(tmp_path) as opened:
        opened.done("a.egic", DONE)
        opened.done("b.egic", DONE)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(tmp_path) as opened:
        whole = cut == 1  # Only the line break is gone.
        assert opened.damaged == (not whole)
        assert ("b.egic" in opened.histories) == whole
        opened.done("c.egic", DONE)
    with Journal(tmp_path) as opened:
        assert {"a.egic", "c.egic"} <= opened.histories.keys()


@pytest.mark.parametrize(
    "line", [b"\0" * 60, b"\xff\xfe", b"[]", b"7", b'{"time": "x"}', b'{"target": "b"}']
)
def test_a_line_of_anything_else_is_left_out(tmp_path, line):
    with Journal(tmp_path) as opened:
        opened.done("a.egic", DONE)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(line + b"\n" + path.read_bytes())
    with Journal(tmp_path) as opened:
        assert opened.damaged == 1
        assert opened.histories["a.egic"].done == DONE


def test_names_of_any_bytes_survive(tmp_path):
    name = os.fsdecode(b"new\nline \xff.egic")
    with Journal(tmp_path) as opened:
        opened.begun(name, name)
    assert _history(tmp_path, name).open == 1
    assert (tmp_path / "journal.jsonl").read_bytes().count(b"\n") == 1


def test_two_runs_do_not_write_to_one_journal(tmp_path):
    with Journal(tmp_path):
        with pytest.raises(UsageError, match="Another run is writing to"):
            Journal(tmp_path)
        with pytest.raises(UsageError, match="Another run is writing to"):
            Journal(tmp_path, Shard(1, 2))
    with Journal(tmp_path, Shard(1, 2)) as first, Journal(tmp_path, Shard(2, 2)):
        first.done("a.egic", DONE)
        for shard in (Shard(1, 2), Shard()):
            with pytest.raises(UsageError, match="Another run is writing to"):
                Journal(tmp_path, shard)
    assert _history(tmp_path).done == DONE


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    write = os.write

    def half(descriptor, data):
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[: len(data) // 2])

    with Journal(tmp_path) as opened:
        opened.done("a.egic", DONE)
        before = opened.path.read_bytes()
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space left on device") as error:
            opened.done("b.egic", DONE)
        assert error.value.filename == str(opened.path)
        assert opened.path.read_bytes() == before


def test_a_later_line_counts_whatever_the_clock_says(tmp_path, monkeypatch):
    with Journal(tmp_path) as opened:
        opened.begun("a.egic", "/in/a.png")
        monkeypatch.setattr("time.time", lambda: 0.0)
        opened.done("a.egic", DONE)
    assert not _history(tmp_path).unclear
    times = [json.loads(line)["time"] for line in opened.path.read_text().splitlines()]
    assert times[0] < times[1]


def test_a_file_system_without_locks_is_written_to_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with Journal(tmp_path) as opened:
        opened.done("a.egic", DONE)
        assert not opened.locked


def test_a_line_that_lacks_something_leaves_what_was_known(tmp_path):
    with Journal(tmp_path) as opened:
        opened.begun("a.egic", "/in/a.png")
        path = opened.path
    with path.open("a") as lines:
        line = {"time": 9e9, "status": "done", "target": "a.egic", "source": "/in/a"}
        lines.write(json.dumps(line) + "\n")
    history = _history(tmp_path)
    assert history.unclear and history.open == 1 and history.done is None
