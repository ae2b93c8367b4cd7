import math

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import losses

# 2x3 pixels, 3 classes. Cross-entropies, by hand: ln 3, ln(1 + 2 / e^2), ln(2 + e^3);
# ln(2 + 1 / e), ln(1 + 2 / e^5), 4 + ln(1 + 2 / e^4).
LOGITS = tf.constant(
    [[[[0, 0, 0], [2, 0, 0], [0, 3, 0]], [[1, 1, 0], [0, 0, 5], [4, 0, 0]]]], tf.float32
)
LABELS = tf.constant([[[0, 0, 2], [1, 2, 1]]])
WEIGHTS = tf.constant([[[1.0, 1, 3], [1, 1, 1]]])
NOTHING_IGNORED = 255


def flat_losses(values):
    """Returns logits, labels and weights of one row whose pixel losses are these.

    Two equal logits lose ln 2; the weight makes that any value.
    """
    weights = tf.constant([[values]], tf.float32) / math.log(2)
    return (
        tf.zeros((1, 1, len(values), 2)),
        tf.zeros((1, 1, len(values)), tf.int32),
        weights,
    )


@pytest.mark.parametrize(
    "ignore_label, top_k, expected",
    [
        (255, 1.0, 2.5890472),
        (255, 0.5, 4.8064523),
        (255, 0.34, 6.6603727),
        (255, 0.2, 9.2847691),
        (255, 0.0, 0.0),
        (0, 1.0, 3.5490315),
        (0, 0.5, 4.7275801),
        (0, 0.34, 6.6603727),
        (0, 0.2, 9.2847691),
        (0, 0.0, 0.0),
    ],
)
def test_the_worked_example(ignore_label, top_k, expected):
    loss = losses.top_k_cross_entropy(
        LOGITS, LABELS, WEIGHTS, ignore_label=ignore_label, top_k=top_k
    )
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_the_denominator_counts_neither_void_pixels_nor_weights():
    loss = losses.top_k_cross_entropy(LOGITS, LABELS, WEIGHTS, ignore_label=0)
    by_hand = (9.284769 + 0.861995 + 0.013386 + 4.035976) / 4
    np.testing.assert_allclose(loss, [by_hand], rtol=1e-6)


@pytest.mark.parametrize(
    "values, top_k, expected",
    [
        ([5, 1, 0, 3, 2], 1.0, 2.75),
        ([5, 1, 0, 3, 2], 0.6, 10 / 3),
        ([5, 1, 0, 3, 2], 0.4, 4.0),
        ([5, 1, 0, 3, 2], 0.2, 5.0),
        ([0, 0, 0, 0, 1], 1.0, 1.0),
        ([0, 0, 0, 0, 1], 0.2, 1.0),
        # How many are kept is rounded half to even: 2, 2, 0, 2 and 1 pixels.
        ([9, 8, 7, 6, 5, 4, 3, 2, 1, 1], 0.25, 8.5),
        ([9, 8, 7, 6, 5, 4, 3, 2, 1, 1], 0.15, 8.5),
        ([9, 8], 0.25, 0.0),
        ([9, 8, 7, 6, 5, 4], 0.25, 8.5),
        ([9, 8, 7, 6, 5, 4, 3], 0.2, 9.0),
    ],
)
def test_the_largest_losses_are_kept_and_zeros_do_not_count(values, top_k, expected):
    loss = losses.top_k_cross_entropy(
        *flat_losses(values), ignore_label=NOTHING_IGNORED, top_k=top_k
    )
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_all_pixels_divides_by_void_and_by_exactly_right_ones_too():
    reduction = {"ignore_label": NOTHING_IGNORED, "reduction": "all_pixels"}
    arguments = flat_losses([5, 1, 0, 3, 2])
    loss = losses.top_k_cross_entropy(*arguments, **reduction)
    np.testing.assert_allclose(loss, [11 / 5], rtol=1e-6)
    loss = losses.top_k_cross_entropy(*flat_losses([0, 0, 0, 0, 1]), **reduction)
    np.testing.assert_allclose(loss, [1 / 5], rtol=1e-6)
    loss = losses.top_k_cross_entropy(*arguments, **reduction, top_k=0.4)
    np.testing.assert_allclose(loss, [4.0], rtol=1e-6)


@pytest.mark.parametrize("reduction", losses.REDUCTIONS)
@pytest.mark.parametrize("top_k", [1.0, 0.5])
def test_an_image_of_void_scores_zero_and_moves_nothing(reduction, top_k):
    logits = tf.concat([LOGITS, LOGITS], 0)
    labels = tf.concat([tf.fill((1, 2, 3), 255), LABELS], 0)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.top_k_cross_entropy(
            logits,
            labels,
            tf.ones((2, 2, 3)),
            ignore_label=255,
            top_k=top_k,
            reduction=reduction,
        )
    assert loss[0].numpy() == 0.0 and loss[1].numpy() > 0.0
    gradient = tape.gradient(loss, logits).numpy()
    assert not gradient[0].any() and gradient[1].any() and np.isfinite(gradient).all()


def test_a_pixel_that_is_exactly_right_is_left_out():
    logits = tf.constant([[[[200.0, 0, 0], [0, 0, 0]]]])
    labels, weights = tf.zeros((1, 1, 2), tf.int32), tf.ones((1, 1, 2))
    loss = losses.top_k_cross_entropy(logits, labels, weights, ignore_label=255)
    np.testing.assert_allclose(loss, [math.log(3)], rtol=1e-6)


def test_labels_that_are_no_class_are_left_out():
    labels = tf.constant([[[3, 254, -1], [-7, 2**30, 3]]])
    loss = losses.top_k_cross_entropy(LOGITS, labels, WEIGHTS, ignore_label=255)
    assert loss.numpy() == [0.0]
    one = tf.tensor_scatter_nd_update(labels, [[0, 0, 0]], [0])
    loss = losses.top_k_cross_entropy(LOGITS, one, WEIGHTS, ignore_label=255)
    np.testing.assert_allclose(loss, [math.log(3)], rtol=1e-6)


@pytest.mark.parametrize("top_k", [1.0, 0.2])
def test_agrees_with_the_one_hot_form(top_k):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 5, 7, 9)).astype(np.float32)
    labels = rng.integers(0, 12, (2, 5, 7))  # Some are no class.
    weights = rng.choice([1.0, 3.0], (2, 5, 7))
    log_p = logits - np.log(np.exp(logits.astype(np.float64)).sum(-1, keepdims=True))
    one_hot = (labels[..., None] == np.arange(9)) & (labels != 4)[..., None]
    pixels = np.sort((-(one_hot * log_p).sum(-1) * weights).reshape(2, -1))
    kept = pixels[:, -round(top_k * 35) :]
    loss = losses.top_k_cross_entropy(
        tf.constant(logits),
        tf.constant(labels, tf.int32),
        tf.constant(weights, tf.float32),
        ignore_label=4,
        top_k=top_k,
    )
    np.testing.assert_allclose(loss, kept.sum(1) / (kept != 0).sum(1), rtol=1e-5)


def test_everything_is_kept_without_sorting():
    def operations(top_k):
        traced = tf.function(losses.top_k_cross_entropy).get_concrete_function(
            tf.TensorSpec((None, None, None, 3)),
            tf.TensorSpec((None, None, None), tf.int32),
            tf.TensorSpec((None, None, None)),
            ignore_label=0,
            top_k=top_k,
        )
        return {operation.type for operation in traced.graph.get_operations()}

    assert "TopKV2" in operations(0.2)
    assert not operations(1.0) & {"TopKV2", "OneHot"}


def test_the_same_within_a_graph_of_unknown_sizes():
    traced = tf.function(losses.top_k_cross_entropy).get_concrete_function(
        tf.TensorSpec((None, None, None, 3)),
        tf.TensorSpec((None, None, None), tf.int32),
        tf.TensorSpec((None, None, None)),
        ignore_label=0,
        top_k=0.5,
    )
    np.testing.assert_allclose(traced(LOGITS, LABELS, WEIGHTS), [4.7275801], rtol=1e-6)


def test_logits_that_know_nothing_score_ln_c():
    loss = losses.top_k_cross_entropy(
        tf.zeros((1, 2, 2, 135)),
        tf.ones((1, 2, 2), tf.int32),
        tf.ones((1, 2, 2)),
        ignore_label=0,
    )
    np.testing.assert_allclose(loss, [4.905], atol=5e-4)


def test_half_precision_logits_are_summed_in_float32():
    loss = losses.top_k_cross_entropy(
        tf.cast(LOGITS, tf.bfloat16), LABELS, WEIGHTS, ignore_label=255
    )
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, [2.5890472], rtol=1e-6)


def test_the_mean_counts_images_alike():
    assert losses.mean_over_images(tf.constant([1.0, 0.0, 5.0])).numpy() == 2.0


def test_a_mean_of_nan_reads_zero_but_its_gradient_does_not():
    per_image = tf.constant([1.0, float("nan")])
    with tf.GradientTape() as tape:
        tape.watch(per_image)
        mean = losses.mean_over_images(per_image * per_image)
    assert mean.numpy() == 0.0
    assert np.isnan(tape.gradient(mean, per_image)[1])


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"share of the pixels in \[0, 1\], got 20"):
        losses.top_k_cross_entropy(LOGITS, LABELS, WEIGHTS, ignore_label=0, top_k=20)
    with pytest.raises(ValueError, match="No reduction 'sum'; there are nonzero, all_"):
        losses.top_k_cross_entropy(
            LOGITS, LABELS, WEIGHTS, ignore_label=0, reduction="sum"
        )
    with pytest.raises(ValueError, match=r"labels \(1, 3, 2\) and logits \(1, 2, 3, 3"):
        losses.top_k_cross_entropy(
            LOGITS, tf.zeros((1, 3, 2), tf.int32), WEIGHTS, ignore_label=0
        )


@pytest.mark.parametrize("k", ["1", "0.5", "0.34", "0.2", "0"])
@pytest.mark.parametrize("ignore_label", [0, 255])
def test_golden_worked_example(shared, k, ignore_label):
    golden = np.load(shared / "golden/deeplab2/topk_cross_entropy.npz")
    loss = losses.top_k_cross_entropy(
        *(tf.constant(golden[f"T1_{name}"]) for name in ("logits", "gt", "w")),
        ignore_label=ignore_label,
        top_k=float(k),
    )
    np.testing.assert_allclose(loss, golden[f"T1_ign{ignore_label}_k{k}"], rtol=1e-5)


def test_golden_loss_of_coco(shared):
    golden = np.load(shared / "golden/deeplab2/topk_cross_entropy.npz")
    logits = tf.constant(golden["T2_logits"].astype(np.float32))
    labels, weights = tf.constant(golden["T2_gt"]), tf.constant(golden["T2_w"])
    for k in ("1", "0.2"):
        loss = losses.top_k_cross_entropy(
            logits, labels, weights, ignore_label=0, top_k=float(k)
        )
        np.testing.assert_allclose(loss, golden[f"T2_k{k}"], rtol=1e-5)
    fake = losses.top_k_cross_entropy(
        logits, tf.fill(labels.shape, 134), tf.ones_like(weights), ignore_label=0
    )
    np.testing.assert_allclose(fake, golden["T2_fake_k1"], rtol=1e-5)


@pytest.fixture(scope="module")
def oasis(shared):
    """Returns the logits of OASIS with "fake" last, labels and expected values."""
    golden = np.load(shared / "golden/gan/oasis_losses.npz")
    real, fake = (
        tf.constant(golden[f"logits_{kind}"][..., [1, 2, 3, 4, 5, 0]])
        for kind in ("real", "fake")
    )
    return real, fake, tf.constant(golden["label"]), golden


@pytest.mark.parametrize("ignore_label, name", [(255, ""), (0, "_ignore0")])
def test_golden_losses_of_egic(oasis, ignore_label, name):
    real, fake, labels, golden = oasis

    def mean(logits, labels, weights):
        return losses.mean_over_images(
            losses.top_k_cross_entropy(
                logits, labels, weights, ignore_label=ignore_label
            )
        )

    weights = tf.constant(golden["instance_weight"])
    found = mean(real, labels, weights).numpy()
    assert found == pytest.approx(golden[f"EGIC_L_D_real{name}"], rel=1e-5)
    found = mean(fake, tf.fill(labels.shape, 5), tf.ones(labels.shape)).numpy()
    assert found == pytest.approx(golden[f"EGIC_L_D_fake{name}"], rel=1e-5)
    found = mean(fake, labels, weights).numpy()
    assert found == pytest.approx(golden[f"EGIC_L_G{name}"], rel=1e-5)


@pytest.mark.parametrize("name", ["", "_dontcare0"])
def test_golden_losses_of_oasis(oasis, name):
    real, fake, labels, golden = oasis
    weights = tf.constant(golden[f"weight_map{name}"])
    for logits, expected in ((real, "L_D_real"), (fake, "L_G_adv")):
        loss = losses.top_k_cross_entropy(
            logits, labels, weights, ignore_label=255, reduction="all_pixels"
        )
        found = losses.mean_over_images(loss).numpy()
        assert found == pytest.approx(golden[expected + name], rel=1e-5)
