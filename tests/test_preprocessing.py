import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import autoaugment, geometry, labels, preprocessing
from deeplab2_tf.config import DataConfig
from tests.fixed_draws import fixed_draws
from tests.in_tf_data import both_ways, eagerly, in_dataset
from tests.toy_panoptic import toy_map

COCO = labels.load("coco_panoptic")
CITYSCAPES = labels.load("cityscapes_panoptic")
POLICY = "simple_classification_policy_magnitude_scale_0.2"
NO_RESIZE = {"min_resize": 0, "max_resize": 0}
SMALL = DataConfig(min_resize=40, max_resize=40, crop=(32, 24), autoaugment=POLICY)


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    panoptic = rng.choice([0, 256, 257, 258, 117 * 256], (height, width))
    return image, panoptic.astype(np.int32)


def train(config, label_set=COCO):
    return lambda image, panoptic, seed: preprocessing.train_sample(
        image, panoptic, config, label_set, seed
    )


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


@both_ways
@pytest.mark.parametrize("size", [(60, 80), (80, 60), (9, 90)])
@pytest.mark.parametrize("label_set", [COCO, CITYSCAPES], ids=lambda one: one.name)
def test_samples_have_the_promised_shapes_types_and_values(run, size, label_set):
    image, panoptic = picture(*size)
    if label_set is CITYSCAPES:
        panoptic = panoptic // 256 % 19 * 1000 + panoptic % 256
    sample = run(train(SMALL, label_set), image, panoptic, np.array([1, 2]))
    dtypes = {"semantic": np.int32, "weights": np.float32, "crowd": np.bool_}
    dtypes |= {"panoptic": np.int32}
    assert sample["image"].shape == (32, 24, 3)
    assert sample["image"].dtype == np.float32
    assert sample["image"].min() >= 0 and sample["image"].max() <= 255
    assert sample.keys() == {"image", *dtypes}
    for key, dtype in dtypes.items():
        assert (sample[key].shape, sample[key].dtype) == ((32, 24), dtype), key
    assert np.isin(sample["weights"], [1, 3]).all()
    semantic = sample["semantic"]
    assert ((semantic < label_set.num_classes) | (semantic == 255)).all()
    # Padding is void and grey.
    void = label_set.ignore_label * label_set.label_divisor
    grey = (sample["image"] == 127.5).all(axis=-1)
    assert (sample["panoptic"][grey] == void).all()


def test_a_sample_is_a_function_of_its_seed_in_any_pipeline():
    image, panoptic = picture(60, 80)
    first, other = np.array([7, 8]), np.array([7, 9])
    sample = eagerly(train(SMALL), image, panoptic, first)
    assert_same(sample, in_dataset(train(SMALL), image, panoptic, first))
    changed = eagerly(train(SMALL), image, panoptic, other)
    assert (sample["image"] != changed["image"]).any()


def test_seeds_may_be_of_either_integer_type():
    image, panoptic = picture(60, 80)
    for dtype in (np.int32, np.int64):
        eagerly(train(SMALL), image, panoptic, np.array([7, 8], dtype))


def test_one_trace_serves_pictures_of_all_sizes_with_static_shapes():
    traces = []

    def sample(image, panoptic, seed):
        result = train(SMALL)(image, panoptic, seed)
        traces.append({key: value.shape.as_list() for key, value in result.items()})
        return result

    pictures = [(*picture(h, w), [0, h]) for h, w in ((50, 70), (90, 30), (33, 33))]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(pictures),
        output_signature=(
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((2,), tf.int32),
        ),
    )
    (batch,) = dataset.map(sample).batch(3)
    assert batch["image"].shape == (3, 32, 24, 3)
    flat = [32, 24]
    assert traces == [
        {key: [*flat, 3] if key == "image" else flat for key in batch},
    ]


def test_validation_shapes_are_static_but_for_the_original_size():
    config = DataConfig(eval_crop=(640, 640))

    def sample(image, panoptic):
        return preprocessing.eval_sample(image, panoptic, config, COCO)

    shapes = tf.function(sample).get_concrete_function(
        tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((None, None), tf.int32)
    )
    shapes = {k: v.as_list() for k, v in shapes.output_shapes.items()}
    assert shapes.pop("image") == [640, 640, 3]
    assert shapes.pop("size") == [2]
    assert shapes.pop("semantic_raw") == [None, None]
    assert len(shapes) == 4 and all(one == [640, 640] for one in shapes.values())


def test_a_policy_rounds_pixels_down_even_where_no_step_happens():
    image = np.full((6, 5, 3), 10.9, np.float32)
    config = DataConfig(**NO_RESIZE, crop=(6, 5), autoaugment=POLICY)
    never = autoaugment.Draws(row=tf.constant(0.0), steps=tf.constant([0.9, 0.9]))
    draws = fixed_draws()._replace(autoaugment=never)
    panoptic = np.zeros((6, 5), np.int32)
    sample = preprocessing.apply(image, panoptic, draws, config, COCO)
    assert (sample["image"].numpy() == 10).all()


@both_ways
def test_a_picture_that_needs_nothing_is_only_cut_and_mirrored(run):
    image, panoptic = picture(12, 10)
    config = DataConfig(**NO_RESIZE, crop=(6, 5))
    draws = fixed_draws(crop=(0.99, 0.5), flip=0.5)  # Offsets 6 of 7, 3 of 6.
    sample = run(
        lambda *one: preprocessing.apply(*one, draws, config, COCO), image, panoptic
    )
    np.testing.assert_array_equal(sample["image"], image[6:, 3:8][:, ::-1])
    np.testing.assert_array_equal(sample["panoptic"], panoptic[6:, 3:8][:, ::-1])
    np.testing.assert_array_equal(sample["semantic"], sample["panoptic"] // 256)
    np.testing.assert_array_equal(sample["crowd"], sample["panoptic"] == 256)


def test_mirroring_can_be_switched_off():
    image, panoptic = picture(6, 5)
    config = DataConfig(**NO_RESIZE, crop=(6, 5), flip=False)
    sample = preprocessing.apply(image, panoptic, fixed_draws(flip=0.0), config, COCO)
    np.testing.assert_array_equal(sample["image"], image)


def test_padding_is_grey_and_void_around_the_drawn_place():
    image = np.zeros((4, 5, 3), np.uint8)
    panoptic = np.full((4, 5), 7000, np.int32)
    config = DataConfig(**NO_RESIZE, crop=(8, 5))
    draws = fixed_draws(pad=(0.5, 0.9))  # Row 2 of 4; nothing to the left.
    sample = preprocessing.apply(image, panoptic, draws, config, CITYSCAPES)
    rows = np.array([0, 0, 1, 1, 1, 1, 0, 0], bool)
    assert (sample["image"].numpy() == np.where(rows, 0, 127.5)[:, None, None]).all()
    assert (sample["panoptic"].numpy() == np.where(rows, 7000, 255000)[:, None]).all()
    assert (sample["semantic"].numpy() == np.where(rows, 7, 255)[:, None]).all()


@pytest.mark.parametrize(
    "pixel_weights, heavy", [("instance_size", 18), ("class_frequency", 0), ("none", 0)]
)
def test_pixel_weights_are_chosen_by_name(pixel_weights, heavy):
    config = DataConfig(
        **NO_RESIZE,
        crop=(8, 10),
        pixel_weights=pixel_weights,
        small_instance_threshold=13,
    )
    image = np.zeros((8, 10, 3), np.uint8)
    sample = preprocessing.apply(image, toy_map(), fixed_draws(), config, COCO)
    weights = sample["weights"].numpy()
    assert (weights == 3).sum() == heavy
    assert (weights == 1).sum() == 80 - heavy


@pytest.mark.parametrize("field", ["autoaugment", "pixel_weights"])
def test_unknown_names_are_refused_with_the_known_ones(field):
    config = DataConfig(**{field: "nope"})
    with pytest.raises(ValueError, match=f"No {field} 'nope'; there are .+, "):
        train(config)(*picture(8, 8), tf.constant([0, 0]))


def test_draws_have_their_distributions():
    seeds = tf.stack([tf.fill([2000], 5), tf.range(2000)], axis=1)
    draws = tf.vectorized_map(
        lambda seed: preprocessing.draw(DataConfig(), seed), seeds
    )
    values, counts = np.unique(draws.scale.numpy(), return_counts=True)
    np.testing.assert_array_equal(values, geometry.scale_factors(0.5, 1.5, 0.1))
    np.testing.assert_allclose(counts / 2000, 0.1, atol=0.04)
    assert np.mean(draws.flip.numpy() <= 0.5) == pytest.approx(0.5, abs=0.06)
    columns = np.column_stack(
        [draws.scale, draws.pad, draws.crop, draws.flip, draws.autoaugment.row]
    )
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert abs(correlations).max() < 0.1


def test_without_a_step_scales_are_continuous():
    config = DataConfig(scale_step=0)
    seeds = tf.stack([tf.zeros(500, tf.int32), tf.range(500)], axis=1)
    scales = tf.vectorized_map(lambda s: preprocessing.draw(config, s).scale, seeds)
    assert len(np.unique(scales)) == 500
    assert 0.5 <= min(scales) < 0.52 and 1.48 < max(scales) < 1.5


@both_ways
def test_validation_pads_at_the_bottom_and_right(run):
    image, panoptic = picture(6, 4)
    config = DataConfig(**NO_RESIZE, eval_crop=(9, 5))
    # Without max_resize the crop bounds the picture: 6x4 fits and stays.
    sample = run(
        lambda *one: preprocessing.eval_sample(*one, config, CITYSCAPES),
        image,
        panoptic // 256 * 1000,
    )
    assert sample["size"].tolist() == [6, 4]
    np.testing.assert_array_equal(sample["image"][:6, :4], image)
    assert (sample["image"][6:] == 127.5).all()
    assert (sample["semantic"][:, 4:] == 255).all()
    np.testing.assert_array_equal(sample["semantic_raw"], panoptic // 256)


def test_validation_shrinks_to_the_crop_where_no_largest_size_is_given():
    config = DataConfig(**NO_RESIZE, eval_crop=(256, 256))
    sample = preprocessing.eval_sample(*picture(512, 1024), config, COCO)
    assert sample["size"].numpy().tolist() == [128, 256]
    assert sample["semantic_raw"].shape == (512, 1024)


@both_ways
def test_pictures_larger_than_the_validation_crop_are_refused(run):
    config = DataConfig(min_resize=20, max_resize=20, eval_crop=(16, 16))
    with pytest.raises(tf.errors.InvalidArgumentError, match="exceeds eval_crop"):
        run(
            lambda *one: preprocessing.eval_sample(*one, config, COCO), *picture(10, 10)
        )


@both_ways
def test_predictions_return_to_the_size_of_the_picture(run):
    predicted = np.arange(49, dtype=np.int32).reshape(7, 7)
    result = run(preprocessing.undo_preprocessing, predicted, (5, 7), (9, 13))
    assert result[0].tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert (result[:, 0] // 7).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]
