"""The paper's data sets: what they are, where they come from, how to prepare them."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One published set.

    Attributes:
        title: With the number of pictures.
        where: Its address, and what it asks for.
        prepare: Commands, in order; $DATA is the folder of all data sets.
        labelled: Flags of scripts that train on labels.
        validation: The same for validation.
        images: Flags of scripts that train on pictures alone.
        pictures: --images of evaluate.py.
    """

    title: str
    where: str
    prepare: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    pictures: str = ""


_HALF_SIZE = (
    "mkdir -p $DATA/cityscapes/half",
    "for f in $DATA/cityscapes/leftImg8bit/val/*/*.png; do python -c 'import sys; "
    "from PIL import Image; i = Image.open(sys.argv[1]); i.resize((1024, 512), "
    "Image.Resampling.BICUBIC).save(sys.argv[2])' $f "
    "$DATA/cityscapes/half/$(basename $f); done",
)

DATASETS: Mapping[str, Dataset] = {
    "coco": Dataset(
        "COCO 2017 panoptic: 118,287 training and 5,000 validation pictures, 133 "
        "classes",
        "https://cocodataset.org/#download: train2017.zip, val2017.zip, "
        "panoptic_annotations_trainval2017.zip (20 GB)",
        (
            "python -m deeplab2_tf.build_coco --coco_root=$DATA/coco "
            "--out_dir=$DATA/records/coco --splits=train,val",
        ),
        labelled=("--records=$DATA/records/coco/train-*",),
        validation=("--val_records=$DATA/records/coco/val-*",),
        images=("--images=$DATA/coco/train2017",),
        pictures="$DATA/coco/val2017",
    ),
    "cityscapes": Dataset(
        "Cityscapes: 2,975 training and 500 validation pictures, 19 classes, trained "
        "and measured at half size, 1024x512",
        "https://www.cityscapes-dataset.com/downloads, after registration: "
        "leftImg8bit_trainvaltest.zip, gtFine_trainvaltest.zip (11 GB); then "
        "csCreatePanopticImgs --use-train-id of cityscapesScripts",
        (
            "python -m deeplab2_tf.build_cityscapes --cityscapes_root=$DATA/cityscapes "
            "--out_dir=$DATA/records/cityscapes --splits=train,val",
            *_HALF_SIZE,
        ),
        labelled=("--records=$DATA/records/cityscapes/train-*",),
        validation=("--val_records=$DATA/records/cityscapes/val-*",),
        images=("--images=$DATA/cityscapes/leftImg8bit/train",),
        pictures="$DATA/cityscapes/half",
    ),
    "clic2020": Dataset(
        "CLIC 2020 test: 428 pictures, mobile and professional together",
        "https://www.tensorflow.org/datasets/catalog/clic, split test (the addresses "
        "of compression.cc); as PNG files in $DATA/clic2020",
        images=("--images=tfds:clic/train",),
        pictures="$DATA/clic2020",
    ),
    "div2k": Dataset(
        "DIV2K validation, high resolution: 100 pictures",
        "https://data.vision.ee.ethz.ch/cvl/DIV2K: DIV2K_valid_HR.zip",
        pictures="$DATA/DIV2K_valid_HR",
    ),
    "kodak": Dataset(
        "Kodak: 24 pictures, 768x512; too few patches for FID",
        "https://r0k.us/graphics/kodak",
        pictures="$DATA/kodak",
    ),
}
