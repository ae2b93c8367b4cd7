import fcntl
import json
import zlib

import numpy as np
import pytest

from deeplab2_tf import labels, synthetic
from deeplab2_tf.records import RecordFiles
from deeplab2_tf.scenes import canvas, lights, scenery, textures, worlds
from deeplab2_tf.synthetic import Scenes

LABELS = labels.load("synthetic")
IDS = {one.name: one.id for one in LABELS.classes}
MANY = Scenes(60, seed=3, size=(48, 64))

# Scene 4 of seed 0 at 64 x 64 has all classes.
GOLDEN_PIXELS = {
    "sky": 699,
    "hill": 504,
    "grass": 938,
    "water": 487,
    "road": 891,
    "wall": 84,
    "ball": 17,
    "house": 15,
    "tree": 91,
    "car": 223,
    "person": 134,
    "void": 13,
}
GOLDEN_MEAN = (45.0, 49.0, 61.8)
GOLDEN_SEGMENTS = 21


@pytest.fixture(scope="module")
def many():
    return [MANY.read(index) for index in range(len(MANY))]


def view(light="noon", horizon=0.4):
    return canvas.View(
        height=64,
        width=64,
        horizon=horizon,
        camera=2.0,
        light=lights.LIGHTS[light],
        sun=0.3,
        tile=textures.noise_tile(0),
    )


def test_a_scene_depends_on_its_seed_and_number_alone():
    first = Scenes(4, seed=5, size=(32, 40))
    again = Scenes(9, seed=5, size=(32, 40))
    again.read(3)
    for one, other in zip(first.read(2), again.read(2), strict=True):
        np.testing.assert_array_equal(one, other)
    for other in (first.read(1), Scenes(4, seed=6, size=(32, 40)).read(2)):
        assert (first.read(2).image != other.image).mean() > 0.5


def test_scenes_are_what_they_were():
    """If this fails on purpose, `_PAINTING` counts one more."""
    scene = Scenes(8, seed=0, size=(64, 64)).read(4)
    semantic = scene.panoptic // LABELS.label_divisor
    names = {one.id: one.name for one in LABELS.classes} | {255: "void"}
    ids, counts = np.unique(semantic, return_counts=True)
    found = {names[id_]: count for id_, count in zip(ids.tolist(), counts, strict=True)}
    assert found == pytest.approx(GOLDEN_PIXELS, abs=4)
    assert scene.image.mean((0, 1)) == pytest.approx(GOLDEN_MEAN, abs=0.5)
    assert len(np.unique(scene.panoptic)) == GOLDEN_SEGMENTS


def test_ids_are_those_of_the_label_set(many):
    known = {*IDS.values(), LABELS.ignore_label}
    for scene in many:
        assert scene.image.shape == (48, 64, 3) and scene.image.dtype == np.uint8
        assert scene.panoptic.shape == (48, 64) and scene.panoptic.dtype == np.int32
        semantic, instance = np.divmod(scene.panoptic, LABELS.label_divisor)
        assert set(np.unique(semantic).tolist()) <= known
        assert not instance[~np.isin(semantic, LABELS.thing_ids)].any()


def test_things_count_from_one_without_gaps(many):
    for scene in many:
        for thing in LABELS.thing_ids:
            seen = np.unique(scene.panoptic[scene.panoptic // 1000 == thing]) % 1000
            seen = seen[seen > 0].tolist()
            assert seen == list(range(1, len(seen) + 1))


def test_a_set_has_every_class_crowds_void_and_things_of_all_sizes(many):
    semantic = np.concatenate([scene.panoptic.ravel() // 1000 for scene in many])
    share = np.bincount(semantic, minlength=256) / semantic.size
    assert all(share[id_] > 0.003 for id_ in IDS.values())
    assert 0.001 < share[LABELS.ignore_label] < 0.05
    segments = [np.unique(scene.panoptic, return_counts=True) for scene in many]
    ids = np.concatenate([one for one, _ in segments])
    areas = np.concatenate([area for _, area in segments])
    thing = np.isin(ids // 1000, LABELS.thing_ids)
    assert (thing & (ids % 1000 == 0)).any()
    areas = areas[thing & (ids % 1000 > 0)]
    # As 4096 pixels are to a crop of 256 x 256.
    large = (areas >= 48 * 64 / 16).mean()
    assert 0.03 < large < 0.4 and areas.min() < 10


def test_pictures_are_neither_flat_nor_clipped(many):
    pixels = np.stack([scene.image for scene in many])
    assert 70 < pixels.mean() < 150
    assert ((pixels == 0) | (pixels == 255)).mean() < 0.1
    assert all(scene.image.std() > 12 for scene in many)


def test_labels_follow_the_picture(many):
    """Colour steps are several times larger across a border between labels."""
    ratios = []
    for scene in many:
        step = np.abs(np.diff(scene.image.astype(float), axis=1)).mean(-1)
        border = np.diff(scene.panoptic, axis=1) != 0
        ratios.append(step[border].mean() / step[~border].mean())
    assert np.median(ratios) > 3


@pytest.mark.parametrize("size", [(16, 16), (17, 90), (90, 17)])
def test_any_size_can_be_painted(size):
    scenes = Scenes(12, seed=1, size=size)
    for index in range(len(scenes)):
        assert scenes.read(index).panoptic.shape == size


@pytest.mark.parametrize("kind", worlds.FIGURES)
def test_figures_stay_within_their_rectangle_and_fill_some_of_it(kind):
    figure, here = worlds.FIGURES[kind], view()
    for seed in range(6):
        sprite = canvas.Sprite(here, (0.5, 0.0), (figure.half_width, figure.height))
        wide = canvas.Sprite(here, (0.5, 0.0), (30.0, 30.0), below=1.0)
        for one in (sprite, wide):
            figure.paint(one, here, np.random.default_rng(seed))
        assert (sprite.alpha > 0.5).sum() == (wide.alpha > 0.5).sum()
        assert (sprite.alpha > 0.5).mean() > 0.03
        assert np.isfinite(sprite.rgb).all()


def test_a_layer_labels_the_pixels_that_it_covers_by_half():
    page = canvas.Canvas(1, 4)
    page.ids[:] = 7
    alpha = np.float32([[0.0, 0.5, 0.51, 1.0]])
    page.paint(np.float32(1.0), alpha, 9)
    assert page.ids.tolist() == [[7, 7, 9, 9]]
    np.testing.assert_array_equal(page.image, np.stack([alpha] * 3))


def test_a_disc_is_labelled_where_its_pixels_are_inside():
    here, page = view(), canvas.Canvas(64, 64)
    sprite = canvas.Sprite(here, (0.5, 0.1), (0.6, 1.2))
    sprite.lay(canvas.circle(0.0, 0.5, 0.5), textures.rgb((1.0, 0.0, 0.0)))
    page.paint(sprite.rgb, sprite.alpha, 1, sprite.corner)
    scale = 0.5 * 0.6 / 2.0 * 64  # Pixels per metre.
    column, row = 32 + 0.1 * 64, (0.4 + 0.5 * 0.6) * 64 - 0.5 * scale
    rows, columns = np.mgrid[:64, :64] + 0.5
    inside = np.hypot(columns - column, rows - row) < 0.5 * scale
    np.testing.assert_array_equal(page.ids == 1, inside)


def test_shapes_measure_distances():
    here = np.float32([[0.0]]), np.float32([[0.0]])
    for shape, expected in (
        (canvas.circle(3.0, 4.0, 1.0), 4.0),
        (canvas.box(5.0, 0.0, 2.0, 1.0), 3.0),
        (canvas.limb((2.0, -1.0), (2.0, 1.0), 0.5), 1.5),
        (canvas.polygon((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)), -1.0),
    ):
        assert shape.distance(*here) == pytest.approx(expected)


def test_a_tile_repeats_without_a_seam():
    tile = textures.noise_tile(1)
    assert tile.min() == 0.0 and tile.max() == 1.0
    inside = np.abs(np.diff(tile, axis=1)).mean()
    assert np.abs(tile[:, 0] - tile[:, -1]).mean() < 1.5 * inside
    x = np.float32([0.25, -3.75, 7.25])
    np.testing.assert_allclose(textures.sample(tile, x, 0.5), tile[128, 64])


def test_farther_ground_is_hazier():
    here = view("overcast")
    ground = scenery.Ground.seen_by(here)
    fog = here.fog(ground.t)[:, 0]
    assert (np.diff(fog) <= 0).all() and 0.0 < fog[-1] < 0.2 < fog[0] < 0.95


def test_records_hold_the_scenes(tmp_path):
    out = tmp_path / "records"
    flags = ["--count=5", "--seed=2", "--height=24", "--width=32", "--num_shards=3"]
    assert synthetic.main([f"--out_dir={out}", *flags]) == 0
    scenes = Scenes(5, seed=2, size=(24, 32))
    records = RecordFiles(str(out / "train-*-of-00003.tfrecord"), LABELS)
    assert len(records) == 5 and not records.problems
    for index in range(5):
        read, scene = records.read(index), scenes.read(index)
        assert read.name == scene.name == scenes.name(index)
        np.testing.assert_array_equal(read.image, scene.image)
        np.testing.assert_array_equal(read.panoptic, scene.panoptic)


def test_the_manifest_counts_the_pixels_of_each_class(tmp_path):
    scenes = Scenes(3, seed=4, size=(24, 32))
    synthetic.write(scenes, tmp_path, "val", 2)
    account = json.loads((tmp_path / "manifest.json").read_text())["splits"]["val"]
    assert account["records"] == 3 and account["pixels"] == 3 * 24 * 32
    painted = np.stack([scenes.read(index).panoptic for index in range(3)]) // 1000
    expected = {name: int((painted == id_).sum()) for name, id_ in IDS.items()}
    assert account["class_pixels"] == expected
    assert account["void_pixels"] == (painted == 255).sum()


def test_a_build_goes_on_and_mends_what_was_damaged(tmp_path, monkeypatch):
    scenes = Scenes(4, size=(16, 16))
    synthetic.write(scenes, tmp_path, "train", 4)
    damaged = tmp_path / "train-00002-of-00004.tfrecord"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    painted = []
    paint = Scenes.read
    monkeypatch.setattr(
        Scenes, "read", lambda self, index: painted.append(index) or paint(self, index)
    )
    synthetic.write(scenes, tmp_path, "train", 4)
    assert damaged.read_bytes() == whole
    assert painted == [2]


def test_other_settings_in_the_same_folder_are_refused(tmp_path, capsys):
    flags = [f"--out_dir={tmp_path}", "--count=2", "--height=16", "--width=16"]
    assert synthetic.main([*flags, "--num_shards=1"]) == 0
    assert synthetic.main([*flags, "--num_shards=1", "--seed=1"]) == 1
    assert f"seed was {zlib.crc32(b'train')} and is now 1" in capsys.readouterr().err


def test_splits_have_scenes_of_their_own_without_a_seed(tmp_path):
    flags = [f"--out_dir={tmp_path}", "--count=2", "--height=16", "--width=16"]
    for split in ("train", "val"):
        assert synthetic.main([*flags, "--num_shards=1", f"--split={split}"]) == 0
    train, val = (
        RecordFiles(str(tmp_path / f"{split}-*"), LABELS) for split in ("train", "val")
    )
    assert val.read(0).name == f"scene-{zlib.crc32(b'val')}-000000"
    for index in range(2):
        different = train.read(index).image != val.read(index).image
        assert different.mean() > 0.5


def test_two_splits_of_one_seed_in_one_folder_are_refused(tmp_path, capsys):
    flags = [f"--out_dir={tmp_path}", "--height=16", "--width=16", "--seed=3"]
    assert synthetic.main([*flags, "--count=2"]) == 0
    assert synthetic.main([*flags, "--count=1", "--split=val"]) == 1
    assert "'train' with the same seed (=3): 'val' would" in capsys.readouterr().err
    assert not list(tmp_path.glob("*val*"))


def test_what_a_killed_run_left_goes_and_two_runs_at_a_time_are_refused(tmp_path):
    partial = tmp_path / ".train-00000-of-00001.tfrecord.tmp-1"
    partial.write_bytes(b"half")
    synthetic.write(Scenes(1, size=(16, 16)), tmp_path, "train", 1)
    assert not partial.exists()
    with (tmp_path / "journal" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="Another build is writing into"):
            synthetic.write(Scenes(1, size=(16, 16)), tmp_path, "train", 1)


def test_processes_paint_what_one_process_paints(tmp_path):
    scenes = Scenes(4, seed=1, size=(16, 16))
    for folder, processes in (("one", 1), ("two", 2)):
        synthetic.write(scenes, tmp_path / folder, "train", 3, processes)
    for path in (tmp_path / "one").glob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"count \(=0\) of at least 1"):
        Scenes(0)
    with pytest.raises(ValueError, match=r"sides \(=15 x 64\) of at least 16"):
        Scenes(1, size=(15, 64))
    with pytest.raises(IndexError, match="No scene 2; there are 2"):
        Scenes(2).read(2)
