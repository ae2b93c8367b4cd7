"""Workers that compare their steps, with stand-ins for their sum."""

import pytest
import tensorflow as tf

from hific.devices import Devices


def add_up(self, value):
    """As a ring of many does, one after the other in float32."""
    total = tf.zeros(value.shape)
    for _ in range(self.workers):
        total += tf.cast(value, tf.float32)
    return total


@pytest.mark.parametrize("step", [0, 4095, 4096, 1_999_999])
def test_many_workers_at_one_step_agree(monkeypatch, step):
    monkeypatch.setattr(Devices, "total", add_up)
    Devices(workers=24).meet(step, "step")


def test_a_worker_at_another_step_is_told_of(monkeypatch):
    another = [24.0, 0.0]
    monkeypatch.setattr(Devices, "total", lambda *args: add_up(*args) + another)
    with pytest.raises(ValueError, match="at step 1999999, the mean.* is 2000000"):
        Devices(workers=24).meet(1_999_999, "step")
