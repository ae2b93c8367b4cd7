"""Blocks of a few windows at a time, against all at once."""

import numpy as np
import pytest
import tensorflow as tf

from egic import codec as builder
from egic.chunks import in_chunks
from egic.config import PRESETS
from egic.initialisers import Initialiser
from egic.kernels import KERNELS, fastest
from egic.swin import Stage, StageShape
from egic.windows import Mask


def test_each_call_sees_whole_windows_and_the_masks_that_belong_to_them():
    x = tf.reshape(tf.range(20.0), (20, 1))  # Two pictures of five windows of 2 tokens.
    columns = tf.reshape(tf.range(5.0) * 100, (5, 1, 1))
    mask = Mask(tf.zeros((1, 1, 1)), columns)
    sizes = []

    def block(part, here):
        sizes.append(part.shape[0])
        assert part.shape[0] == 2 * here.shape[0]
        return part + tf.reshape(tf.repeat(here, 2), (-1, 1))

    y = in_chunks(block, x, mask, area=2, tokens=6)
    assert sizes == [6, 6, 6, 2]
    expected = np.arange(20) + 100 * (np.arange(20) // 2 % 5)
    np.testing.assert_array_equal(y[:, 0], expected)


def test_masks_of_some_windows_are_those_of_all():
    rows = tf.reshape(tf.range(3.0), (3, 1, 1))
    columns = tf.reshape(10 * tf.range(4.0), (4, 1, 1))
    mask = Mask(rows, columns)
    assert mask.whole().shape == (12, 1, 1, 1)
    expected = [0, 10, 20, 30, 1, 11, 21, 31, 2, 12, 22, 32]
    assert mask.whole()[:, 0, 0, 0].numpy().tolist() == expected
    # The window after the last is the first of the next picture.
    assert mask.of(tf.range(5, 14))[:, 0, 0, 0].numpy().tolist() == [
        *expected[5:],
        *expected[:2],
    ]


def test_fewer_tokens_than_a_window_still_take_a_window():
    y = in_chunks(lambda part, _: 2 * part, tf.ones((8, 3)), None, area=4, tokens=1)
    np.testing.assert_array_equal(y, 2 * np.ones((8, 3)))


@pytest.mark.parametrize("kernels", sorted({"plain", fastest()}))
def test_a_stage_in_chunks_is_the_stage(kernels):
    """Shifted windows, masks at the edge, padding, two pictures; chunks of 3 of 12."""

    def output(tokens_at_once):
        functions = KERNELS[kernels]._replace(tokens_at_once=tokens_at_once)
        stage = Stage(StageShape(32, 2, 4, 1), Initialiser(0), functions)
        x = tf.random.stateless_normal((2, 9, 14, 32), (1, 2))
        return tf.function(stage, autograph=False)(x)

    np.testing.assert_allclose(output(48), output(None), atol=1e-5)


def test_codecs_chunk_and_training_does_not():
    config = PRESETS["egic-tiny"]
    coded = builder.SYSTEMS[type(config)].infer(config)
    trained = builder.build_model(config)

    def at_once(model):
        stages = (*model.analysis.stages, *model.synthesis.stages)
        return {stage._at_once for stage in stages}

    assert at_once(coded) == {2**14} and at_once(trained) == {None}
    assert coded.prior.hyper_analysis.fine._at_once is None
