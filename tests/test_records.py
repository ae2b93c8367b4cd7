import concurrent.futures
import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from deeplab2_tf import examples, labels, shards, synthetic
from deeplab2_tf.building import manifest
from deeplab2_tf.errors import DataError
from deeplab2_tf.records import RecordFiles

COCO = labels.load("coco_panoptic")
CITYSCAPES = labels.load("cityscapes_panoptic")
IMAGE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
PANOPTIC = np.array([[257, 0, 29952], [20481, 257, 258]])
SMALL = ["--height=32", "--width=32"]


def png(image=IMAGE) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def record(name="a", image=None, size=(2, 3), label=PANOPTIC) -> bytes:
    return examples.serialize(name, image or png(), "png", *size, label)


def write(folder, *files):
    for number, records in enumerate(files):
        name = shards.shard_name("train", number, len(files))
        shards.write_shard(folder / name, records)
    return str(folder / "train-*.tfrecord")


def test_records_are_found_in_the_order_of_the_files(tmp_path):
    pattern = write(tmp_path, [record("a"), record("b")], [], [record("c")], [])
    files = RecordFiles(pattern, COCO)
    assert len(files) == 3
    assert files.problems == ()
    assert [files.read(index).name for index in (2, 0, 1)] == ["c", "a", "b"]
    assert files.name(2) == str(tmp_path / "train-00002-of-00004.tfrecord: record 0")


def test_pictures_and_labels_come_back(tmp_path):
    picture = RecordFiles(write(tmp_path, [record()]), COCO).read(0)
    assert picture.image.dtype == np.uint8
    assert picture.panoptic.dtype == np.int32
    np.testing.assert_array_equal(picture.image, IMAGE)
    np.testing.assert_array_equal(picture.panoptic, PANOPTIC)


def test_many_threads_read_what_one_reads(tmp_path):
    records = [record(str(number)) for number in range(20)]
    files = RecordFiles(write(tmp_path, records[:7], records[7:]), COCO)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        names = [one.name for one in pool.map(files.read, range(20))]
    assert names == [str(number) for number in range(20)]


def test_indices_outside_are_refused(tmp_path):
    files = RecordFiles(write(tmp_path, [record()]), COCO)
    for index in (1, -1):
        with pytest.raises(IndexError, match=f"No record {index}; there are 1"):
            files.read(index)


@pytest.mark.parametrize("cut", [1, 11, 15, 100])
def test_a_file_cut_off_keeps_the_records_before(tmp_path, cut):
    pattern = write(tmp_path, [record("a"), record("b")], [record("c")])
    path = tmp_path / "train-00000-of-00002.tfrecord"
    second = len(shards.frame(record("a")))
    path.write_bytes(path.read_bytes()[: second + cut])
    files = RecordFiles(pattern, COCO, max_lost=1.0)
    assert [files.read(index).name for index in range(len(files))] == ["a", "c"]
    (problem,) = files.problems
    assert "00000-of-00002.tfrecord: cut off in " in problem
    assert f"at byte {second}; the 1 records before it" in problem
    assert f"{cut} of {second + cut} bytes are not" in problem


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def test_a_damaged_length_loses_the_rest_of_its_file_only(tmp_path):
    pattern = write(tmp_path, [record("a"), record("b"), record("c")], [record("d")])
    path = tmp_path / "train-00000-of-00002.tfrecord"
    flip(path, len(shards.frame(record("a"))) + 2)
    files = RecordFiles(pattern, COCO, max_lost=1.0)
    assert [files.read(index).name for index in range(len(files))] == ["a", "d"]
    assert "no TFRecord header" in files.problems[0]


def test_more_lost_bytes_than_the_share_are_refused_with_files_and_bytes(tmp_path):
    pattern = write(tmp_path, [record("a"), record("b")], [record("c")])
    path = tmp_path / "train-00000-of-00002.tfrecord"
    frame = len(shards.frame(record("a")))
    path.write_bytes(path.read_bytes()[: frame + 20])
    share = 20 / (2 * frame + 20)
    assert len(RecordFiles(pattern, COCO, max_lost=share + 1e-6)) == 2
    with pytest.raises(
        ValueError, match=f"20 of {2 * frame + 20} bytes .* in 1 of 2 fi"
    ):
        RecordFiles(pattern, COCO, max_lost=share - 1e-6)
    with pytest.raises(ValueError, match=r"max_lost \(=0.001\)") as caught:
        RecordFiles(pattern, COCO)
    assert f"{path}: cut off in a record at byte {frame}" in str(caught.value)
    assert "Copy or build these files again" in str(caught.value)


@pytest.mark.parametrize("left", [0, 1])
def test_a_file_cut_between_two_records_is_short_of_its_manifest(tmp_path, left):
    synthetic.main([f"--out_dir={tmp_path}", "--count=4", "--num_shards=2"] + SMALL)
    label_set = labels.load("synthetic")
    pattern = str(tmp_path / "*.tfrecord")
    assert len(RecordFiles(pattern, label_set)) == 4
    (path, *_) = sorted(tmp_path.glob("*.tfrecord"))
    whole = path.read_bytes()
    first = 12 + int.from_bytes(whole[:8], "little") + 4
    path.write_bytes(whole[: left * first])
    files = RecordFiles(pattern, label_set, max_lost=1.0)
    assert len(files) == 2 + left
    assert f"{left * first} of the {len(whole)} bytes" in files.problems[0]
    with pytest.raises(ValueError, match=r"more than max_lost \(=0.001\)"):
        RecordFiles(pattern, label_set)


def test_at_most_ten_damaged_files_are_named(tmp_path):
    pattern = write(tmp_path, *[[record()]] * 12, [record()])
    for path in sorted(tmp_path.iterdir())[:12]:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="in 12 of 13 files") as caught:
        RecordFiles(pattern, COCO)
    assert str(caught.value).count("cut off in a record") == 10
    assert "and 2 more" in str(caught.value)


def test_a_share_of_lost_bytes_out_of_range_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"share in \[0, 1\], got 10"):
        RecordFiles(write(tmp_path, [record()]), COCO, max_lost=10)


def write_manifest(folder, label_set):
    manifest.write_manifest(folder, label_set, "train", {"records": 1, "shards": []})


def test_the_label_set_of_the_manifest_is_the_only_one_accepted(tmp_path):
    pattern = write(tmp_path, [record()])
    write_manifest(tmp_path, COCO)
    assert len(RecordFiles(pattern, COCO)) == 1
    with pytest.raises(ValueError) as caught:
        RecordFiles(pattern, CITYSCAPES)
    for part in (
        f"{tmp_path}/manifest.json says",
        "label set than 'cityscapes_panoptic'",
        "name 'coco_panoptic', not 'cityscapes_panoptic'",
        "label_divisor 256, not 1000",
        "ignore_label 0, not 255",
        "'person' in classes, not 'road'",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"label_divisor": 1000}, "label_divisor 256, not 1000"),
        ({"ignore_label": 255}, "ignore_label 0, not 255"),
        ({"classes": COCO.classes[:-1]}, "133 in class_ids, not None"),
        ({"name": "mine"}, "name 'coco_panoptic', not 'mine'"),
    ],
)
def test_one_difference_from_the_manifest_is_enough(tmp_path, change, message):
    pattern = write(tmp_path, [record()])
    write_manifest(tmp_path, COCO)
    with pytest.raises(ValueError, match=message):
        RecordFiles(pattern, dataclasses.replace(COCO, **change))


def test_a_manifest_of_another_folder_or_program_says_nothing(tmp_path):
    pattern = write(tmp_path / "records", [record()])
    write_manifest(tmp_path, CITYSCAPES)
    for text in ("[1]", '{"label_set": "none of ours"}'):
        (tmp_path / "records" / "manifest.json").write_text(text)
        assert len(RecordFiles(pattern, COCO)) == 1


@pytest.mark.parametrize(
    "text", ["{", '{"format": "DeepLab2 TFRecord"}', '{"format": "DeepLab2 TFRecord", ']
)
def test_a_damaged_manifest_is_named(tmp_path, text):
    pattern = write(tmp_path, [record()])
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match="manifest.json is damaged .*Delete it and bu"):
        RecordFiles(pattern, COCO)


def test_a_damaged_record_spoils_no_other(tmp_path):
    pattern = write(tmp_path, [record("a"), record("b"), record("c")])
    frame = len(shards.frame(record("a")))
    flip(tmp_path / "train-00000-of-00001.tfrecord", frame + 40)
    files = RecordFiles(pattern, COCO)
    assert (len(files), files.problems) == (3, ())
    assert [files.read(index).name for index in (0, 2)] == ["a", "c"]
    with pytest.raises(DataError, match="tfrecord: record 1: checksum of its"):
        files.read(1)


def test_a_file_that_vanishes_is_a_data_error(tmp_path):
    files = RecordFiles(write(tmp_path, [record()]), COCO)
    (tmp_path / "train-00000-of-00001.tfrecord").unlink()
    with pytest.raises(DataError, match="record 0: cannot be read: .*No such file"):
        files.read(0)


TURNED = np.zeros((3, 2, 3), np.uint8)


@pytest.mark.parametrize(
    "stored, label_set, reason",
    [
        (record(label=None), COCO, "no label. Is it of a test split"),
        (record(image=b"\xff\xd8\xff no jpeg"), COCO, "does not decode"),
        (record(image=png()[:-20]), COCO, "does not decode"),
        (record(image=png(TURNED)), COCO, "picture is 3 x 2, the record says 2 x 3"),
        (record(label=PANOPTIC + 256 * 100), COCO, "ids 180, 217 are neither"),
        (record(label=-PANOPTIC), COCO, "ids -117, .* are neither classes of coco"),
        (record(), CITYSCAPES, "semantic ids 20, 29 .* label_divisor is 1000"),
        (record(label=b"\x89PNG123"), COCO, "semantic-only records are not supported"),
        (b"", COCO, "no feature 'image/encoded'; there are"),
    ],
)
def test_records_that_cannot_be_used_are_refused_by_name(
    tmp_path, stored, label_set, reason
):
    files = RecordFiles(write(tmp_path, [record(), stored]), label_set)
    with pytest.raises(DataError, match=f"00000-of-00001.tfrecord: record 1.*{reason}"):
        files.read(1)


def test_pictures_decode_to_tensorflows_pixels(tmp_path):
    random = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(random).save(file, "JPEG", quality=60)
    label = np.full((24, 40), 256)
    jpeg = examples.serialize("a", file.getvalue(), "jpeg", 24, 40, label)
    picture = RecordFiles(write(tmp_path, [jpeg]), COCO).read(0)
    expected = tf.io.decode_jpeg(file.getvalue(), channels=3)
    np.testing.assert_array_equal(picture.image, expected)


def test_no_file_and_no_record_are_refused(tmp_path):
    with pytest.raises(ValueError, match="No TFRecord files at '.*/val-"):
        RecordFiles(str(tmp_path / "val-*"), COCO)
    with pytest.raises(ValueError, match="No record in 2 files, 2 of them empty"):
        RecordFiles(write(tmp_path, [], []), COCO)


def test_a_compressed_file_is_recognised(tmp_path):
    path = str(tmp_path / "a.tfrecord")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        writer.write(record())
    with pytest.raises(ValueError, match=r"no TFRecord header \(or a compressed file"):
        RecordFiles(path, COCO)


@pytest.mark.parametrize(
    "name, label_set, names",
    [
        ("coco_toy_train", COCO, ["000000000001", "000000000002", "000000000003"]),
        ("coco_toy_val", COCO, ["000000000001"]),
        ("cityscapes_toy_train", CITYSCAPES, ["aachen_000000_000019"]),
    ],
)
def test_deeplab2s_own_shards_are_read(shared, name, label_set, names):
    pattern = str(shared / f"golden/deeplab2/upstream_{name}-*.tfrecord")
    files = RecordFiles(pattern, label_set)
    assert files.problems == ()
    assert [files.read(index).name for index in range(len(files))] == names
    picture = files.read(0)
    assert picture.image.shape == (*picture.panoptic.shape, 3)
    if label_set is COCO:
        golden = np.load(shared / "golden/deeplab2/coco_toy_panoptic.npz")
        np.testing.assert_array_equal(picture.panoptic, golden["crowd_ignored"])
    else:
        assert set(np.unique(picture.panoptic)) == {7000, 11001, 13001, 255000}


def test_deeplab2s_test_split_has_no_labels(shared):
    pattern = str(shared / "golden/deeplab2/upstream_coco_toy_test-*.tfrecord")
    with pytest.raises(DataError, match="no label. Is it of a test split"):
        RecordFiles(pattern, COCO).read(0)
