import dataclasses
import errno
import functools
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from PIL import Image

from egic import batch, batch_folders, compression, folders, journal
from hific import bitstream, images, memory
from hific.errors import ModelLoadError
from tests import egic_script
from tests.pixel_codec import PixelCodec

ROOT = pathlib.Path(__file__).resolve().parents[1]


def working(trouble=None):
    """Compresses pictures; what is named in `trouble` has it."""
    codec = PixelCodec()

    def work(job):
        if trouble and job.source.name in trouble:
            trouble[job.source.name](job)
        return compression.compress_one(job, compression.Reading(), lambda: codec)

    return work


def die(job):
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk(job):
    raise OSError(errno.ENOSPC, "No space left on device")


def load_no_model(job):
    raise ModelLoadError("no model here")


def tell_to_stop(job):
    os.kill(os.getppid(), signal.SIGTERM)


@pytest.fixture
def order(tmp_path):
    return batch_folders.Order(
        root=tmp_path / "in",
        out=tmp_path / "out",
        reads=images.SUFFIXES,
        writes=(".egic",),
        make=working,
        line=compression.line,
        size=images.read_size,
        settings="settings",
        verb="compressing",
        shard=folders.WHOLE,
        processes=1,
        replace=False,
    )


def _pictures(order, *names):
    for i, name in enumerate(names):
        path = order.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 2), (i, i, i)).save(path)


def _with(order, **changes):
    return dataclasses.replace(order, **changes)


def _outputs(order):
    return {
        path.relative_to(order.out).as_posix(): path.stat().st_mtime_ns
        for path in order.out.rglob("*.egic")
    }


def _begun(order):
    lines = journal.entries(order.out)
    return [line["target"] for line in lines if line["status"] == "begun"]


def test_a_folder_is_mirrored_and_a_second_run_repeats_nothing(order, capsys):
    _pictures(order, "a.png", "x/y/b.jpg", "x/c.png")
    assert batch_folders.run(_with(order, processes=2)) == 0
    before = _outputs(order)
    assert before.keys() == {"a.egic", "x/y/b.egic", "x/c.egic"}
    out = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in out[:3]} == {"1/3", "2/3", "3/3"}
    assert re.search(r"^3 done in .* files/s, .* bytes, \d+\.\d+ bpp$", out[3])
    assert batch_folders.run(order) == 0
    assert _outputs(order) == before and len(_begun(order)) == 3
    assert "0 done in 0 s; 3 finished before" in capsys.readouterr().out


def test_a_journal_line_says_what_was_made_of_what(order):
    _pictures(order, "x/a.png")
    batch_folders.run(order)
    *_, line = journal.entries(order.out)
    source = order.root / "x" / "a.png"
    size = (order.out / "x" / "a.egic").stat().st_size
    expected = {
        "status": "done",
        "target": "x/a.egic",
        "source": str(source),
        "source_bytes": source.stat().st_size,
        "source_time": source.stat().st_mtime_ns,
        "sizes": [size],
        "bytes": size,
        "width": 4,
        "height": 2,
        "bpp": size,
    }
    assert expected.items() <= line.items()


def test_only_what_changed_or_is_gone_is_made_again(order):
    _pictures(order, "a.png", "b.png", "c.png")
    batch_folders.run(order)
    before = _outputs(order)
    Image.new("RGB", (5, 5)).save(order.root / "a.png")
    (order.out / "b.egic").unlink()
    assert batch_folders.run(order) == 0
    after = _outputs(order)
    assert [name for name in after if after[name] != before[name]] == [
        "a.egic",
        "b.egic",
    ]


def test_bad_files_are_reported_by_every_run_and_the_others_done(order, capsys):
    _pictures(order, "a.png", "z/d.png")
    (order.root / "b.png").write_text("no picture")
    (order.root / "c.png").symlink_to("nothing")
    for _ in range(2):
        assert batch_folders.run(order) == 4  # Of the link, found before.
        errors = capsys.readouterr().err.splitlines()
        assert [line.split(": ")[1] for line in errors] == [
            str(order.root / "c.png"),
            str(order.root / "b.png"),
        ]
    (order.root / "c.png").unlink()
    assert batch_folders.run(order) == 18
    assert _outputs(order).keys() == {"a.egic", "z/d.egic"}
    (line,) = [
        line
        for line in list(journal.entries(order.out))[-1:]
        if line["status"] == "failed"
    ]
    assert "no PNG, JPEG" in line["reason"] and line["left"] is False


def test_two_sources_of_one_output_are_both_left_alone(order, capsys):
    _pictures(order, "a.png", "a.jpg", "b.png")
    assert batch_folders.run(order) == batch.EXIT_USAGE
    assert "a.jpg and a.png would be written to one file" in capsys.readouterr().err
    assert _outputs(order).keys() == {"b.egic"}


def test_an_output_of_somebody_else_is_replaced_only_with_force(order, capsys):
    _pictures(order, "a.png", "b.png")
    order.out.mkdir()
    (order.out / "a.egic").write_text("precious")
    assert batch_folders.run(order) == batch.EXIT_EXISTS
    assert (order.out / "a.egic").read_text() == "precious"
    assert "a.egic: exists, and the journal does not know" in capsys.readouterr().err
    finished = _outputs(order)["b.egic"]
    assert batch_folders.run(_with(order, replace=True)) == 0
    assert (order.out / "a.egic").read_bytes() != b"precious"
    assert _outputs(order)["b.egic"] == finished  # It was made by this very command.


def test_outputs_of_other_settings_are_replaced_only_with_force(order, capsys):
    _pictures(order, "a.png")
    batch_folders.run(order)
    other = _with(order, settings="others")
    assert batch_folders.run(other) == batch.EXIT_EXISTS
    assert "made with another model or other flags" in capsys.readouterr().err
    assert batch_folders.run(_with(other, replace=True)) == 0
    assert batch_folders.run(other) == 0
    assert len(_begun(order)) == 2


def test_an_output_that_was_changed_is_replaced_only_with_force(order, capsys):
    _pictures(order, "a.png")
    batch_folders.run(order)
    (order.out / "a.egic").write_text("changed")
    assert batch_folders.run(order) == batch.EXIT_EXISTS
    assert "is not what the journal says of it" in capsys.readouterr().err


def test_outputs_of_another_folder_are_replaced_only_with_force(order, capsys):
    _pictures(order, "a.png")
    batch_folders.run(order)
    other = _with(order, root=order.root.parent / "other")
    _pictures(other, "a.png")
    assert batch_folders.run(other) == batch.EXIT_EXISTS
    assert f"exists, made from {order.root}/a.png; --force" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_fails_its_files_alone(order, capsys):
    _pictures(order, "a/x.png", "b/y.png")
    order.out.mkdir()
    (order.out / "a").write_text("a file")
    assert batch_folders.run(order) == batch.EXIT_EXISTS
    assert _outputs(order).keys() == {"b/y.egic"}


def test_what_a_killed_run_left_is_finished_last_and_without_force(order):
    _pictures(order, "a.png", "b.png", "c.png")
    with journal.Journal(order.out) as opened:
        opened.begun("a.egic", str(order.root / "a.png"))
    (order.out / "a.egic").write_text("written, and then killed")
    (order.out / "b.egic.tmp-12-0123abcd").write_text("half")
    (order.out / "b.egic.tmp-mine").write_text("somebody's")
    assert batch_folders.run(order) == 0
    assert _begun(order) == ["a.egic", "b.egic", "c.egic", "a.egic"]
    assert not (order.out / "b.egic.tmp-12-0123abcd").exists()
    assert (order.out / "b.egic.tmp-mine").exists()
    assert bitstream.unpack((order.out / "a.egic").read_bytes()).width == 4


def test_a_shard_leaves_the_files_of_others_alone(order):
    _pictures(order, *(f"{i}.png" for i in range(12)))
    half = [f"{i}.egic.tmp-12-0123abcd" for i in range(12)]
    order.out.mkdir()
    for name in half:
        (order.out / name).touch()
    first, second = folders.Shard(1, 2), folders.Shard(2, 2)
    assert batch_folders.run(_with(order, shard=first)) == 0
    done = _outputs(order)
    assert 0 < len(done) < 12
    left = {name for name in half if (order.out / name).exists()}
    assert left == {name for name in half if name.split(".")[0] in second}
    assert batch_folders.run(_with(order, shard=second)) == 0
    assert len(_outputs(order)) == 12
    assert done.items() <= _outputs(order).items()
    assert batch_folders.run(order) == 0  # Without shards, all is known to be done.
    assert len(_begun(order)) == 12


def test_a_file_whose_processes_die_is_named_and_the_others_are_done(order, capsys):
    _pictures(order, "a.png", "b.png", "c.png")
    deadly = _with(order, make=functools.partial(working, {"b.png": die}), processes=2)
    assert batch_folders.run(deadly) == batch.EXIT_SYSTEM
    assert _outputs(order).keys() == {"a.egic", "c.egic"}
    error = capsys.readouterr().err
    assert "b.png: its process ended by SIGKILL: was memory short?, twice" in error
    assert batch_folders.run(order) == 0


def test_processes_that_die_at_everything_end_the_run(order, monkeypatch):
    _pictures(order, *(f"{i}.png" for i in range(5)))
    monkeypatch.setattr(batch_folders, "_DEATHS_IN_A_ROW", 2)
    trouble = {f"{i}.png": die for i in range(5)}
    deadly = _with(order, make=functools.partial(working, trouble))
    with pytest.raises(OSError, match="processes died at 2 files in a row"):
        batch_folders.run(deadly)
    assert len(_begun(order)) < 5


@pytest.mark.parametrize(
    "trouble, error",
    [(fill_disk, "No space left.*same command goes on.*b.egic"), (load_no_model, "m")],
)
def test_what_would_meet_every_file_ends_the_run_in_a_good_state(order, trouble, error):
    _pictures(order, "a.png", "b.png", "c.png", "d.png")
    make = functools.partial(working, {"b.png": trouble})
    with pytest.raises((OSError, ModelLoadError), match=error):
        batch_folders.run(_with(order, make=make))
    assert _outputs(order).keys() == {"a.egic"}
    assert batch_folders.run(order) == 0
    assert len(_outputs(order)) == 4


def test_a_run_that_is_told_to_stop_finishes_what_it_began(order, capfd):
    _pictures(order, *(f"{i}.png" for i in range(9)))
    make = functools.partial(working, {"2.png": tell_to_stop})
    two = _with(order, make=make, processes=2)
    assert batch_folders.run(two) == batch.EXIT_STOPPED
    done = _outputs(order)
    assert "2.egic" in done and len(done) < 9
    assert sorted(_begun(order)) == sorted(done)
    error = capfd.readouterr().err
    assert "stopping after the files in work" in error
    assert "stopped; the same command goes on" in error
    assert batch_folders.run(order) == 0
    assert sorted(_begun(order)) == sorted(_outputs(order)) and len(_begun(order)) == 9


def test_too_little_memory_for_all_processes_is_said_before_it_begins(
    order, capsys, monkeypatch
):
    _pictures(order, "a.png", "b.png", "c.png")
    (order.root / "d.png").write_text("no picture")
    monkeypatch.setattr(memory, "available", lambda: 2 * memory.needed(2, 4) + 1)
    assert batch_folders.run(_with(order, processes=3)) == 18
    error = capsys.readouterr().err.splitlines()[0]
    assert "3 processes may take 2.7 GB" in error and "--processes=2 is safe" in error
    for name in ("a.egic", "b.egic"):
        (order.out / name).unlink()
    monkeypatch.setattr(memory, "available", lambda: memory.needed(2, 4) - 1)
    assert batch_folders.run(_with(order, processes=2)) == 18
    assert "even --processes=1 may not do" in capsys.readouterr().err
    assert batch_folders.run(_with(order, processes=2)) == 18
    assert "processes may take" not in capsys.readouterr().err


def test_a_folder_without_pictures_is_wrong_usage(order):
    order.root.mkdir()
    (order.root / "a.txt").touch()
    with pytest.raises(batch.UsageError, match="holds no file that ends in .png"):
        batch_folders.run(order)
    assert not order.out.exists()
    assert batch_folders.run(_with(order, shard=folders.Shard(1, 2))) == 0


def test_damaged_lines_of_the_journal_are_told_and_done_again(order, capsys):
    _pictures(order, "a.png", "b.png")
    batch_folders.run(order)
    path = order.out / "journal.jsonl"
    path.write_bytes(b"garbage\n" + path.read_bytes()[:-3])
    assert batch_folders.run(order) == 0
    assert "2 damaged lines of the journal" in capsys.readouterr().err
    path.write_bytes(path.read_bytes().removeprefix(b"garbage\n"))
    assert _begun(order) == ["a.egic", "b.egic", "b.egic"]


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


@pytest.fixture
def command(order, monkeypatch):
    """Starts `egic` with a stand-in for models."""
    model = order.root.parent / "model"
    egic_script.write_model(model)
    monkeypatch.setenv("EGIC_MODEL", str(model))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def start(*words):
        line = [sys.executable, egic_script.__file__, *map(str, words)]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return start


def _end(process):
    said, complained = process.communicate(timeout=60)
    return process.returncode, said.decode(), complained.decode()


def test_two_shards_at_once_and_back_to_pictures(order, command):
    odd = os.fsdecode(b"new\nline \xff.png")
    _pictures(order, odd, *(f"{i % 2}/{i}.png" for i in range(9)))
    shards = [
        command("compress", order.root, f"--out_dir={order.out}", f"--shard={i}/2")
        for i in (1, 2)
    ]
    for shard in shards:
        assert _end(shard)[::2] == (0, "")
    assert len(_outputs(order)) == len(_begun(order)) == 10
    back = order.root.parent / "back"
    flags = (f"--out_dir={back}", "--processes=2", "--alpha=0,1")
    code, said, complained = _end(command("decompress", order.out, *flags))
    assert (code, complained) == (0, "")
    assert "10/10 " in said and "10 done in" in said
    for path in order.root.rglob("*.png"):
        name = path.relative_to(order.root)
        shown = images.read_image(back / name.parent / f"{name.stem}.alpha-1.png")
        assert (shown == images.read_image(path)).all()
    assert "; 10 finished before" in _end(command("decompress", order.out, *flags))[1]
    (back / "0" / "0.alpha-1.png").unlink()
    assert _end(command("decompress", order.out, *flags))[0] == 0
    assert (back / "0" / "0.alpha-1.png").exists()


def test_outputs_may_be_beside_their_pictures(order, command):
    _pictures(order, "a.png", "x/b.png")
    assert _end(command("compress", order.root))[0] == 0
    assert (order.root / "x" / "b.egic").exists()
    code, _, complained = _end(command("decompress", order.root))
    assert code == batch.EXIT_EXISTS and "a.png: exists" in complained
