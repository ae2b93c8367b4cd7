import numpy as np
import pytest

from deeplab2_tf.mean_iou import MeanIoU

LABELS = np.array([[1, 1, 2, 2], [0, 3, 3, 0], [1, 2, 3, 3]])
PREDICTIONS = np.array([[1, 1, 2, 1], [3, 3, 3, 2], [1, 2, 3, 1]])


def coco_like(*predictions):
    metric = MeanIoU(num_classes=5, ignore_label=0)
    for one in predictions:
        metric.update(LABELS, one)
    return metric


def one_pixel_void():
    predictions = PREDICTIONS.copy()
    predictions[-1, -1] = 0
    return predictions


def test_the_mean_is_over_classes_that_occur():
    metric = coco_like(PREDICTIONS)
    assert metric.per_class() == pytest.approx({1: 3 / 5, 2: 2 / 3, 3: 3 / 4})
    assert metric.result() == pytest.approx(0.6722222, abs=1e-7)


def test_one_pixel_predicted_void_averages_void_in():
    metric = coco_like(one_pixel_void())
    assert metric.per_class() == pytest.approx({0: 0.0, 1: 3 / 4, 2: 2 / 3, 3: 3 / 4})
    assert metric.result() == pytest.approx(0.5416667, abs=1e-7)


def test_without_void_the_mean_is_that_of_the_classes():
    metric = coco_like(one_pixel_void())
    assert metric.without(0).result() == pytest.approx((3 / 4 + 2 / 3 + 3 / 4) / 3)
    assert metric.without(0).without(2).per_class() == pytest.approx({1: 0.75, 3: 0.75})
    assert metric.result() == pytest.approx(0.5416667, abs=1e-7)  # Not changed by it.


def test_an_ignore_label_beyond_the_classes():
    metric = MeanIoU(num_classes=3, ignore_label=255)
    labels = np.array([[0, 1, 2, 255], [0, 1, 2, 255]], np.uint8)
    metric.update(labels, np.array([[0, 1, 1, 2], [1, 1, 2, 0]]))
    assert metric.result() == pytest.approx(0.5)
    assert metric.pixels == 6


@pytest.mark.parametrize("prediction", [5, 134, -1, 2**40])
def test_a_prediction_of_no_class_is_wrong_and_raises_nothing(prediction):
    predictions = PREDICTIONS.astype(np.int64)
    predictions[0, 0] = prediction
    metric = coco_like(predictions)
    # Class 1 loses one of three right pixels; its union stays: 2 / 5.
    assert metric.per_class() == pytest.approx({1: 2 / 5, 2: 2 / 3, 3: 3 / 4})
    assert metric.pixel_accuracy() == pytest.approx(7 / 10)


def test_accuracy_counts_valid_pixels():
    assert coco_like(PREDICTIONS).pixel_accuracy() == pytest.approx(8 / 10)


def test_the_majority_baseline_predicts_one_class_everywhere():
    majority = coco_like(PREDICTIONS).majority()
    # 3, 3 and 4 pixels of the classes 1, 2 and 3.
    assert majority.per_class() == pytest.approx({1: 0.0, 2: 0.0, 3: 4 / 10})
    assert majority.result() == pytest.approx(0.4 / 3)
    assert majority.pixel_accuracy() == pytest.approx(0.4)


def test_the_majority_is_of_labels_not_of_predictions():
    metric = MeanIoU(3, 255)
    metric.update(np.array([0, 0, 1]), np.array([2, 2, 2]))
    assert metric.majority().pixel_accuracy() == pytest.approx(2 / 3)


def test_updates_and_merges_add_up():
    both = coco_like(PREDICTIONS, one_pixel_void())
    merged = coco_like(PREDICTIONS)
    merged.merge(coco_like(one_pixel_void()))
    np.testing.assert_array_equal(both.confusion, merged.confusion)
    assert both.pixels == 20
    at_once = MeanIoU(5, 0)
    at_once.update(
        np.stack([LABELS, LABELS]), np.stack([PREDICTIONS, one_pixel_void()])
    )
    assert at_once.result() == both.result()


def test_merging_other_classes_is_refused():
    with pytest.raises(ValueError, match="counts of 4 classes, ignore label 0, into 5"):
        MeanIoU(5, 0).merge(MeanIoU(4, 0))


def test_an_empty_count_reads_zero():
    metric = MeanIoU(3, 255)
    metric.update(np.full((2, 2), 255), np.zeros((2, 2), int))
    for one in (metric, metric.majority(), metric.without(0, 1, 2)):
        assert one.result() == one.pixel_accuracy() == 0.0
        assert one.per_class() == {} and one.pixels == 0


def test_counts_stay_exact_where_float32_stops():
    many, metric = MeanIoU(2, 255), MeanIoU(2, 255)
    many.confusion[0, 0] = 2**24
    metric.update(np.array([0]), np.array([0]))
    many.merge(metric)
    assert many.confusion.dtype == np.int64
    assert many.pixels == 2**24 + 1
    many.confusion[:] = 0
    many.confusion[0, 0], many.confusion[1, 0] = 2**53 - 1, 1
    assert many.pixels == 2**53


def test_labels_of_another_label_set_are_refused():
    with pytest.raises(ValueError, match=r"Labels 0 to 7 leave \[0, 5\)"):
        MeanIoU(5, 255).update(np.array([0, 7]), np.array([0, 0]))
    with pytest.raises(ValueError, match=r"labels \(2,\) and predictions \(1, 2\)"):
        MeanIoU(5, 255).update(np.array([0, 1]), np.array([[0, 1]]))


def test_golden_means(shared):
    golden = np.load(shared / "golden/deeplab2/miou.npz")
    for number, expected in enumerate(golden["coco_like_miou"], 1):
        metric = MeanIoU(5, 0)
        metric.update(golden["coco_like_gt"], golden[f"coco_like_pred{number}"])
        assert metric.result() == pytest.approx(expected, abs=1e-6)
    metric = MeanIoU(3, 255)
    metric.update(golden["city_gt"], golden["city_pred"])
    assert metric.result() == pytest.approx(golden["city_miou"], abs=1e-6)
