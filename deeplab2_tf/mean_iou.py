"""Mean intersection over union of a whole set, from one confusion matrix."""

from collections.abc import Set

import numpy as np


class MeanIoU:
    """Counts label maps against predictions; the means are computed when asked.

        IoU_c = TP_c / (labelled c + predicted c - TP_c)

    averaged over the classes that were labelled or predicted at all. A prediction
    outside of [0, num_classes) is wrong and belongs to no class. Counts are int64,
    exact at any number of pixels.

    Source: DeepLab2's evaluator with Keras' MeanIoU, which counts in float32 and stops
    at predictions outside of the range.
    """

    def __init__(
        self, num_classes: int, ignore_label: int, excluded: Set[int] = frozenset()
    ):
        """Creates an empty count.

        Args:
            num_classes: Labels lie in [0, num_classes).
            ignore_label: Pixels so labelled are not counted.
            excluded: Classes left out of the means; see `without`.
        """
        self.num_classes = num_classes
        self.ignore_label = ignore_label
        self.excluded = frozenset(excluded)
        # Row: labelled. Column: predicted; the last holds those of no class.
        self.confusion = np.zeros((num_classes, num_classes + 1), np.int64)

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Counts one or more maps.

        Args:
            labels: Semantic ids, any shape, integer.
            predictions: Of the same shape, integer.

        Raises:
            ValueError: The shapes disagree, or a label is neither a class nor the
                ignore label.
        """
        labels, predictions = np.asarray(labels), np.asarray(predictions)
        if labels.shape != predictions.shape:
            raise ValueError(
                f"labels {labels.shape} and predictions {predictions.shape} disagree; "
                "were the predictions resized to the labels?"
            )
        valid = labels != self.ignore_label
        rows = labels[valid].astype(np.int64)
        columns = predictions[valid].astype(np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < self.num_classes:
            raise ValueError(
                f"Labels {rows.min()} to {rows.max()} leave [0, {self.num_classes}), "
                f"and the ignore label is {self.ignore_label}. Are they of another "
                "label set?"
            )
        outside = (columns < 0) | (columns >= self.num_classes)
        columns[outside] = self.num_classes
        self.confusion += np.bincount(
            rows * (self.num_classes + 1) + columns, minlength=self.confusion.size
        ).reshape(self.confusion.shape)

    def merge(self, other: "MeanIoU") -> None:
        """Adds what another metric over the same classes has counted."""
        mine = (self.num_classes, self.ignore_label)
        theirs = (other.num_classes, other.ignore_label)
        if mine != theirs:
            raise ValueError(
                f"Cannot merge counts of {theirs[0]} classes, ignore label {theirs[1]}"
                f", into {mine[0]} classes, ignore label {mine[1]}."
            )
        self.confusion += other.confusion

    def without(self, *ids: int) -> "MeanIoU":
        """The same counts, but these classes are left out of the means.

        COCO's void, id 0, is below `num_classes`: DeepLab2 averages it in, with IoU 0,
        as soon as one pixel is predicted void. `without(0)` is the mean of the 133
        classes alone; a pixel predicted void still is a wrong one.
        """
        return self._with(self.confusion.copy(), self.excluded | set(ids))

    def majority(self) -> "MeanIoU":
        """What always predicting the most frequent class would have been counted as.

        The baseline that a network has to beat: `metric.majority().result()`.
        """
        counts = self.confusion.sum(axis=1)
        confusion = np.zeros_like(self.confusion)
        confusion[:, counts.argmax()] = counts
        return self._with(confusion, self.excluded)

    def per_class(self) -> dict[int, float]:
        """Semantic id -> IoU, [0, 1], of the classes that occur, ascending."""
        correct = np.diagonal(self.confusion)
        labelled = self.confusion.sum(axis=1)
        predicted = self.confusion[:, : self.num_classes].sum(axis=0)
        union = labelled + predicted - correct
        return {
            int(id_): float(correct[id_] / union[id_])
            for id_ in np.flatnonzero(union)
            if id_ not in self.excluded
        }

    def result(self) -> float:
        """Mean IoU, [0, 1]; 0 where nothing was counted, as in Keras."""
        values = self.per_class().values()
        return sum(values) / len(values) if values else 0.0

    def pixel_accuracy(self) -> float:
        """Share of the counted pixels that are right, [0, 1]; 0 without any."""
        return int(np.trace(self.confusion)) / max(self.pixels, 1)

    @property
    def pixels(self) -> int:
        """Number of pixels counted, void ones not among them."""
        return int(self.confusion.sum())

    def _with(self, confusion: np.ndarray, excluded: Set[int]) -> "MeanIoU":
        metric = MeanIoU(self.num_classes, self.ignore_label, excluded)
        metric.confusion = confusion
        return metric
