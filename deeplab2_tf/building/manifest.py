"""The account of a build: manifest.json and rejected.jsonl."""

import itertools
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deeplab2_tf.building import damage
from deeplab2_tf.building.journal import FinishedShard
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.shards import replacing, shard_name

_FORMAT = "DeepLab2 TFRecord"
_REMEDY = (
    "Delete it and build every split of its folder again; finished shards are kept."
)
_REJECTED_KEYS = ("split", "picture", "reason")


def check(out_dir: pathlib.Path, label_set: LabelSet) -> None:
    """Checks that a build can go on with the account that is in its folder.

    Raises:
        ValueError: Some of it is damaged, or about another label set or program.
    """
    read_splits(out_dir)
    read_rejected(out_dir)
    check_label_set(out_dir, label_set)


def check_label_set(folder: pathlib.Path, label_set: LabelSet) -> None:
    """Checks that the records of a folder, if it has a manifest, have a label set.

    Args:
        folder: May hold manifest.json; that of another program is not looked into.
        label_set: The expected one.

    Raises:
        ValueError: They have another one; names both, and what differs. Or the manifest
            is damaged.
    """
    path = folder / "manifest.json"
    found = _read(path)
    if not _is_ours(found):
        return
    with damage.named(path, _REMEDY):
        differences = list(_differences(found["label_set"], _describe(label_set)))
    if differences:
        raise ValueError(
            f"{path} says that its records have another label set than "
            f"{label_set.name!r}: {'; '.join(differences)}. Use the one that they were "
            "built for, or records of this one."
        )


def sizes(folder: pathlib.Path) -> dict[str, int]:
    """Name of a shard -> its bytes when it was built; empty without a manifest.

    Raises:
        ValueError: The manifest is damaged.
    """
    path = folder / "manifest.json"
    found = _read(path)
    if not _is_ours(found):
        return {}
    with damage.named(path, _REMEDY):
        splits = found.get("splits", {}).values()
        shards = [one for split in splits for one in split["shards"]]
        return {one["file"]: int(one["bytes"]) for one in shards}


def read_splits(out_dir: pathlib.Path) -> dict[str, Any]:
    """Name of a split -> what manifest.json says about it; empty without a file.

    Raises:
        ValueError: The file is damaged, or not of a build.
    """
    path = out_dir / "manifest.json"
    found = _read(path)
    if found is None:
        return {}
    if not _is_ours(found):
        raise ValueError(f"{path} is not of a build. Choose another --out_dir.")
    with damage.named(path, _REMEDY):
        return dict(found["splits"])


def describe_split(
    name: str,
    entries: Sequence[FinishedShard],
    label_set: LabelSet,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What the manifest says about one split.

    Args:
        name: Of the split.
        entries: All of its shards.
        label_set: Names the classes.
        settings: Those of the build.
    """
    entries = sorted(entries)
    pixels = np.zeros(label_set.num_ids, np.int64)
    for entry in entries:
        pixels[: len(entry.pixels)] += entry.pixels
    total, void = int(pixels.sum()), int(pixels[label_set.ignore_label])
    return {
        "records": sum(entry.shard.records for entry in entries),
        "rejected": sum(len(entry.rejected) for entry in entries),
        "pixels": total,
        "void_pixels": void,
        "void_share": void / total if total else None,
        "class_pixels": {one.name: int(pixels[one.id]) for one in label_set.classes},
        "settings": dict(settings),
        "shards": [
            {
                "file": shard_name(name, entry.number, len(entries)),
                "records": entry.shard.records,
                "bytes": entry.shard.size,
                "sha256": entry.shard.sha256,
            }
            for entry in entries
        ],
    }


def write_manifest(
    out_dir: pathlib.Path, label_set: LabelSet, split: str, description: dict[str, Any]
) -> None:
    """Puts a split into manifest.json; what it says of other splits stays."""
    manifest = {
        "format": _FORMAT,
        "label_set": _describe(label_set),
        "splits": read_splits(out_dir) | {split: description},
    }
    with replacing(out_dir / "manifest.json") as file:
        file.write((json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())


def read_rejected(out_dir: pathlib.Path) -> list[dict[str, str]]:
    """The lines of rejected.jsonl: split, picture, reason; none without a file.

    Raises:
        ValueError: The file is damaged.
    """
    path = out_dir / "rejected.jsonl"
    if not path.is_file():
        return []
    with damage.named(path, _REMEDY):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [{key: one[key] for key in _REJECTED_KEYS} for one in lines]


def write_rejected(
    out_dir: pathlib.Path, split: str, rejected: Sequence[tuple[str, str]]
) -> None:
    """Replaces a split's lines in rejected.jsonl; there is a file even without any."""
    entries = [one for one in read_rejected(out_dir) if one["split"] != split]
    entries += [
        dict(zip(_REJECTED_KEYS, (split, *one), strict=True)) for one in rejected
    ]
    lines = sorted(json.dumps(entry) for entry in entries)
    with replacing(out_dir / "rejected.jsonl") as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def _describe(label_set: LabelSet) -> dict[str, Any]:
    return {
        "name": label_set.name,
        "label_divisor": label_set.label_divisor,
        "ignore_label": label_set.ignore_label,
        "class_ids": [one.id for one in label_set.classes],
        "classes": [one.name for one in label_set.classes],
    }


def _differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """What two descriptions of label sets, the first maybe older, say differently."""
    for key in ("name", "label_divisor", "ignore_label"):
        if stored.get(key, given[key]) != given[key]:
            yield f"{key} {stored[key]!r}, not {given[key]!r}"
    for key in ("class_ids", "classes"):
        pairs = itertools.zip_longest(stored.get(key, given[key]), given[key])
        differing = [(theirs, ours) for theirs, ours in pairs if theirs != ours]
        for theirs, ours in differing[:1]:
            yield f"{theirs!r} in {key}, not {ours!r}"


def _read(path: pathlib.Path) -> Any:
    """What a manifest holds; None where there is none."""
    if not path.is_file():
        return None
    with damage.named(path, _REMEDY):
        return json.loads(path.read_text())


def _is_ours(found: Any) -> bool:
    return isinstance(found, dict) and found.get("format") == _FORMAT
