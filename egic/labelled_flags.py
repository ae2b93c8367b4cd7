"""Command-line flags that name labelled pictures, the same in every script.

--records=GLOB | --images=DIR,… --labels=DIR,… | --tfds=NAME/SPLIT | --synthetic=COUNT,
and where a script wants them, --unlabelled=DIR,DIR beside any of these.
"""

from collections.abc import Callable, Mapping

from absl import flags, logging

from deeplab2_tf import labels
from deeplab2_tf.config import DataConfig
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.records import RecordFiles
from deeplab2_tf.sources import Joined, Pairs, Source, Unlabelled
from deeplab2_tf.synthetic import Scenes
from deeplab2_tf.tfds_source import TfdsPanoptic


def define(
    prefix: str, what: str, images: str = "folders, separated by commas."
) -> None:
    """Defines the five flags.

    Args:
        prefix: Of their names: "" or "val_".
        what: The pictures' part in the script, for the help: "Training".
        images: What --images takes, for the help.
    """
    flags.DEFINE_string(
        f"{prefix}records",
        None,
        f"{what} pictures: TFRecord files, a glob or several separated by commas.",
    )
    flags.DEFINE_string(f"{prefix}images", None, f"{what} pictures: {images}")
    flags.DEFINE_string(
        f"{prefix}labels",
        None,
        f"Label maps of --{prefix}images: as many folders, in the same order.",
    )
    flags.DEFINE_string(
        f"{prefix}tfds", None, f"{what} pictures: coco/2017_panoptic/SPLIT."
    )
    flags.DEFINE_integer(
        f"{prefix}synthetic", None, f"{what} pictures: this many painted scenes.", 1
    )


def define_unlabelled() -> None:
    """Defines --unlabelled: pictures that are void everywhere, beside the others."""
    flags.DEFINE_list(
        "unlabelled",
        [],
        "Further training pictures, without labels: folders. They train distortion "
        "and perception, and show D reconstructions only.",
    )


def with_unlabelled(labelled: Source) -> Source:
    """Returns a source with the pictures of --unlabelled in it, too.

    Raises:
        ValueError: One of its folders is missing or has no picture.
    """
    folders = flags.FLAGS.unlabelled
    if not folders:
        return labelled
    return Joined([labelled, Unlabelled(folders, labelled.label_set)])


def source(prefix: str, data: DataConfig, seed: int) -> Source | None:
    """The source that the flags with a prefix name, None where there is none.

    Args:
        prefix: As it was defined.
        data: Label set, and the size of painted scenes.
        seed: Of painted scenes.

    Raises:
        ValueError: The flags name several, or what cannot be read.
    """
    label_set = labels.load(data.label_set)
    values = flags.FLAGS.flag_values_dict()
    makers: Mapping[str, Callable[[], Source]] = {
        "records": lambda: RecordFiles(
            values[f"{prefix}records"].split(","), label_set
        ),
        "images": lambda: _pairs(
            values[f"{prefix}images"], values[f"{prefix}labels"], label_set
        ),
        "tfds": lambda: TfdsPanoptic(
            *_name_and_split(values[f"{prefix}tfds"]), label_set
        ),
        "synthetic": lambda: Scenes(values[f"{prefix}synthetic"], seed, data.eval_crop),
    }
    given = [name for name in makers if values[f"{prefix}{name}"]]
    if len(given) > 1:
        raise ValueError(
            f"Pass one of {', '.join(f'--{prefix}{name}' for name in given)}, not all."
        )
    if bool(values[f"{prefix}images"]) != bool(values[f"{prefix}labels"]):
        raise ValueError(f"--{prefix}images and --{prefix}labels go together.")
    if not given:
        return None
    made = makers[given[0]]()
    for problem in made.problems:
        logging.warning("Left out: %s", problem)
    return made


def _pairs(pictures: str, maps: str, label_set: LabelSet) -> Source:
    folders = pictures.split(","), maps.split(",")
    if len(folders[0]) != len(folders[1]):
        raise ValueError(
            f"{len(folders[0])} folders of pictures ({pictures}) need as many of label "
            f"maps, got {len(folders[1])} ({maps})."
        )
    parts = [Pairs(*pair, label_set) for pair in zip(*folders, strict=True)]
    return parts[0] if len(parts) == 1 else Joined(parts)


def _name_and_split(name: str) -> tuple[str, str]:
    name, _, split = name.rpartition("/")
    return name, split
