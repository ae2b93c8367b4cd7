"""Builds of tiny COCO folders: what is kept, what is made again, what is left out."""

import fcntl
import json
import multiprocessing

import numpy as np
import pytest
from PIL import Image

from deeplab2_tf import build_coco, examples, labels, shards, synthetic
from deeplab2_tf.building import builds, workers
from deeplab2_tf.records import RecordFiles
from tests import coco_tree

NAMES = [f"{number:012d}" for number in range(1, 8)]  # 7 pictures in 3 shards.


@pytest.fixture
def tree(tmp_path):
    coco_tree.write(tmp_path / "coco", NAMES)
    return tmp_path / "coco"


def build(tree, out_dir, report=lambda line: None, **run_options):
    plan = build_coco.plan(tree, out_dir, num_shards=3, **run_options)
    return builds.build(build_coco.find_splits(tree, ["train"]), plan, report)


def contents(folder):
    """File -> bytes, all but the journal's order of lines."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tfrecord")}


def rejected(out_dir):
    lines = (out_dir / "rejected.jsonl").read_text().splitlines()
    return {
        one["picture"]: one["reason"]
        for one in map(json.loads, lines)
        if one["split"] == "train"
    }


def test_the_manifest_counts_what_is_there(tree, tmp_path):
    assert build(tree, tmp_path / "out") == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    train = manifest["splits"]["train"]
    assert [one["records"] for one in train["shards"]] == [3, 3, 1]
    for one in train["shards"]:
        shard = shards.Shard(one["records"], one["bytes"], one["sha256"])
        assert shards.is_intact(tmp_path / "out" / one["file"], shard)
    # Of 24 pixels: 6 persons, 6 tree, 2 toothbrush, 10 void with the crowd.
    assert (train["records"], train["rejected"], train["pixels"]) == (7, 0, 7 * 24)
    assert train["void_pixels"] == 7 * 10
    assert train["void_share"] == pytest.approx(10 / 24)
    seen = {name: pixels for name, pixels in train["class_pixels"].items() if pixels}
    assert seen == {"person": 42, "tree-merged": 42, "toothbrush": 14}
    assert len(train["class_pixels"]) == 133
    assert manifest["label_set"]["name"] == "coco_panoptic"
    assert rejected(tmp_path / "out") == {}


def test_crowds_count_as_their_class_when_they_are_kept(tree, tmp_path):
    build(tree, tmp_path / "out", treat_crowd_as_ignore=False)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    train = manifest["splits"]["train"]
    assert train["class_pixels"]["person"] == 7 * 8
    assert train["settings"]["crowd_is_void"] is False


def test_a_second_run_keeps_every_shard(tree, tmp_path):
    build(tree, tmp_path / "out")
    before, files = times(tmp_path / "out"), contents(tmp_path / "out")
    lines = []
    build(tree, tmp_path / "out", report=lines.append)
    assert times(tmp_path / "out") == before
    assert contents(tmp_path / "out") == files
    assert lines == [
        "train: 7 pictures in 3 shards",
        "train: 7 records in 3 shards (3 of them there already), 0 rejected",
    ]


def test_a_killed_build_goes_on_where_it_stopped(tree, tmp_path, monkeypatch):
    build(tree, tmp_path / "whole")

    def killed_in_the_second_shard(job, make=workers.make_shard):
        if job.number == 1:
            raise KeyboardInterrupt
        return make(job)

    with monkeypatch.context() as patch:
        patch.setattr(workers, "make_shard", killed_in_the_second_shard)
        with pytest.raises(KeyboardInterrupt):
            build(tree, tmp_path / "out")
    before = times(tmp_path / "out")
    assert list(before) == ["train-00000-of-00003.tfrecord"]
    build(tree, tmp_path / "out")
    assert times(tmp_path / "out").items() > before.items()
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["delete", "flip a bit", "forget"])
def test_a_shard_that_is_not_what_was_written_is_made_again(tree, tmp_path, damage):
    out_dir = tmp_path / "out"
    build(tree, out_dir)
    before, files = times(out_dir), contents(out_dir)
    name = "train-00001-of-00003.tfrecord"
    if damage == "delete":
        (out_dir / name).unlink()
    elif damage == "flip a bit":
        data = bytearray(files[name])
        data[50] ^= 1
        (out_dir / name).write_bytes(data)
    else:  # Killed between writing the shard and noting it, with half a line.
        journal = out_dir / "journal" / "train.jsonl"
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join([*lines[:2], lines[3], lines[2][:20]]))
    build(tree, out_dir)
    after = times(out_dir)
    assert [one for one in after if after[one] != before[one]] == [name]
    assert contents(out_dir) == files


def test_other_settings_are_refused(tree, tmp_path):
    build(tree, tmp_path / "out")
    files = contents(tmp_path / "out")
    with pytest.raises(ValueError, match="crowd_is_void was True and is now False"):
        build(tree, tmp_path / "out", treat_crowd_as_ignore=False)
    coco_tree.write_list(tree, [coco_tree.entry(name) for name in NAMES[::-1]])
    with pytest.raises(ValueError, match="annotations_sha256 was .*another --out_dir"):
        build(tree, tmp_path / "out")
    assert contents(tmp_path / "out") == files


@pytest.mark.parametrize(
    "file, line, remedy",
    [
        ("journal/train.jsonl", 0, "Delete it; the split is then built anew"),
        ("journal/train.jsonl", 1, "Delete it; the split is then built anew"),
        ("manifest.json", 0, "Delete it and build every split of its folder again"),
        ("rejected.jsonl", 0, "Delete it and build every split of its folder again"),
    ],
)
def test_a_damaged_account_is_named_and_building_goes_on_without_it(
    tree, tmp_path, file, line, remedy
):
    out_dir, jpeg = tmp_path / "out", tree / "train2017" / f"{NAMES[3]}.jpg"
    jpeg.write_bytes(b"no jpeg")
    build(tree, out_dir, max_rejected=0.2)
    files = contents(out_dir)
    lines = (out_dir / file).read_text().splitlines()
    lines[line] = lines[line][:-5] + '"'
    (out_dir / file).write_text("\n".join([*lines, ""]))
    with pytest.raises(ValueError, match=f"{file} is damaged .*{remedy}"):
        build(tree, out_dir, max_rejected=0.2)
    (out_dir / file).unlink()
    build(tree, out_dir, max_rejected=0.2)
    assert contents(out_dir) == files


def test_processes_write_what_one_process_writes(tree, tmp_path):
    (tree / "train2017" / f"{NAMES[4]}.jpg").write_bytes(b"no jpeg")
    for out_dir, processes in (("one", 1), ("two", 2)):
        count = build(tree, tmp_path / out_dir, processes=processes, max_rejected=0.5)
        assert count == 1
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def spoil(tree, name, **changes):
    entries = [coco_tree.entry(one, **changes if one == name else {}) for one in NAMES]
    coco_tree.write_list(tree, entries)


def wrong_area(tree, name):
    segments = coco_tree.segments_info()
    segments[0]["area"] += 1
    spoil(tree, name, segments_info=segments)


def unknown_category(tree, name):
    spoil(tree, name, segments_info=coco_tree.segments_info([(5, 12, 0)]))


def stuff_crowd(tree, name):
    spoil(tree, name, segments_info=coco_tree.segments_info([(300, 184, 1)]))


def no_annotation(tree, name):
    entries = [coco_tree.entry(one) for one in NAMES if one != name]
    coco_tree.write_list(tree, entries)


def two_annotations(tree, name):
    entries = [coco_tree.entry(one) for one in [*NAMES, name]]
    coco_tree.write_list(tree, entries)


def no_annotation_png(tree, name):
    (tree / "annotations" / "panoptic_train2017" / f"{name}.png").unlink()


def truncated_jpeg(tree, name):
    path = tree / "train2017" / f"{name}.jpg"
    path.write_bytes(path.read_bytes()[:-60])


def another_size(tree, name):
    coco_tree.write_picture(tree / "train2017" / f"{name}.jpg", (4, 6))


def sixteen_bits(tree, name):
    path = tree / "train2017" / f"{name}.jpg"
    Image.fromarray(np.zeros((4, 6), np.uint16)).save(path, "PNG")


@pytest.mark.parametrize(
    "spoiling, reason",
    [
        (wrong_area, "segment 70000 covers 3 pixels, its area is given as 4"),
        (unknown_category, "segment 5 is of category 12, which coco_panoptic has not"),
        (stuff_crowd, "segment 300 is a crowd of stuff"),
        (no_annotation, "no annotation in the annotation file"),
        (two_annotations, "2 annotations"),
        (no_annotation_png, "no readable annotation: [Errno 2]"),
        (truncated_jpeg, "no readable picture: "),
        (another_size, "the picture is 6 x 4, its annotation 4 x 6"),
        (sixteen_bits, "does not fit into 8-bit RGB"),
    ],
)
def test_a_picture_that_cannot_be_used_is_left_out_and_named(
    tree, tmp_path, spoiling, reason
):
    spoiling(tree, NAMES[3])
    out_dir = tmp_path / "out"
    with pytest.raises(builds.TooManyRejectedError, match="1 of 7 train pictures rej"):
        build(tree, out_dir)
    assert build(tree, out_dir, max_rejected=0.2) == 1
    ((picture, found),) = rejected(out_dir).items()
    assert picture == f"train2017/{NAMES[3]}.jpg"
    assert reason in found
    train = json.loads((out_dir / "manifest.json").read_text())["splits"]["train"]
    assert (train["records"], train["rejected"]) == (6, 1)
    files = RecordFiles(str(out_dir / "train-*"), labels.load("coco_panoptic"))
    assert [files.read(index).name for index in range(6)] == NAMES[:3] + NAMES[4:]


def test_mended_pictures_enter_when_rejected_ones_are_retried(tree, tmp_path):
    out_dir, path = tmp_path / "out", tree / "train2017" / f"{NAMES[3]}.jpg"
    good = path.read_bytes()
    path.write_bytes(b"no jpeg")
    build(tree, out_dir, max_rejected=1.0)
    before = times(out_dir)
    path.write_bytes(good)
    assert build(tree, out_dir, max_rejected=1.0) == 1
    assert times(out_dir) == before
    assert build(tree, out_dir, retry_rejected=True) == 0
    after = times(out_dir)
    changed = [one for one in after if after[one] != before[one]]
    assert changed == ["train-00001-of-00003.tfrecord"]
    assert rejected(out_dir) == {}


def test_what_a_killed_process_left_is_no_shard_and_goes(tree, tmp_path):
    out_dir = tmp_path / "out"
    out_dir.mkdir()
    with shards.replacing(out_dir / "train-00000-of-00003.tfrecord") as file:
        (partial,) = out_dir.iterdir()
        file.write(b"half")
        assert not list(out_dir.glob("train*"))
    (out_dir / "train-00000-of-00003.tfrecord").rename(partial)
    build(tree, out_dir)
    assert not list(out_dir.glob(".*"))


def test_two_builds_do_not_write_into_one_folder(tree, tmp_path):
    build(tree, tmp_path / "out")
    with (tmp_path / "out" / "journal" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="Another build is writing into"):
            build(tree, tmp_path / "out")


def test_a_refused_build_leaves_no_folder(tree, tmp_path):
    (tree / "annotations" / "panoptic_train2017.json").unlink()
    with pytest.raises(ValueError, match="No annotations at"):
        build(tree, tmp_path / "out")
    with pytest.raises(ValueError, match="processes"):
        build(tree, tmp_path / "out", processes=0)
    assert not (tmp_path / "out").exists()


def test_a_folder_holds_records_of_one_label_set(tree, tmp_path):
    synthetic.write(synthetic.Scenes(1, size=(16, 16)), tmp_path, "painted", 1)
    files = contents(tmp_path)
    with pytest.raises(ValueError, match="another label set than 'coco_panoptic': nam"):
        build(tree, tmp_path)
    assert contents(tmp_path) == files


@pytest.mark.parametrize(
    "run_options, message",
    [
        ({"processes": 0}, r"processes \(=0\) must be at least 1"),
        ({"max_rejected": 5.0}, r"max_rejected must be a share in \[0, 1\], got 5.0"),
    ],
)
def test_numbers_out_of_range_are_refused(tree, tmp_path, run_options, message):
    with pytest.raises(ValueError, match=message):
        build(tree, tmp_path / "out", **run_options)


def test_a_dead_process_is_reported(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_work", coco_tree.die)
    with pytest.raises(ValueError, match="A process died with exit code 9"):
        build(tree, tmp_path / "out", processes=2)


def test_a_shard_that_cannot_be_written_stops_the_build(tree, tmp_path):
    (tmp_path / "out" / "train-00001-of-00003.tfrecord").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match="train-00001-of-00003"):
        build(tree, tmp_path / "out", processes=2)


def test_no_process_outlives_a_build_that_stops(tree, tmp_path):
    (tree / "train2017" / f"{NAMES[0]}.jpg").write_bytes(b"no jpeg")
    with pytest.raises(builds.TooManyRejectedError):
        build(tree, tmp_path / "out", processes=2)
    assert multiprocessing.active_children() == []


def test_grey_and_turned_pictures_are_stored_as_upright_rgb(tree, tmp_path):
    grey, turned = (tree / "train2017" / f"{name}.jpg" for name in NAMES[:2])
    Image.open(grey).convert("L").save(grey)
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was held upright: 4 wide and 6 high in the file.
    coco_tree.write_picture(turned, (4, 6), exif=exif)
    build(tree, tmp_path / "out")
    files = RecordFiles(str(tmp_path / "out/train-*"), labels.load("coco_panoptic"))
    for index in range(3):
        assert files.read(index).image.shape == (4, 6, 3)
    image = files.read(0).image.astype(int)
    np.testing.assert_array_equal(image[..., :1], image[..., 1:2])
    stored, upright = np.asarray(Image.open(turned), int), files.read(1).image
    clockwise, other_way = (np.rot90(stored, turns) - upright for turns in (-1, 1))
    assert 3 * np.abs(clockwise).mean() < np.abs(other_way).mean()


def test_files_that_are_rgb_already_are_stored_byte_for_byte(tree, tmp_path):
    build(tree, tmp_path / "out")
    path = tmp_path / "out" / "train-00002-of-00003.tfrecord"
    record = path.read_bytes()[shards.HEADER.size : -shards.FOOTER.size]
    stored = examples.parse(record, "x")
    assert stored.encoded == (tree / "train2017" / f"{NAMES[6]}.jpg").read_bytes()
    np.testing.assert_array_equal(stored.panoptic, coco_tree.CROWD_IGNORED)
