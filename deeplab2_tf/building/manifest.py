"""The account of a build: manifest.json and rejected.jsonl."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deeplab2_tf.building.journal import FinishedShard
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.shards import replacing, shard_name


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
    path = out_dir / "manifest.json"
    splits = json.loads(path.read_text())["splits"] if path.is_file() else {}
    manifest = {
        "format": "DeepLab2 TFRecord",
        "label_set": {
            "name": label_set.name,
            "label_divisor": label_set.label_divisor,
            "ignore_label": label_set.ignore_label,
            "classes": [one.name for one in label_set.classes],
        },
        "splits": splits | {split: description},
    }
    with replacing(path) as file:
        file.write((json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())


def write_rejected(
    out_dir: pathlib.Path, split: str, rejected: Sequence[tuple[str, str]]
) -> None:
    """Replaces a split's lines in rejected.jsonl; there is a file even without any."""
    path = out_dir / "rejected.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    lines = [line for line in lines if json.loads(line)["split"] != split]
    for picture, reason in rejected:
        entry = {"split": split, "picture": picture, "reason": reason}
        lines.append(json.dumps(entry))
    with replacing(path) as file:
        file.write("".join(f"{line}\n" for line in sorted(lines)).encode())
