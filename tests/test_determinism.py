"""What makes a step repeatable, and what would not be without it."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from hific import training
from hific.determinism import fix_order_of_sums
from hific.objectives import Terms

BIG = np.float32(1e8)  # 1e8 + 1 is 1e8 in float32, so that the order shows.


def summed(fixed):
    """1e8 - 1e8 + 1, while somebody else still holds the first two."""

    @tf.function(autograph=False)
    def sum_(*numbers):
        held = [number * 1.0 for number in numbers]
        total = tf.add_n(held)
        if fixed:
            fix_order_of_sums(tf.compat.v1.get_default_graph())
        with tf.control_dependencies([total]):
            return total, tf.identity(held[0]), tf.identity(held[1])

    # The optimizer would drop the multiplications.
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        total, *held = sum_(*(tf.constant([n]) for n in (BIG, -BIG, np.float32(1))))
    finally:
        before = options.get("disable_meta_optimizer", False)
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
    assert [float(number[0]) for number in held] == [BIG, -BIG]
    return float(total[0])


def test_a_sum_starts_with_its_first_number_whoever_holds_it():
    assert summed(fixed=True) == 1.0


def test_tensorflow_itself_starts_with_a_number_that_nobody_holds():
    # Should this fail, `AddN` has changed, and `hific.determinism` may be simpler.
    assert summed(fixed=False) == 0.0


def test_every_sum_of_a_training_step_has_its_order_fixed(monkeypatch):
    found = []
    monkeypatch.setattr(
        training,
        "fix_order_of_sums",
        lambda graph: (fix_order_of_sums(graph), found.append(graph)),
    )
    weight = tf.Variable([1.0, 2.0])
    player = training.Player(
        "p",
        lambda *_: Terms({"t": tf.reduce_sum(weight**2 + tf.exp(weight) + weight**3)}),
        [training.Group([weight], tf.keras.optimizers.SGD(0.1))],
    )
    training.make_train_step([player])(((),), tf.constant(0, tf.int64))
    sums = [op for op in found[0].get_operations() if op.type == "AddN"]
    assert sums
    assert all(list(op.get_attr("_forward_input")) == [-2, 0] for op in sums)


GRADIENTS = """
import hashlib
import tensorflow as tf
from egic.codec import build_model
from hific import determinism, systems, training
from tests.stage_runs import CODECS

determinism.enable()
training.set_seeds(0)
config = CODECS["egic"]
config.perceptual_weight, config.optimizer.horizon = 0.0, 10
model = build_model(config)
players = systems.stage1(model, config)
step = training.make_train_step(players)
batch = tf.random.stateless_uniform((2, 128, 128, 3), (0, 1), 0.0, 255.0)
for number in range(12):
    step((batch,), tf.constant(number, tf.int64))
values = b"".join(v.numpy().tobytes() for one in players for v in one.variables)
print(hashlib.sha256(values).hexdigest())
"""


@pytest.mark.slow
def test_processes_with_several_threads_train_the_same_weights():
    environment = {"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "4"}
    processes = [  # At once, so that they disturb each other.
        subprocess.Popen(
            [sys.executable, "-c", GRADIENTS],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    digests = {process.communicate()[0] for process in processes}
    assert not any(process.returncode for process in processes)
    assert len(digests) == 1
