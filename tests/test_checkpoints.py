import numpy as np
import pytest
import tensorflow as tf

from hific.averages import Average
from hific.checkpoints import Checkpoints, load_weights, valid_checkpoints


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
