"""Label sets: which classes a data set has, and how a panoptic id names one.

    panoptic id = semantic id * label_divisor + instance id

Stuff has instance 0, things count from 1, and a thing with instance 0 is a crowd. A
label set is a JSON file; those of COCO, Cityscapes and CamVid come with the package.

Source: DeepLab2's data set descriptors; panopticapi for COCO, cityscapesScripts for
Cityscapes.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

_SHIPPED = pathlib.Path(__file__).parent / "label_sets"
_FIELDS = {"name", "label_divisor", "ignore_label", "classes", "original_void"}


@dataclasses.dataclass(frozen=True)
class LabelClass:
    """One semantic class.

    Attributes:
        id: Semantic id, as in training targets.
        name: As the data set spells it.
        colour: Red, green and blue, [0, 255].
        is_thing: Countable, so that its pixels carry an instance id.
        original_id: The id in the data set's own files, where it differs.
    """

    id: int
    name: str
    colour: tuple[int, int, int]
    is_thing: bool = False
    original_id: int | None = None


@dataclasses.dataclass(frozen=True)
class LabelSet:
    """The classes of a data set.

    A discriminator over it has `num_outputs` logits: one for each semantic id below
    `num_classes`, and "fake" last. Where `ignore_label` is below `num_classes` (COCO:
    0), its logit exists but is never a target.

    Attributes:
        name: Names the label set in messages and manifests.
        classes: Ordered by id. Void is not among them.
        label_divisor: More than the largest instance id.
        ignore_label: Semantic id of void pixels.
        original_void: Ids in plain label maps that mean void; see `Pairs`.
    """

    name: str
    classes: tuple[LabelClass, ...]
    label_divisor: int
    ignore_label: int
    original_void: tuple[int, ...] = ()

    def __post_init__(self):
        ids = [one.id for one in self.classes]
        if not ids or ids != sorted(set(ids)) or ids[0] < 0:
            raise ValueError(
                f"Label set {self.name!r}: class ids must be distinct, ascending and "
                f"not negative, got {ids}."
            )
        if self.ignore_label in (*ids, self.fake_label):
            raise ValueError(
                f"Label set {self.name!r}: ignore_label (={self.ignore_label}) is the "
                "id of a class or of the fake class; void pixels would be trained on."
            )

    @property
    def num_classes(self) -> int:
        """Semantic ids lie in [0, num_classes), but for void outside of it."""
        return self.classes[-1].id + 1

    @property
    def fake_label(self) -> int:
        """Semantic id of generated pixels, N of the (N+1)-way cross-entropy."""
        return self.num_classes

    @property
    def num_outputs(self) -> int:
        """Logits of a discriminator: 135 for COCO, 20 for Cityscapes."""
        return self.num_classes + 1

    @property
    def thing_ids(self) -> tuple[int, ...]:
        """Semantic ids of the things, ascending."""
        return tuple(one.id for one in self.classes if one.is_thing)

    @property
    def void(self) -> int:
        """Panoptic id of void pixels."""
        return self.ignore_label * self.label_divisor

    def colours(self) -> np.ndarray:
        """A colour for every semantic id, [256, 3] uint8; void and fake are black."""
        palette = np.zeros((256, 3), np.uint8)
        for one in self.classes:
            palette[one.id] = one.colour
        return palette


def load(name_or_path: str | pathlib.Path) -> LabelSet:
    """Reads a label set: the name of a shipped one, or a JSON file.

    Raises:
        ValueError: There is no such label set, or the file does not describe one; says
            which file and what is wrong.
    """
    shipped = _SHIPPED / f"{name_or_path}.json"
    path = shipped if shipped.is_file() else pathlib.Path(name_or_path)
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in _SHIPPED.glob("*.json")))
        raise ValueError(
            f"No label set {str(name_or_path)!r}; there are {known}, and it may be the "
            "path of a JSON file."
        )
    try:
        return _build(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not describe a label set: {error}") from error


def _build(data: Mapping[str, Any]) -> LabelSet:
    unknown = set(data) - _FIELDS
    if unknown:
        raise ValueError(f"unknown fields {', '.join(sorted(unknown))}")
    classes = []
    for entry in data["classes"]:
        red, green, blue = entry["colour"]
        classes.append(LabelClass(**{**entry, "colour": (red, green, blue)}))
    return LabelSet(
        name=data["name"],
        classes=tuple(classes),
        label_divisor=data["label_divisor"],
        ignore_label=data["ignore_label"],
        original_void=tuple(data.get("original_void", ())),
    )
