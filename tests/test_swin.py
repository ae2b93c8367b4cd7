import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from egic import swin, transforms, windows
from egic.config import PRESETS
from egic.initialisers import Initialiser
from egic.kernels import KERNELS
from egic.swin import Stage, StageShape

PLAIN = KERNELS["plain"]
TINY = PRESETS["egic-tiny"]


def stage(depth=2, window=4, granularity=1, dim=32):
    init = Initialiser(0)
    made = Stage(StageShape(dim, depth, window, granularity), init, PLAIN)
    for block in made.blocks:  # The start is zero, which would test nothing.
        block.position_bias.assign(init.normal(0.5, block.position_bias.shape))
    return made


def grid(height, width, dim=32, batch=1):
    return tf.random.stateless_normal((batch, height, width, dim), (height, width))


def test_tokens_of_a_window_lie_together_in_raster_order():
    cut = windows.windows(4, 4, None, 2, 0, tf.float32)
    assert cut.order.numpy().tolist() == [
        *(0, 1, 4, 5),
        *(2, 3, 6, 7),
        *(8, 9, 12, 13),
        *(10, 11, 14, 15),
    ]
    assert cut.mask is None
    np.testing.assert_array_equal(cut.order.numpy()[cut.inverse.numpy()], range(16))


def test_only_the_windows_at_the_wrap_around_are_masked():
    cut = windows.windows(8, 8, None, 4, 2, tf.float32)
    mask = cut.mask.whole().numpy()[:, 0]
    assert mask.shape == (4, 16, 16)
    assert (mask[0] == 0).all()
    # In the window that wraps below, the upper two rows do not see the lower two.
    below = mask[2].reshape(4, 4, 4, 4)
    assert (below[:2, :, :2] == 0).all() and (below[2:, :, 2:] == 0).all()
    assert (below[:2, :, 2:] <= -100).all() and (below[2:, :, :2] <= -100).all()


def test_relative_positions_index_the_bias_table():
    index = swin.relative_position_index(2)
    # Tokens (0,0) (0,1) (1,0) (1,1); (row difference + 1) * 3 + column difference + 1.
    assert index.tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]


def reference_attention(block, x, shift):
    """Swin attention of one block written with rolls and loops over windows."""
    w, heads = block._window, block._heads
    height, width, dim = x.shape
    x = np.roll(x, (-shift, -shift), (0, 1))
    row_region = np.searchsorted([height - w, height - w // 2], range(height), "right")
    col_region = np.searchsorted([width - w, width - w // 2], range(width), "right")
    region = row_region[:, np.newaxis] * 3 + col_region
    kernel, bias = (value.numpy() for value in block.qkv(tf.float32))
    table = block.position_bias.numpy()[swin.relative_position_index(w)]
    output = np.zeros_like(x)
    for top in range(0, height, w):
        for left in range(0, width, w):
            at = np.s_[top : top + w, left : left + w]
            qkv = (x[at].reshape(-1, dim) @ kernel + bias).reshape(-1, 3, heads, 32)
            same = region[at].reshape(-1, 1) == region[at].reshape(1, -1)
            for head in range(heads):
                q, k, v = (qkv[:, i, head] for i in range(3))
                logits = q @ k.T / np.sqrt(32) + table[:, :, head]
                if shift:
                    logits = np.where(same, logits, -np.inf)
                weights = np.exp(logits - logits.max(1, keepdims=True))
                weights /= weights.sum(1, keepdims=True)
                output[at][..., 32 * head : 32 * head + 32] = (weights @ v).reshape(
                    w, w, 32
                )
    return np.roll(output, (shift, shift), (0, 1))


@pytest.mark.parametrize("shift", [0, 2])
def test_attention_is_that_of_rolled_windows(shift):
    block = stage(dim=64).blocks[0]
    x = grid(8, 12, 64).numpy()[0]
    cut = windows.windows(8, 12, None, 4, shift, tf.float32)
    ordered = tf.gather(x.reshape(-1, 64), cut.order)
    attended = tf.gather(
        block._attend(ordered, cut.mask and cut.mask.whole()), cut.inverse
    ).numpy()
    expected = reference_attention(block, x, shift)
    np.testing.assert_allclose(
        attended.reshape(8, 12, 64), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_padding_that_windows_do_not_need_changes_nothing(depth):
    """The same weights, told that any size may come, mask what they pad: nothing."""
    x = grid(8, 8)
    np.testing.assert_allclose(
        stage(depth, granularity=1)(x), stage(depth, granularity=4)(x), atol=1e-6
    )


@pytest.mark.parametrize("height, width", [(1, 1), (3, 5), (4, 7), (9, 2)])
def test_what_is_padded_is_never_seen(height, width):
    """Attention over a padded window is attention over its real tokens alone."""
    one = stage(depth=1)
    x = grid(height, width)
    whole = one(x)
    corner = one(x[:, : min(4, height), : min(4, width)])
    np.testing.assert_allclose(
        whole[:, : min(4, height), : min(4, width)], corner, atol=1e-6
    )


def test_a_batch_is_its_pictures_one_by_one():
    made, x = stage(3, granularity=1), grid(6, 10, batch=3)
    together = made(x)
    for i in range(3):
        np.testing.assert_allclose(together[i], made(x[i : i + 1])[0], atol=1e-5)


def test_reordering_sends_gradients_back_where_they_came_from():
    x = tf.random.stateless_normal((2, 4, 3), (0, 0))
    index = tf.constant([2, 0, 3, 1])
    weights = tf.random.stateless_normal((2, 4, 3), (0, 1))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours = swin._permute(x, index, tf.math.invert_permutation(index)) * weights
        derived = tf.gather(x, index, axis=1) * weights
    np.testing.assert_array_equal(tape.gradient(ours, x), tape.gradient(derived, x))


def test_merging_takes_the_four_tokens_in_the_released_order():
    merge = swin.PatchMerging(1, 1, Initialiser(), PLAIN)
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]], shape=(1, 2, 2, 1))
    normal = merge.normalised(x).numpy()[0]
    assert np.argsort(normal).tolist() == [0, 2, 1, 3]  # 1, 3, 2, 4


def test_widths_must_hold_whole_heads():
    with pytest.raises(ValueError, match="multiple of 32, got 40"):
        StageShape(40, 1, 8, 8)


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (192, 320)])
def test_transforms_take_every_multiple_of_64_with_one_trace(size):
    init = Initialiser()
    analysis = transforms.Analysis(TINY.transform, init, PLAIN, tf.float32)
    traces = []

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec((None, None, None, 3))]
    )
    def traced(image):
        traces.append(1)
        return analysis(image)

    for height, width in ((64, 64), size):
        y = traced(tf.zeros((1, height, width, 3)))
        assert y.shape == (1, height // 16, width // 16, 128)
    assert len(traces) == 1


def test_plain_transforms_freeze_to_public_operations():
    init = Initialiser()
    synthesis = transforms.Synthesis(TINY.transform, init, PLAIN, tf.float32)
    function = tf.function(synthesis, autograph=False)
    frozen = convert_variables_to_constants_v2(
        function.get_concrete_function(tf.TensorSpec((1, None, None, 128)))
    )
    kinds = {node.op for node in frozen.graph.as_graph_def().node}
    assert not [kind for kind in kinds if kind.startswith("_") or "Variable" in kind]
    y = tf.random.stateless_normal((1, 4, 8, 128), (3, 3))
    np.testing.assert_allclose(frozen(y)[0], synthesis(y), rtol=1e-4, atol=1e-3)


def test_bfloat16_computes_about_the_same():
    outputs = [
        transforms.Synthesis(TINY.transform, Initialiser(), PLAIN, dtype)(
            tf.random.stateless_normal((1, 4, 4, 128), (3, 3))
        )
        for dtype in (tf.float32, tf.bfloat16)
    ]
    assert outputs[1].dtype == tf.float32
    difference = np.abs(outputs[0] - outputs[1]).mean()
    assert 0 < difference < 0.03 * np.abs(outputs[0]).mean()
