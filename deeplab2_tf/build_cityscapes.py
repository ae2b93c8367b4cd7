r"""Builds TFRecord files of Cityscapes' fine annotations.

    python -m deeplab2_tf.build_cityscapes --cityscapes_root=/data/cityscapes \
        --out_dir=/data/cityscapes_records

The root holds

    leftImg8bit/{train,val,test}/CITY/*_leftImg8bit.png
    gtFine/cityscapes_panoptic_{train,val}_trainId.json
    gtFine/cityscapes_panoptic_{train,val}_trainId/*.png

the latter two made by cityscapesScripts with `csCreatePanopticImgs --use-train-id`. The
folder gets SPLIT-00000-of-00010.tfrecord and so on, the same that DeepLab2 makes, with
manifest.json and rejected.jsonl; see `deeplab2_tf.building.builds`. Run it again to go
on after a kill. Records of the test split have no label.

--no-create_panoptic_data stores gtFine/SPLIT/CITY/*_gtFine_labelTrainIds.png (made by
csCreateTrainIdLabelImgs) instead. Such records are for other programs: neither this
package nor DeepLab2's trainer reads them.

A split must have the pictures it was published with, 2975, 500 and 1525;
--no-check_split_sizes accepts a part of the data set. A picture that cannot be used is
left out and named. The exit code is 0 without any, 3 with some, and 1 if the build
stopped, such as at more than --max_rejected of them.

A picture or annotation PNG that was changed under the same name is not noticed when its
shard is finished: delete the shard, and it is made again.
"""

import argparse
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence

from deeplab2_tf import labels, panoptic
from deeplab2_tf.building import command_line
from deeplab2_tf.building.annotations import image_id, labelled, read_annotations
from deeplab2_tf.building.builds import Plan, Split, build
from deeplab2_tf.building.conversion import Files, Picture, SemanticPng

NUM_SHARDS = 10
SPLIT_SIZES: Mapping[str, int] = {"train": 2975, "val": 500, "test": 1525}
_UNLABELLED = ("test",)
_SUFFIX = "_leftImg8bit.png"


def plan(
    cityscapes_root: pathlib.Path,
    out_dir: pathlib.Path,
    num_shards: int = NUM_SHARDS,
    treat_crowd_as_ignore: bool = True,
    **run_options,
) -> Plan:
    """How Cityscapes becomes records; `run_options` are further fields of `Plan`."""
    label_set = labels.load("cityscapes_panoptic")
    encoding = panoptic.Encoding(
        label_set, panoptic.original_ids(label_set), treat_crowd_as_ignore
    )
    converter = Files(cityscapes_root, encoding, "png")
    return Plan(converter, out_dir, num_shards, **run_options)


def find_splits(
    root: pathlib.Path,
    names: Sequence[str] = command_line.SPLITS,
    create_panoptic_data: bool = True,
    check_split_sizes: bool = True,
) -> Iterator[Split]:
    """Lists pictures and annotations, one split at a time.

    Args:
        root: Folder of the data set.
        names: Splits.
        create_panoptic_data: Else semantic PNGs are stored.
        check_split_sizes: Else any number of pictures will do.

    Raises:
        ValueError: A folder or an annotation file is missing or damaged, or a split
            has another size.
    """
    folders = [f"leftImg8bit/{name}" for name in names]
    command_line.check_folders(root, folders, ",".join(names))
    paths = {
        name: sorted(path.relative_to(root).as_posix() for path in found)
        for name, folder in zip(names, folders, strict=True)
        for found in [(root / folder).glob(f"*/*{_SUFFIX}")]
    }
    for name in names if check_split_sizes else ():
        if len(paths[name]) != SPLIT_SIZES[name]:
            raise ValueError(
                f"{root} has {len(paths[name])} {name} pictures, Cityscapes has "
                f"{SPLIT_SIZES[name]}. --no-check_split_sizes builds what is there."
            )
    for name in names:
        yield _split(root, name, paths[name], create_panoptic_data)


def _split(root: pathlib.Path, name: str, paths: Sequence[str], instances: bool):
    stems = {path: path.rpartition("/")[2].removesuffix(_SUFFIX) for path in paths}
    if name in _UNLABELLED:
        return Split(name, [Picture(stems[path], path) for path in paths])
    if not instances:
        return Split(name, [_semantic(stems[path], path) for path in paths])
    annotation_dir = f"gtFine/cityscapes_panoptic_{name}_trainId"
    annotations = read_annotations(root / f"{annotation_dir}.json", image_id)
    pictures = [
        labelled(stems[path], path, annotation_dir, annotations) for path in paths
    ]
    unused = len(annotations.by_picture.keys() - set(stems.values()))
    return Split(name, pictures, annotations.sha256, unused)


def _semantic(name: str, path: str) -> Picture:
    city = path.removeprefix("leftImg8bit/").rpartition("/")[0]
    return Picture(
        name, path, SemanticPng(f"gtFine/{city}/{name}_gtFine_labelTrainIds.png")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the builder; see the top of this file."""
    parser = command_line.annotation_parser(__doc__, NUM_SHARDS)
    parser.add_argument("--cityscapes_root", type=pathlib.Path, required=True)
    for name, what in (
        ("create_panoptic_data", "store panoptic ids, else PNGs of semantic ids"),
        ("check_split_sizes", "demand the published number of pictures"),
    ):
        parser.add_argument(
            f"--{name}",
            action=argparse.BooleanOptionalAction,
            default=True,
            help=what,
        )
    flags = parser.parse_args(arguments)

    def run() -> int:
        splits = find_splits(
            flags.cityscapes_root,
            command_line.splits(flags.splits),
            flags.create_panoptic_data,
            flags.check_split_sizes,
        )
        chosen = plan(
            flags.cityscapes_root,
            flags.out_dir,
            flags.num_shards,
            flags.treat_crowd_as_ignore,
            **command_line.run_options(flags),
        )
        return build(splits, chosen, command_line.report)

    return command_line.exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
