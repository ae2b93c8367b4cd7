import contextlib
import os
import pathlib
import random
import resource
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from hific.averages import Average
from hific.checkpoints import Checkpoints, NotSaved, load_weights, valid_checkpoints


class Weight(tf.Module):
    def __init__(self, value=0.0):
        super().__init__()
        self.w = tf.Variable([value, value])


def save(workdir, *steps, **parts):
    step, model = tf.Variable(0, dtype=tf.int64), Weight()
    checkpoints = Checkpoints(workdir, step=step, model=model, **parts)
    for number in steps:
        step.assign(number)
        model.w.assign([number, -number])
        checkpoints.save(number)
    return checkpoints


def restore(workdir):
    step, model = tf.Variable(0, dtype=tf.int64), Weight()
    reached = Checkpoints(workdir, step=step, model=model).restore()
    assert reached == int(step)
    return reached, model.w.numpy().tolist()


def files(workdir, number):
    return sorted((workdir / "checkpoints").glob(f"ckpt-{number}.*"))


def test_nothing_is_restored_from_an_empty_directory(tmp_path):
    assert restore(tmp_path) == (0, [0.0, 0.0])


def test_the_newest_is_restored_and_three_are_kept(tmp_path):
    save(tmp_path, 8, 9, 10, 11)
    assert restore(tmp_path) == (11, [11.0, -11.0])
    assert not files(tmp_path, 8)
    assert [len(files(tmp_path, n)) for n in (9, 10, 11)] == [3, 3, 3]


@pytest.mark.parametrize("suffix", ["data-00000-of-00001", "index", "ok"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damage_of_any_file_falls_back_and_is_reported(
    tmp_path, suffix, damage, caplog
):
    save(tmp_path, 1, 2)
    (path,) = (p for p in files(tmp_path, 2) if p.name.endswith(suffix))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "flip":
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[:-3])
    else:
        path.unlink()
    assert restore(tmp_path) == (1, [1.0, -1.0])
    assert "ckpt-2" in caplog.text


def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_over(tmp_path):
    save(tmp_path, 1, 2)
    for path in (tmp_path / "checkpoints").glob("*.index"):
        path.unlink()
    with pytest.raises(ValueError, match="None of the checkpoints .* ckpt-1, ckpt-2;"):
        restore(tmp_path)


def test_a_run_killed_while_it_first_saved_starts_over(tmp_path):
    save(tmp_path, 1)
    (tmp_path / "checkpoints" / "ckpt-1.ok").unlink()
    assert restore(tmp_path)[0] == 0


def test_other_variables_than_the_saved_are_an_error_not_a_fallback(tmp_path):
    save(tmp_path, 1, extra=tf.Variable(1.0))
    with pytest.raises(ValueError, match="other variables than this run"):
        restore(tmp_path)


def test_loaded_weights_are_the_averages_where_there_are_any(tmp_path):
    model, step = Weight(1.0), tf.Variable(7, dtype=tf.int64)
    average = Average(model, decay=0.5)
    model.w.assign([3.0, 5.0])
    average.update(tf.constant(1000, tf.int64))
    Checkpoints(tmp_path, step=step, model=model, average=average).save(7)
    fresh = Weight()
    assert load_weights(tmp_path, fresh) == 7
    np.testing.assert_allclose(fresh.w, [2.0, 3.0])
    load_weights(tmp_path, fresh, averaged=False)
    np.testing.assert_allclose(fresh.w, [3.0, 5.0])


def test_loaded_weights_are_the_raw_ones_where_no_average_was_kept(tmp_path):
    save(tmp_path, 4)
    model = Weight()
    assert load_weights(tmp_path, model) == 4
    assert model.w.numpy().tolist() == [4.0, -4.0]


def test_loading_from_an_untrained_run_says_so(tmp_path):
    assert list(valid_checkpoints(tmp_path)) == []
    with pytest.raises(ValueError, match="no valid checkpoint"):
        load_weights(tmp_path, Weight())


def test_the_average_forgets_the_start_quickly():
    model = Weight(0.0)
    average = Average(model, decay=0.999)
    model.w.assign([1.0, 1.0])
    average.update(tf.constant(0, tf.int64))  # d = 1/10
    np.testing.assert_allclose(average.shadows["w"], 0.9, rtol=1e-6)
    average.update(tf.constant(90, tf.int64))  # d = 91/100
    np.testing.assert_allclose(average.shadows["w"], 1 - 0.1 * 0.91, rtol=1e-6)


@pytest.mark.parametrize("suffix", ["data-00000-of-00001", "index", "ok"])
@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_eighty_damages_of_the_newest_each_fall_back_to_the_one_before(
    tmp_path, suffix, damage, caplog
):
    save(tmp_path, 1, 2)
    (path,) = (p for p in files(tmp_path, 2) if p.name.endswith(suffix))
    data, rng = path.read_bytes(), random.Random(f"{suffix} {damage}")
    step, model = tf.Variable(0, dtype=tf.int64), Weight()
    checkpoints = Checkpoints(tmp_path, step=step, model=model)
    for _ in range(80):
        broken = bytearray(data)
        place = rng.randrange(len(data))
        if damage == "flip":
            broken[place] ^= 1 << rng.randrange(8)
        else:
            del broken[place:]
        path.write_bytes(broken)
        caplog.clear()
        model.w.assign([0.0, 0.0])
        assert checkpoints.restore() == 1
        assert model.w.numpy().tolist() == [1.0, -1.0]
        assert "Skipping checkpoint" in caplog.text and "ckpt-2" in caplog.text
    path.write_bytes(data)
    assert checkpoints.restore() == 2


def test_what_a_marker_vouches_for_is_on_the_disk_before_it(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        name = pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        done.append(("fsync", name.partition(".tmp-")[0]))
        fsync(descriptor)

    def note_replace(source, target):
        done.append(("replace", pathlib.Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    save(tmp_path, 7)
    assert done == [
        ("fsync", "ckpt-7.data-00000-of-00001"),
        ("fsync", "ckpt-7.index"),
        ("fsync", "checkpoints"),  # The folder, for their names.
        ("fsync", "ckpt-7.ok"),
        ("replace", "ckpt-7.ok"),
        ("fsync", "checkpoints"),
    ]


# --- A system that refuses ------------------------------------------------------------


class Heavy(Weight):
    """40 kB that no file system compresses."""

    def __init__(self):
        super().__init__()
        self.more = tf.Variable(tf.random.stateless_normal((10_000,), (0, 1)))


def heavy(workdir):
    step, model = tf.Variable(0, dtype=tf.int64), Heavy()
    return Checkpoints(workdir, step=step, model=model, max_to_keep=9)


def assert_the_last_good_one_is_left(workdir, number):
    assert [p.name for p in valid_checkpoints(workdir)][:1] == [f"ckpt-{number}"]
    folder = workdir / "checkpoints"
    left = {path.name for path in folder.iterdir() if "temp" in path.name}
    assert not left
    assert not files(workdir, number + 1)


@contextlib.contextmanager
def mounted(folder, *options):
    """A file system of its own in a folder, where the system permits that."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("mounting needs root")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("the system does not permit to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_run_with_one_line_and_keeps_the_last(tmp_path):
    with mounted(tmp_path / "small", "-o", "size=300k") as folder:
        checkpoints = heavy(folder)
        with pytest.raises(NotSaved) as error:
            for number in range(1, 9):
                checkpoints.save(number)
        (line,) = str(error.value).splitlines()
        assert f"Checkpoint {number} cannot be written" in line
        assert "No space left on device" in line
        assert f"newest that can be used is of step {number - 1}." in line
        assert_the_last_good_one_is_left(folder, number - 1)
        for path in files(folder, 1):
            path.unlink()
        assert checkpoints.save(number) == number  # There is room again.
        assert [p.name for p in valid_checkpoints(folder)][0] == f"ckpt-{number}"


def test_a_directory_that_became_read_only_keeps_the_last(tmp_path):
    with mounted(tmp_path / "folder") as folder:
        checkpoints = heavy(folder)
        checkpoints.save(1)
        command = ["mount", "-o", "remount,ro", str(folder)]
        subprocess.run(command, check=True)
        with pytest.raises(NotSaved, match="Read-only file system.*is of step 1"):
            checkpoints.save(2)
        assert [p.name for p in valid_checkpoints(folder)] == ["ckpt-1"]


def test_a_limit_on_the_size_of_files_keeps_the_last(tmp_path):
    checkpoints = heavy(tmp_path)
    checkpoints.save(1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(NotSaved, match="File too large.*is of step 1"):
            checkpoints.save(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_the_last_good_one_is_left(tmp_path, 1)


@pytest.mark.parametrize("refusing", ["sync", "write_atomically"])
def test_a_disk_that_fills_up_after_the_weights_keeps_the_last(
    tmp_path, monkeypatch, refusing
):
    checkpoints = heavy(tmp_path)
    checkpoints.save(1)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"hific.checkpoints.{refusing}", refuse)
    with pytest.raises(NotSaved, match="No space left on device"):
        checkpoints.save(2)
    assert_the_last_good_one_is_left(tmp_path, 1)


# --- What a killed process leaves -----------------------------------------------------


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path):
    checkpoints = save(tmp_path, 1, 2)
    folder = tmp_path / "checkpoints"
    good = {path.name for path in folder.iterdir()}
    (folder / "ckpt-3.index").write_bytes(b"half")
    (folder / "ckpt-3.data-00000-of-00001").write_bytes(b"half")
    (folder / "ckpt-4_temp" / "part").mkdir(parents=True)
    (folder / "checkpoint.tmp1234").write_bytes(b"half")
    (folder / "ckpt-3.ok.tmp-77-0123abcd").write_bytes(b"half")
    (tmp_path / "metrics.jsonl.tmp-77-0123abcd").write_bytes(b"half")
    (tmp_path / "metrics.jsonl").write_bytes(b"whole")
    checkpoints.tidy()
    assert {path.name for path in folder.iterdir()} == good
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoints",
        "metrics.jsonl",
    }


def test_where_nothing_is_valid_no_checkpoint_is_removed(tmp_path):
    checkpoints = save(tmp_path, 1)
    (tmp_path / "checkpoints" / "ckpt-1.ok").unlink()
    checkpoints.tidy()
    assert len(files(tmp_path, 1)) == 2
