r"""Builds TFRecord files of COCO's panoptic annotations.

    python -m deeplab2_tf.build_coco --coco_root=/data/coco --out_dir=/data/coco_records

The root holds

    {train,val,test}2017/*.jpg
    annotations/panoptic_{train,val}2017.json
    annotations/panoptic_{train,val}2017/*.png

and the folder gets SPLIT-00000-of-01000.tfrecord and so on, the same that DeepLab2
makes, with manifest.json and rejected.jsonl; see `deeplab2_tf.building.builds`. Run it
again to go on after a kill. Records of the test split have no label.

A picture that cannot be used (damaged, no annotation, areas or categories that do not
fit) is left out and named. The exit code is 0 without any, 3 with some, and 1 if the
build stopped: COCO is clean, so that more than one in a thousand (--max_rejected) means
that something else is wrong.

A picture or annotation PNG that was changed under the same name is not noticed when its
shard is finished: delete the shard, and it is made again.
"""

import pathlib
import sys
from collections.abc import Iterator, Sequence

from deeplab2_tf import labels, panoptic
from deeplab2_tf.building import command_line
from deeplab2_tf.building.annotations import (
    labelled,
    read_annotations,
    stem_of_file_name,
)
from deeplab2_tf.building.builds import Plan, Split, build
from deeplab2_tf.building.conversion import Files, Picture

NUM_SHARDS = 1000
_UNLABELLED = ("test",)


def plan(
    coco_root: pathlib.Path,
    out_dir: pathlib.Path,
    num_shards: int = NUM_SHARDS,
    treat_crowd_as_ignore: bool = True,
    **run_options,
) -> Plan:
    """How COCO becomes records; `run_options` are further fields of `Plan`."""
    label_set = labels.load("coco_panoptic")
    encoding = panoptic.Encoding(
        label_set, panoptic.original_ids(label_set), treat_crowd_as_ignore
    )
    converter = Files(coco_root, encoding, "jpeg")
    return Plan(converter, out_dir, num_shards, **run_options)


def find_splits(
    root: pathlib.Path, names: Sequence[str] = command_line.SPLITS
) -> Iterator[Split]:
    """Lists pictures and annotations, one split at a time.

    Raises:
        ValueError: A folder of pictures or an annotation file is missing or damaged.
    """
    folders = [f"{name}2017" for name in names]
    command_line.check_folders(root, folders, ",".join(names))
    for name, folder in zip(names, folders, strict=True):
        paths = sorted((root / folder).glob("*.jpg"))
        if name in _UNLABELLED:
            pictures = [Picture(path.stem, f"{folder}/{path.name}") for path in paths]
            yield Split(name, pictures)
            continue
        annotation_dir = f"annotations/panoptic_{folder}"
        annotations = read_annotations(
            root / f"{annotation_dir}.json", stem_of_file_name
        )
        pictures = [
            labelled(path.stem, f"{folder}/{path.name}", annotation_dir, annotations)
            for path in paths
        ]
        unused = len(annotations.by_picture.keys() - {path.stem for path in paths})
        yield Split(name, pictures, annotations.sha256, unused)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the builder; see the top of this file."""
    parser = command_line.annotation_parser(__doc__, NUM_SHARDS)
    parser.add_argument("--coco_root", type=pathlib.Path, required=True)
    flags = parser.parse_args(arguments)

    def run() -> int:
        splits = find_splits(flags.coco_root, command_line.splits(flags.splits))
        chosen = plan(
            flags.coco_root,
            flags.out_dir,
            flags.num_shards,
            flags.treat_crowd_as_ignore,
            **command_line.run_options(flags),
        )
        return build(splits, chosen, command_line.report)

    return command_line.exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
