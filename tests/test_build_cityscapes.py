import io
import json
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from deeplab2_tf import build_cityscapes, examples, labels
from deeplab2_tf.building import command_line
from deeplab2_tf.errors import DataError
from deeplab2_tf.records import RecordFiles
from tests import coco_tree
from tests.test_build_coco import parsed

NAME = "aachen_000000_000019"
IDS = np.array([[7] * 4 + [11001] * 4, [7] * 4 + [11000] * 4, [13000] * 4 + [3] * 4])
SEGMENTS = ((7, 7, 0), (11001, 11, 0), (11000, 11, 1), (13000, 13, 0))
TRAIN_IDS = np.array([[7] * 4 + [11] * 4] * 2 + [[13] * 4 + [255] * 4], np.uint8)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "cityscapes"
    for split in command_line.SPLITS:
        picture = root / "leftImg8bit" / split / "aachen" / f"{NAME}_leftImg8bit.png"
        coco_tree.write_picture(picture, (8, 3))
        train_ids = root / "gtFine" / split / "aachen"
        train_ids.mkdir(parents=True)
        Image.fromarray(TRAIN_IDS).save(train_ids / f"{NAME}_gtFine_labelTrainIds.png")
    for split in ("train", "val"):
        folder = root / "gtFine" / f"cityscapes_panoptic_{split}_trainId"
        folder.mkdir()
        file_name = f"{NAME}_gtFine_panoptic.png"
        Image.fromarray(coco_tree.as_rgb(IDS)).save(folder / file_name)
        entry = {
            "image_id": NAME,
            "file_name": file_name,
            "segments_info": coco_tree.segments_info(SEGMENTS, IDS),
        }
        folder.with_suffix(".json").write_text(json.dumps({"annotations": [entry]}))
    return root


def run(root, out_dir, *flags):
    return build_cityscapes.main(
        [
            f"--cityscapes_root={root}",
            f"--out_dir={out_dir}",
            "--processes=1",
            *flags,
        ]
    )


def test_things_stuff_and_void_get_their_ids(tree, tmp_path):
    flags = ("--num_shards=1", "--no-check_split_sizes")
    assert run(tree, tmp_path / "out", *flags) == command_line.COMPLETE
    files = RecordFiles(str(tmp_path / "out/val-*"), labels.load("cityscapes_panoptic"))
    picture = files.read(0)
    assert picture.name == NAME
    expected = [
        [7000] * 4 + [11001] * 4,
        [7000] * 4 + [255000] * 4,
        [13001] * 4 + [255000] * 4,
    ]
    np.testing.assert_array_equal(picture.panoptic, expected)
    path = tree / f"leftImg8bit/val/aachen/{NAME}_leftImg8bit.png"
    np.testing.assert_array_equal(picture.image, np.asarray(Image.open(path)))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["splits"]["val"]["void_share"] == pytest.approx(8 / 24)
    assert manifest["splits"]["val"]["class_pixels"]["road"] == 0


def test_a_part_of_the_data_set_is_refused_unless_asked_for(tree, tmp_path, capsys):
    assert run(tree, tmp_path / "out") == command_line.FAILED
    message = capsys.readouterr().err
    assert "has 1 train pictures, Cityscapes has 2975. --no-check_split_s" in message
    assert not list(tmp_path.glob("out/*.tfrecord"))


def test_ten_shards_unless_asked_otherwise(tree, tmp_path):
    run(tree, tmp_path, "--no-check_split_sizes", "--splits=val")
    assert len(list(tmp_path.glob("val-0000?-of-00010.tfrecord"))) == 10


def test_semantic_pngs_are_stored_as_they_are(tree, tmp_path):
    flags = ("--num_shards=1", "--no-check_split_sizes", "--no-create_panoptic_data")
    assert run(tree, tmp_path / "out", *flags) == command_line.COMPLETE
    path = tmp_path / "out" / "train-00000-of-00001.tfrecord"
    (record,) = parsed(path)
    assert record[examples.LABEL_FORMAT] == [b"png"]
    stored = Image.open(io.BytesIO(record[examples.LABEL][0]))
    np.testing.assert_array_equal(np.asarray(stored), TRAIN_IDS)
    with pytest.raises(DataError, match="semantic-only records are not supported"):
        RecordFiles(str(path), labels.load("cityscapes_panoptic")).read(0)


def test_label_ids_in_the_place_of_train_ids_are_rejected(tree, tmp_path):
    path = tree / f"gtFine/val/aachen/{NAME}_gtFine_labelTrainIds.png"
    Image.fromarray(np.full((3, 8), 26, np.uint8)).save(path)
    flags = ("--no-check_split_sizes", "--no-create_panoptic_data", "--splits=val")
    code = run(tree, tmp_path / "out", "--max_rejected=1", *flags)
    assert code == command_line.SOME_REJECTED
    (line,) = (tmp_path / "out/rejected.jsonl").read_text().splitlines()
    assert "semantic ids 26 are neither classes of cityscapes_pano" in line


def test_the_toy_tree_builds_to_deeplab2s_shards(shared, tmp_path):
    golden = shared / "golden/deeplab2"
    with tarfile.open(golden / "cityscapes_toy_root.tar.gz") as archive:
        archive.extractall(tmp_path / "toy", filter="data")
    flags = ("--num_shards=1", "--no-check_split_sizes")
    assert run(tmp_path / "toy", tmp_path / "out", *flags) == command_line.COMPLETE
    shards = sorted((tmp_path / "out").glob("*.tfrecord"))
    assert len(shards) == 3
    for path in shards:
        theirs = parsed(golden / f"upstream_cityscapes_toy_{path.name}")
        assert len(theirs) == 1
        assert parsed(path) == theirs
    assert tf.io.decode_image(theirs[0][examples.ENCODED][0]).shape == (4, 8, 3)
