import json
import re
import shutil
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from deeplab2_tf import build_coco, labels
from deeplab2_tf.building import command_line
from deeplab2_tf.examples import ENCODED, FILENAME, FORMAT, LABEL, LABEL_FORMAT
from deeplab2_tf.records import RecordFiles
from tests import coco_tree

# What DeepLab2's decoder asks for; a feature without default must be there.
REQUIRED = {
    "image/encoded": tf.io.FixedLenFeature((), tf.string),
    "image/filename": tf.io.FixedLenFeature((), tf.string),
    "image/format": tf.io.FixedLenFeature((), tf.string),
    "image/height": tf.io.FixedLenFeature((), tf.int64),
    "image/width": tf.io.FixedLenFeature((), tf.int64),
    "image/channels": tf.io.FixedLenFeature((), tf.int64),
    "image/segmentation/class/encoded": tf.io.FixedLenFeature((), tf.string),
}


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "coco"
    coco_tree.write(root, ["000000000003", "000000000001"])
    coco_tree.write(root, ["000000000001"], "val")
    coco_tree.write_picture(root / "test2017" / "000000000009.jpg")
    return root


def run(root, out_dir, *flags):
    return build_coco.main(
        [f"--coco_root={root}", f"--out_dir={out_dir}", "--processes=1", *flags]
    )


def parsed(path):
    """The features of every record of a shard, as plain values."""
    found = []
    for record in tf.data.TFRecordDataset(str(path)):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        found.append(
            {
                key: list(getattr(one, one.WhichOneof("kind")).value)
                for key, one in features.items()
            }
        )
    return found


def test_every_split_gets_its_shards(tree, tmp_path):
    assert run(tree, tmp_path / "out", "--num_shards=2") == command_line.COMPLETE
    sizes = {
        path.name: len(parsed(path)) for path in (tmp_path / "out").glob("*.tfrecord")
    }
    assert sizes == {
        "train-00000-of-00002.tfrecord": 1,
        "train-00001-of-00002.tfrecord": 1,
        "val-00000-of-00002.tfrecord": 1,
        "val-00001-of-00002.tfrecord": 0,
        "test-00000-of-00002.tfrecord": 1,
        "test-00001-of-00002.tfrecord": 0,
    }
    (record,) = parsed(tmp_path / "out" / "test-00000-of-00002.tfrecord")
    assert not {LABEL, LABEL_FORMAT} & set(record)
    assert record[FILENAME] == [b"000000000009"]


def test_deeplab2s_reader_would_read_it(tree, tmp_path):
    run(tree, tmp_path / "out", "--num_shards=1", "--splits=train")
    names = []
    for record in tf.data.TFRecordDataset(
        str(tmp_path / "out/train-00000-of-00001.tfrecord")
    ):
        features = tf.io.parse_single_example(record, REQUIRED)
        image = tf.io.decode_image(features["image/encoded"], 3, tf.uint8, "", False)
        label = tf.io.decode_raw(features["image/segmentation/class/encoded"], tf.int32)
        height, width = features["image/height"], features["image/width"]
        label = tf.reshape(label, (height, width, 1))
        assert image.shape == (4, 6, 3)
        np.testing.assert_array_equal(label[..., 0], coco_tree.CROWD_IGNORED)
        names.append(features["image/filename"].numpy())
    assert names == [b"000000000001", b"000000000003"]


def test_crowds_may_keep_their_class(tree, tmp_path):
    run(tree, tmp_path, "--num_shards=1", "--splits=val", "--no-treat_crowd_as_ignore")
    files = RecordFiles(str(tmp_path / "val-*"), labels.load("coco_panoptic"))
    assert files.read(0).panoptic[2].tolist() == [256, 256, 20481, 20481, 0, 0]


def test_splits_built_one_by_one_share_a_manifest(tree, tmp_path):
    run(tree, tmp_path / "one", "--num_shards=2")
    for split in ("val", "test", "train"):
        run(tree, tmp_path / "two", "--num_shards=2", f"--splits={split}")
    manifests = [
        json.loads((tmp_path / folder / "manifest.json").read_text())
        for folder in ("one", "two")
    ]
    assert manifests[0] == manifests[1]
    assert set(manifests[0]["splits"]) == {"train", "val", "test"}
    assert manifests[0]["splits"]["test"]["void_share"] is None


def test_annotations_without_a_picture_are_counted(tree, tmp_path, capsys):
    (tree / "train2017" / "000000000001.jpg").unlink()
    run(tree, tmp_path / "out", "--num_shards=1", "--splits=train")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["splits"]["train"]["annotations_without_picture"] == 1
    assert "train: 1 annotations have no picture" in capsys.readouterr().out


def test_the_exit_code_says_that_something_was_rejected(tree, tmp_path, capsys):
    (tree / "train2017" / "000000000001.jpg").write_bytes(b"no jpeg")
    flags = ("--num_shards=1", "--splits=train")
    assert run(tree, tmp_path / "out", *flags) == command_line.FAILED
    message = capsys.readouterr().err
    assert "1 of 2 train pictures rejected so far" in message
    assert "train2017/000000000001.jpg: no readable picture" in message
    flags = (*flags, "--max_rejected=0.5")
    assert run(tree, tmp_path / "out", *flags) == command_line.SOME_REJECTED


def nothing(tree):
    pass


def test_an_interrupted_build_says_how_to_go_on(tree, tmp_path, capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(build_coco, "build", interrupt)
    assert run(tree, tmp_path / "out") == command_line.INTERRUPTED
    assert "Run it again to go on" in capsys.readouterr().err


def no_list(tree):
    (tree / "annotations" / "panoptic_train2017.json").unlink()


def half_a_list(tree):
    path = tree / "annotations" / "panoptic_train2017.json"
    path.write_text(path.read_text()[:100])


def a_list_of_instances(tree):
    path = tree / "annotations" / "panoptic_train2017.json"
    path.write_text('{"annotations": [{"image_id": 1, "bbox": []}]}')


def no_test_pictures(tree):
    shutil.rmtree(tree / "test2017")


@pytest.mark.parametrize(
    "spoil, flags, message",
    [
        (no_list, [], "No annotations at .*panoptic_train2017.json"),
        (half_a_list, [], "train2017.json is no panoptic annotation file: JSONDecodeE"),
        (a_list_of_instances, [], "is no panoptic annotation file: KeyError"),
        (no_test_pictures, [], "has no folder test2017. Is it unpacked"),
        (
            nothing,
            ["--splits=train,dev"],
            "--splits=train,dev: there are train, val",
        ),
        (nothing, ["--num_shards=0"], r"num_shards \(=0\) and .* must be at least 1"),
    ],
)
def test_what_stops_a_build_is_named(tree, tmp_path, capsys, spoil, flags, message):
    spoil(tree)
    assert run(tree, tmp_path / "out", *flags) == command_line.FAILED
    assert re.search(message, capsys.readouterr().err)


def test_two_pictures_with_one_image_id_are_rejected(tree, tmp_path):
    entries = [
        coco_tree.entry("000000000001"),
        coco_tree.entry("000000000003", image_id=1),
    ]
    coco_tree.write_list(tree, entries)
    flags = ("--num_shards=1", "--splits=train", "--max_rejected=1")
    assert run(tree, tmp_path / "out", *flags) == command_line.SOME_REJECTED
    lines = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in lines] == [
        "its image id 1 is that of 2 annotations"
    ] * 2


def test_the_toy_tree_builds_to_deeplab2s_shards(shared, tmp_path):
    golden = shared / "golden/deeplab2"
    with tarfile.open(golden / "coco_toy_root.tar.gz") as archive:
        archive.extractall(tmp_path / "toy", filter="data")
    assert run(tmp_path / "toy", tmp_path / "out", "--num_shards=2") == 0
    shards = sorted((tmp_path / "out").glob("*.tfrecord"))
    assert len(shards) == 6
    for path in shards:
        ours, theirs = parsed(path), parsed(golden / f"upstream_coco_toy_{path.name}")
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            if one[FILENAME] == [b"000000000002"]:  # Grey, so encoded anew.
                images = [tf.io.decode_image(x.pop(ENCODED)[0]) for x in (one, other)]
                np.testing.assert_array_equal(*images)
            assert one == other
    assert parsed(shards[2])[0][FORMAT] == [b"jpeg"]


# Areas of panoptic ids, worked out by DeepLab2.
AREAS = {
    "000000142238": {
        **dict(
            zip(
                range(257, 270),
                [3528, 3751, 2301, 4076, 2931, 2969, 3557, 477, 3968, 153]
                + [3330, 355, 636],
                strict=True,
            )
        ),
        **{0: 27007, 8449: 175, 29952: 130762, 30720: 8204, 32256: 75100},
    },
    "000000439180": {0: 15449, 2049: 1680, 2050: 5791, 23296: 11074},
}


@pytest.mark.parametrize("crowd_ignored", [1, 0])
def test_real_pictures_get_deeplab2s_labels(shared, tmp_path, crowd_ignored):
    sample = shared / "data/coco_panoptic_sample"
    root = tmp_path / "coco"
    shutil.copytree(sample / "input_images", root / "train2017")
    shutil.copytree(
        sample / "panoptic_examples", root / "annotations" / "panoptic_train2017"
    )
    shutil.copy(
        sample / "panoptic_examples.json", root / "annotations/panoptic_train2017.json"
    )
    crowd = "--treat_crowd_as_ignore" if crowd_ignored else "--no-treat_crowd_as_ignore"
    flags = ("--num_shards=2", "--splits=train", crowd)
    assert run(root, tmp_path / "out", *flags) == command_line.COMPLETE
    golden = np.load(shared / "golden/deeplab2/coco_sample_panoptic_labels.npz")
    files = RecordFiles(str(tmp_path / "out/train-*"), labels.load("coco_panoptic"))
    for index, (name, areas) in enumerate(AREAS.items()):
        picture = files.read(index)
        assert picture.name == name
        expected = golden[f"{int(name)}_crowd_ignore_{crowd_ignored}"]
        np.testing.assert_array_equal(picture.panoptic, expected)
        path = sample / "input_images" / f"{name}.jpg"
        difference = picture.image.astype(int) - np.asarray(Image.open(path))
        assert np.abs(difference).mean() < 2  # Two JPEG decoders.
        if crowd_ignored:
            ids, counts = np.unique(picture.panoptic, return_counts=True)
            found = dict(zip(ids.tolist(), counts.tolist(), strict=True))
            assert found.items() >= areas.items()
