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
_NEEDED = {"name", "label_divisor", "ignore_label", "classes"}
_FIELDS = _NEEDED | {"original_void"}
_COLOURS = 256  # Semantic ids, void and fake included, fit into 8-bit maps.
_MAX_DIVISOR = 2**31 // _COLOURS


@dataclasses.dataclass(frozen=True)
class LabelClass:
    """One semantic class.

    Attributes:
        id: Semantic id, as in training targets, [0, 254].
        name: As the data set spells it; not empty.
        colour: Red, green and blue, [0, 255].
        is_thing: Countable, so that its pixels carry an instance id.
        original_id: The id in the data set's own files, where it differs.
    """

    id: int
    name: str
    colour: tuple[int, int, int]
    is_thing: bool = False
    original_id: int | None = None

    def __post_init__(self):
        """Raises ValueError for a field out of its range; names class and value."""
        whose = f"class {self.id!r} ({self.name!r})"
        if not _is_int(self.id, 0, _COLOURS - 2):
            raise ValueError(
                f"{whose}: id must be an integer in [0, {_COLOURS - 2}], which leaves "
                "an 8-bit id for fake pixels."
            )
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"{whose}: name must be a text that is not empty.")
        if len(self.colour) != 3 or not all(_is_int(x, 0, 255) for x in self.colour):
            raise ValueError(
                f"{whose}: colour (={list(self.colour)}) must be three integers in "
                "[0, 255]."
            )
        if not isinstance(self.is_thing, bool):
            raise ValueError(
                f"{whose}: is_thing (={self.is_thing!r}) must be true or false."
            )
        if self.original_id is not None and not _is_int(self.original_id, 0):
            raise ValueError(
                f"{whose}: original_id (={self.original_id!r}) must be an integer of "
                "at least 0."
            )


@dataclasses.dataclass(frozen=True)
class LabelSet:
    """The classes of a data set.

    A discriminator over it has `num_outputs` logits: one for each semantic id below
    `num_classes`, and "fake" last. Where `ignore_label` is below `num_classes` (COCO:
    0), its logit exists but is never a target.

    Attributes:
        name: Names the label set in messages and manifests.
        classes: Ordered by id. Void is not among them.
        label_divisor: More than the largest instance id, at least 1.
        ignore_label: Semantic id of void pixels, [0, 255].
        original_void: Ids in plain label maps that mean void, [0, 255]; see `Pairs`.
    """

    name: str
    classes: tuple[LabelClass, ...]
    label_divisor: int
    ignore_label: int
    original_void: tuple[int, ...] = ()

    def __post_init__(self):
        """Raises ValueError for values that do not fit together; quotes them."""
        try:
            self._check_numbers()
            self._check_classes()
        except ValueError as error:
            raise ValueError(f"Label set {self.name!r}: {error}") from error

    def _check_numbers(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError("name must be a text that is not empty.")
        if not _is_int(self.label_divisor, 1, _MAX_DIVISOR):
            raise ValueError(
                f"label_divisor (={self.label_divisor!r}) must be an integer in [1, "
                f"{_MAX_DIVISOR}], so that panoptic ids fit into 32 bits."
            )
        for name, numbers in (
            ("ignore_label", (self.ignore_label,)),
            ("original_void", self.original_void),
        ):
            wrong = [one for one in numbers if not _is_int(one, 0, _COLOURS - 1)]
            if wrong:
                raise ValueError(
                    f"{name} (={wrong[0]!r}) must be an integer in [0, {_COLOURS - 1}]."
                )

    def _check_classes(self) -> None:
        ids = [one.id for one in self.classes]
        if not ids or ids != sorted(set(ids)):
            raise ValueError(f"class ids must be distinct and ascending, got {ids}.")
        if self.ignore_label in (*ids, self.fake_label):
            raise ValueError(
                f"ignore_label (={self.ignore_label}) is the id of a class or of the "
                "fake class; void pixels would be trained on."
            )
        _check_distinct("name", {one.id: one.name for one in self.classes})
        _check_distinct(
            "original_id",
            {
                one.id: one.original_id
                for one in self.classes
                if one.original_id is not None
            },
        )

    @property
    def num_classes(self) -> int:
        """Semantic ids lie in [0, num_classes), but for void outside of it."""
        return self.classes[-1].id + 1

    @property
    def num_ids(self) -> int:
        """Semantic ids in labels, void included, lie in [0, num_ids)."""
        return max(self.num_classes, self.ignore_label + 1)

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
        palette = np.zeros((_COLOURS, 3), np.uint8)
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
    unknown, missing = set(data) - _FIELDS, _NEEDED - set(data)
    if unknown:
        raise ValueError(f"unknown fields {', '.join(sorted(unknown))}")
    if missing:
        raise ValueError(f"no field {', '.join(sorted(missing))}")
    return LabelSet(
        name=data["name"],
        classes=tuple(_class(entry) for entry in data["classes"]),
        label_divisor=data["label_divisor"],
        ignore_label=data["ignore_label"],
        original_void=tuple(data.get("original_void", ())),
    )


def _class(entry: Mapping[str, Any]) -> LabelClass:
    try:
        return LabelClass(**{**entry, "colour": tuple(entry["colour"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"class {entry!r}: {error!r}.") from error


def _is_int(value: Any, lowest: int, highest: int | None = None) -> bool:
    # JSON's true and 1.0 are no ids.
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return lowest <= value and (highest is None or value <= highest)


def _check_distinct(what: str, values: Mapping[int, Any]) -> None:
    """Raises ValueError if two classes have one value; names both."""
    seen: dict[Any, int] = {}
    for id_, value in values.items():
        if value in seen:
            raise ValueError(
                f"classes {seen[value]} and {id_} have the same {what} (={value!r})."
            )
        seen[value] = id_
