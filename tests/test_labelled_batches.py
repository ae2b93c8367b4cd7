"""Batches of labelled pictures: order, resuming, pictures that cannot be used."""

import numpy as np
import pytest

from deeplab2_tf import labels, pipeline
from deeplab2_tf.config import DataConfig
from deeplab2_tf.errors import DataError
from deeplab2_tf.examples import LabelledPicture

CONFIG = DataConfig(
    min_resize=0, max_resize=0, crop=(8, 8), min_scale=0.5, eval_crop=(16, 16)
)


class Flat:
    """Picture k is 16x16 pixels of grey level k, all of class k."""

    label_set = labels.load("camvid")

    def __init__(self, count, bad=()):
        self._count, self._bad = count, bad

    def __len__(self):
        return self._count

    def read(self, index):
        if index in self._bad:
            raise DataError(f"picture {index}", "it is torn.")
        return LabelledPicture(
            f"picture {index}",
            np.full((16, 16, 3), index, np.uint8),
            np.full((16, 16), index * self.label_set.label_divisor, np.int32),
        )


def levels(batches, count):
    """Class of the middle of every picture of some batches."""
    return [int(x) for _ in range(count) for x in next(batches)["semantic"][:, 4, 4]]


@pytest.fixture
def batches():
    """Makes batches and closes them after the test."""
    made = []

    def make(source, config=CONFIG, batch_size=2, **options):
        made.append(pipeline.LabelledBatches(source, config, batch_size, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def same(first, second):
    assert first.keys() == second.keys() == set(pipeline.KEYS)
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def test_a_batch_has_the_shapes_and_types_it_promises(batches):
    batch = next(batches(Flat(4), batch_size=3))
    shapes = {key: (value.shape, value.dtype.name) for key, value in batch.items()}
    assert shapes == {
        "image": ((3, 8, 8, 3), "float32"),
        "semantic": ((3, 8, 8), "int32"),
        "weights": ((3, 8, 8), "float32"),
    }


def test_every_epoch_shows_each_picture_once_in_an_order_of_its_own(batches):
    seen = levels(batches(Flat(10)), 15)
    epochs = [seen[i : i + 10] for i in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_batches_from_a_step_are_those_of_a_run_that_never_stopped(batches):
    straight = batches(Flat(7), seed=3)
    for _ in range(5):
        next(straight)
    resumed = batches(Flat(7), seed=3, start_step=5, threads=4)
    for _ in range(3):
        same(next(straight), next(resumed))


def test_another_seed_gives_other_batches(batches):
    assert levels(batches(Flat(10), seed=1), 5) != levels(batches(Flat(10), seed=2), 5)


def test_a_bad_picture_is_replaced_by_the_next_and_named(batches, caplog):
    source = Flat(1000, bad={6})
    reader = pipeline.Reader(source)
    assert reader.read(6).name == reader.read(6).name == "picture 7"
    assert reader.bad == ("picture 6: it is torn.",)
    assert caplog.text.count("picture 6: it is torn.") == 1


def test_too_many_bad_pictures_stop_the_run_with_their_names(batches):
    with pytest.raises(DataError, match=r"1 of 20 cannot be used.*picture 4: it is"):
        levels(batches(Flat(20, bad={4})), 20)


def test_whoever_asks_on_after_a_failure_is_told_the_same(batches):
    torn = batches(Flat(20, bad={4}))
    errors = []
    while len(errors) < 2 * pipeline._AHEAD:
        try:
            next(torn)
        except DataError as error:
            errors.append(error)
    assert {str(error) for error in errors} == {
        "labelled pictures: 1 of 20 cannot be used, more than 0.1%: picture 4: it is "
        "torn."
    }


def test_closed_batches_end():
    closed = pipeline.LabelledBatches(Flat(4), CONFIG, 2)
    next(closed)
    closed.close()
    assert list(closed) == []


def test_an_empty_source_is_refused(batches):
    with pytest.raises(DataError, match="there are none"):
        batches(Flat(0))


def test_class_frequency_weights_are_those_of_the_batch(batches):
    config = DataConfig(**{**vars(CONFIG), "pixel_weights": "class_frequency"})
    batch = next(batches(Flat(10), config, batch_size=4))
    # Padding is void and weighs 0; the classes share the batch's pixels equally.
    total = batch["weights"].sum()
    assert total == pytest.approx(batch["semantic"].size, rel=1e-5)
    for label in set(batch["semantic"].ravel()) - {255}:
        share = batch["weights"][batch["semantic"] == label].sum()
        assert share == pytest.approx(total / 4, rel=1e-5)
    assert (batch["weights"][batch["semantic"] == 255] == 0).all()
