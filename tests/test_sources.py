import sys
import types

import numpy as np
import pytest
from PIL import Image

from deeplab2_tf import labels, sources, tfds_source
from deeplab2_tf.errors import DataError
from tests import coco_tree

CAMVID = labels.load("camvid")  # Ids 0 to 10, void is 11; divisor 1000, ignore 255.
COCO = labels.load("coco_panoptic")
IDS = np.array([[0, 3, 11], [10, 3, 255]], np.uint8)


def write_map(path, ids=IDS):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(ids).save(path)


@pytest.fixture
def folders(tmp_path):
    for name in ("b.jpg", "a.png"):
        coco_tree.write_picture(tmp_path / "images" / name, (3, 2))
        write_map(tmp_path / "labels" / f"{name[0]}.png")
    return tmp_path / "images", tmp_path / "labels"


def test_a_picture_in_memory_is_read_once_and_the_same(folders):
    pairs = sources.Pairs(*folders, CAMVID)
    kept = sources.InMemory(pairs)
    first = kept.read(1)
    np.testing.assert_array_equal(first.image, pairs.read(1).image)
    (folders[0] / "b.jpg").unlink()
    assert kept.read(1) is first
    assert (len(kept), kept.name(1), kept.label_set) == (2, pairs.name(1), CAMVID)
    with pytest.raises(DataError):
        pairs.read(1)


def test_pairs_are_read_in_the_order_of_their_names(folders):
    pairs = sources.Pairs(*folders, CAMVID)
    assert (len(pairs), pairs.problems) == (2, ())
    assert [pairs.read(index).name for index in (0, 1)] == ["a", "b"]
    assert pairs.name(1) == str(folders[0] / "b.jpg")
    picture = pairs.read(0)
    np.testing.assert_array_equal(picture.image, Image.open(folders[0] / "a.png"))
    expected = [[0, 3000, 255000], [10000, 3000, 255000]]
    np.testing.assert_array_equal(picture.panoptic, expected)
    assert picture.panoptic.dtype == np.int32


def test_original_ids_are_mapped(folders):
    write_map(folders[1] / "a.png", np.array([[1, 13, 90], [92, 200, 0]], np.uint8))
    pairs = sources.Pairs(*folders, COCO, original_ids=True)
    panoptic = pairs.read(0).panoptic
    np.testing.assert_array_equal(panoptic // 256, [[1, 12, 80], [81, 133, 0]])


def test_files_without_counterpart_are_named(folders):
    coco_tree.write_picture(folders[0] / "c.png", (3, 2))
    write_map(folders[1] / "d.png")
    (folders[1] / "readme.txt").write_text("no picture")
    pairs = sources.Pairs(*folders, CAMVID)
    assert len(pairs) == 2
    assert pairs.problems == (
        f"{folders[0] / 'c.png'}: no label map",
        f"{folders[1] / 'd.png'}: no picture",
    )


@pytest.mark.parametrize(
    "ids, reason",
    [
        (np.zeros((3, 2), np.uint8), r"is 2 x 3, its label map .*a.png 3 x 2"),
        (np.array([[0, 12, 30]] * 2, np.uint8), "ids 12, 30 are neither classes of"),
        (np.zeros((2, 3, 3), np.uint8), "mode 'RGB'; .* Are these colours for looking"),
        (np.zeros((2, 3), np.uint16), "mode 'I;16'"),
    ],
)
def test_maps_that_do_not_fit_are_refused(folders, ids, reason):
    write_map(folders[1] / "a.png", ids)
    pairs = sources.Pairs(*folders, CAMVID)
    with pytest.raises(DataError, match=reason):
        pairs.read(0)
    assert pairs.read(1).name == "b"


def test_damaged_files_are_refused_by_name(folders):
    (folders[0] / "a.png").write_bytes(b"no picture")
    (folders[1] / "b.png").write_bytes(b"no picture")
    pairs = sources.Pairs(*folders, CAMVID)
    with pytest.raises(DataError, match=r"images/a\.png: no readable picture"):
        pairs.read(0)
    with pytest.raises(DataError, match=r"labels/b\.png: no readable label map"):
        pairs.read(1)


def test_folders_that_make_no_pairs_are_refused(folders, tmp_path):
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        sources.Pairs(tmp_path / "nowhere", folders[1], CAMVID)
    coco_tree.write_picture(folders[0] / "a.jpg", (3, 2))
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png have the same name"):
        sources.Pairs(*folders, CAMVID)
    for path in folders[1].iterdir():
        path.rename(path.with_stem(f"{path.stem}_label"))
    (folders[0] / "a.jpg").unlink()
    with pytest.raises(ValueError, match="No pair among 2 pictures .* agree up to the"):
        sources.Pairs(*folders, CAMVID)


def test_camvid_is_read_with_a_sane_histogram(shared):
    camvid = shared / "data/camvid"
    pairs = sources.Pairs(camvid / "train", camvid / "trainannot", CAMVID)
    assert (len(pairs), pairs.problems) == (367, ())
    pixels = np.zeros(256, np.int64)
    for index in range(0, 367, 12):
        picture = pairs.read(index)
        assert picture.image.shape == (360, 480, 3)
        pixels += np.bincount(picture.panoptic.ravel() // 1000, minlength=256)
    shares = pixels / pixels.sum()
    names = {one.id: one.name for one in CAMVID.classes}
    most = [names[one] for one in np.argsort(-shares)[:4]]
    assert sorted(most) == ["building", "road", "sky", "tree"]
    assert 0.005 < shares[255] < 0.1
    assert shares[:11].min() > 1e-3


NAMES = [one.name for one in COCO.classes][::-1]  # Numbered in another order than ours.


class Records(list):
    """Stands for what `tensorflow_datasets.data_source` returns."""

    def __init__(self, records, names=NAMES):
        super().__init__(records)
        label = types.SimpleNamespace(names=names)
        features = {"panoptic_objects": {"label": label}}
        self.dataset_info = types.SimpleNamespace(features=features)


def tfds_record(**changes):
    name_of = {one.original_id: one.name for one in COCO.classes}
    segments = coco_tree.segments_info()
    objects = {
        "id": np.array([one["id"] for one in segments]),
        "area": np.array([one["area"] for one in segments]),
        "bbox": np.zeros((5, 4), np.float32),
        "is_crowd": np.array([bool(one["iscrowd"]) for one in segments]),
        "label": np.array(
            [NAMES.index(name_of[one["category_id"]]) for one in segments]
        ),
    }
    return {
        "image": np.full((4, 6, 3), 7, np.uint8),
        "image/filename": "000000000001.jpg",
        "image/id": np.int64(1),
        "panoptic_image": coco_tree.as_rgb(coco_tree.IDS),
        "panoptic_image/filename": "000000000001.png",
        "panoptic_objects": objects,
    } | changes


@pytest.fixture
def tfds(monkeypatch):
    """Puts records into the place of the package tensorflow-datasets."""

    def install(records):
        def data_source(name, split, download, builder_kwargs):
            assert (name, split, download) == ("coco/2017_panoptic", "train", False)
            if isinstance(records, Exception):
                raise records
            return records

        module = types.SimpleNamespace(data_source=data_source)
        monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
        return tfds_source.TfdsPanoptic("coco/2017_panoptic", "train")

    return install


def test_tfds_classes_are_matched_by_name(tfds):
    source = tfds(Records([tfds_record()]))
    assert len(source) == 1
    assert source.name(0) == "tfds:coco/2017_panoptic/train#0"
    picture = source.read(0)
    assert picture.name == "000000000001"
    assert picture.image.shape == (4, 6, 3)
    np.testing.assert_array_equal(picture.panoptic, coco_tree.CROWD_IGNORED)


def test_wrong_tfds_records_are_refused_by_name(tfds):
    small = np.zeros((2, 2, 3), np.uint8)
    empty = np.zeros((4, 6, 3), np.uint8)
    source = tfds(
        Records([tfds_record(panoptic_image=small), tfds_record(panoptic_image=empty)])
    )
    with pytest.raises(DataError, match=r"train#0 \(000000000001.jpg\): the picture"):
        source.read(0)
    with pytest.raises(DataError, match="train#1 .* segment 70000 covers 0 pixels"):
        source.read(1)


def test_tfds_problems_are_told_when_it_is_opened(tfds, monkeypatch):
    with pytest.raises(ValueError, match="has classes that coco_panoptic has not: 0"):
        tfds(Records([], ["0", "person"]))
    with pytest.raises(ValueError, match="is not prepared for random access: TFRECORD"):
        tfds(NotImplementedError("TFRECORD is not supported."))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ValueError, match=r"needs the package.*install '.\[data\]"):
        tfds_source.TfdsPanoptic("coco/2017_panoptic", "train")


def test_pictures_without_labels_are_void_everywhere(folders):
    unlabelled = sources.Unlabelled([folders[0]], CAMVID)
    assert len(unlabelled) == 2 and unlabelled.name(1).endswith("images/b.jpg")
    picture = unlabelled.read(0)
    np.testing.assert_array_equal(picture.panoptic, np.full((2, 3), 255 * 1000))
    pair = sources.Pairs(*folders, CAMVID).read(0)
    np.testing.assert_array_equal(picture.image, pair.image)
    assert picture.panoptic.dtype == pair.panoptic.dtype


def test_a_folder_that_adds_no_picture_is_refused(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="There is no .jpg or .* in .*empty"):
        sources.Unlabelled([folders[0], tmp_path / "empty"], CAMVID)
    with pytest.raises(ValueError, match="lost is not a folder"):
        sources.Unlabelled([tmp_path / "lost"], CAMVID)


def test_joined_sources_have_every_picture_of_each_in_order(folders):
    pairs = sources.Pairs(*folders, CAMVID)
    unlabelled = sources.Unlabelled([folders[0]], CAMVID)
    joined = sources.Joined([unlabelled, pairs, unlabelled])
    assert len(joined) == 6
    assert [joined.name(i)[-5:] for i in range(6)] == ["a.png", "b.jpg"] * 3
    void = [bool((joined.read(i).panoptic == 255000).all()) for i in range(6)]
    assert void == [True, True, False, False, True, True]
    with pytest.raises(IndexError, match="no picture 6 of 6"):
        joined.read(6)


def test_sources_of_different_label_sets_cannot_be_joined(folders):
    parts = [sources.Unlabelled([folders[0]], one) for one in (CAMVID, COCO)]
    with pytest.raises(ValueError, match="camvid, coco_panoptic cannot be one"):
        sources.Joined(parts)
