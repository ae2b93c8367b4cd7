import json
import math

import numpy as np
import pytest
from skimage import data

from hific import images, lpips_weights
from hific.errors import InvalidImageError
from hific.evaluation import baselines, metrics, run, subjects
from hific.evaluation.store import Store
from tests.evaluate_script import results as results_of
from tests.evaluate_script import run as run_script
from tests.evaluate_script import write_pictures
from tests.four_bits import FourBits


def _evaluation(out, codec=None, alphas=(1.0,), names=(), **fields):
    learned = subjects.Learned(
        name="model",
        fingerprint="four bits",
        load=lambda: codec or FourBits(),
        payload_bytes=lambda data: len(data) - 4,
        alphas=alphas,
    )
    matched = [
        subjects.Matched(
            name, f"{name} matched", baselines.Files(baseline), name, "model"
        )
        for name, baseline in baselines.choose(names).items()
    ]
    return run.Evaluation(
        store=Store(out),
        subjects=[learned, *matched],
        metrics=run.Metrics({}, lambda: metrics.METRICS),
        **fields,
    )


def _rows(out, evaluation, name, image):
    """Measures a picture and returns what is stored of it."""
    evaluation.measure(name, image)
    store = Store(out)
    return [
        row
        for each in evaluation.described()
        for row in store.read(name, each.name, each.fingerprint).rows
    ]


def test_every_column_by_hand(tmp_path):
    image = np.full((50, 70, 3), 18, np.uint8)  # Comes back as 16: MSE 4,
    image[0, :5] = 0  # but for 15 values.
    (result,) = _rows(tmp_path, _evaluation(tmp_path, alphas=[0.0]), "flat", image)
    pixels, size = 50 * 70, 4 + 50 * 70 * 3
    mse = 4 * (3 * pixels - 15) / (3 * pixels)
    assert (result.image, result.codec, result.setting) == ("flat", "model", "alpha=0")
    assert (result.width, result.height, result.bytes) == (70, 50, size)
    assert result.bpp == 8 * size / pixels
    assert result.padded_bpp == 8 * size / (64 * 128)
    assert result.header_bpp == 8 * 4 / pixels
    assert result.z_bpp == 8 / pixels
    bpp = result.header_bpp + result.z_bpp + result.y_bpp
    assert bpp == pytest.approx(result.bpp, rel=1e-12)
    assert result.estimated_bpp == 24.0
    assert result.gap_percent == pytest.approx(100 * 4 / (size - 4))
    assert result.payload_gap_percent == 0.0
    assert result.clipped == 15
    assert result.metrics["psnr"] == pytest.approx(10 * math.log10(255**2 / mse))
    assert result.metrics["ms_ssim"] is None
    assert result.encode_seconds > 0 and result.decode_seconds > 0
    assert (tmp_path / "files/model/flat.egic").stat().st_size == size


def test_several_alphas_make_a_row_each_of_one_file(tmp_path):
    calls = []

    class Counting(FourBits):
        def compress_with_report(self, image):
            calls.append("compress")
            return super().compress_with_report(image)

    image = np.full((4, 4, 3), 24, np.uint8)  # Comes back as 16 + 8 alpha.
    evaluation = _evaluation(tmp_path, Counting(), alphas=[0.0, 1.0])
    first, second = _rows(tmp_path, evaluation, "flat", image)
    assert calls == ["compress"]
    assert (first.codec, second.codec) == ("model alpha=0", "model alpha=1")
    assert (first.setting, second.setting) == ("alpha=0", "alpha=1")
    assert first.metrics["psnr"] == pytest.approx(10 * math.log10(255**2 / 64))
    assert second.metrics["psnr"] == math.inf
    assert first.bytes == second.bytes
    assert (first.curve, second.curve) == ("model alpha=0", "model alpha=1")


def test_alpha_reaches_the_decoder(tmp_path):
    image = np.full((50, 70, 3), 24, np.uint8)
    (result,) = _rows(tmp_path, _evaluation(tmp_path), "flat", image)
    assert result.metrics["psnr"] == math.inf


def test_what_is_decoded_is_what_lies_on_the_disk(tmp_path):
    image = np.full((4, 4, 3), 18, np.uint8)

    class Watchful(FourBits):
        def decompress(self, data, alpha):
            assert isinstance(data, bytes)
            assert data == (tmp_path / "files/model/flat.egic").read_bytes()
            return super().decompress(data, alpha)

    _evaluation(tmp_path, Watchful()).measure("flat", image)


def test_a_reconstruction_of_another_size_is_refused(tmp_path):
    class Padding(FourBits):
        def decompress(self, data, alpha):
            return np.zeros((64, 64, 3), np.uint8)

    with pytest.raises(ValueError, match=r"is \(64, 64, 3\), the picture \(4, 4, 3\)"):
        _evaluation(tmp_path, Padding()).measure("x", np.zeros((4, 4, 3), np.uint8))


def test_baselines_cost_no_more_than_the_codec(tmp_path):
    names = ("jpeg", "jpeg444", "webp")
    evaluation = _evaluation(tmp_path, names=names, save_images=True)
    picture = data.chelsea()[:64, :96]
    ours, *others = _rows(tmp_path, evaluation, "cat", picture)
    assert [result.codec for result in others] == list(names)
    for result in others:
        assert result.bytes <= result.target_bytes == ours.bytes
        assert result.estimated_bpp is result.padded_bpp is None
    shown = images.read_image(tmp_path / "side_by_side/cat.png")
    assert shown.shape[1] >= 5 * 96


def test_features_of_all_rows_and_of_the_picture_are_kept(tmp_path):
    features = {"corner": run.Features({}, lambda image: image[:1, :1, 0])}
    evaluation = _evaluation(tmp_path, names=["jpeg"], alphas=[0.0], features=features)
    evaluation.measure("flat", np.full((16, 16, 3), 18, np.uint8))
    found = {
        name: value.item()
        for subject in ("original", "model", "jpeg")
        for name, value in Store(tmp_path).arrays("flat", subject, "features").items()
    }
    assert found["features/corner/original"] == 18
    assert found["features/corner/model"] == 16
    assert set(found) == {
        f"features/corner/{row}" for row in ("original", "model", "jpeg")
    }


def test_pictures_of_the_same_name_keep_apart():
    names = ["a/x.png", "b/x.png", "x-2.png", "c/x.jpg"]
    assert run.unique_names(names) == ["x", "x-2", "x-2-2", "x-3"]


def test_the_script_writes_a_line_per_picture_and_codec(tmp_path):
    write_pictures(tmp_path)
    done = run_script(tmp_path, "--save_images")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    rows = results_of(out)
    assert [(row["image"], row["codec"]) for row in rows] == [
        (image, codec) for image in "ab" for codec in ("model", "jpeg", "webp")
    ]
    summary = json.loads((out / "summary.json").read_text())
    ours = summary["codecs"]["model"]
    assert ours["pictures"] == 2
    assert ours["payload_gap_percent"] == pytest.approx(100 * 4 / (64 * 64 * 3))
    assert "lpips" not in ours and "fd_alex" not in ours
    shown = sorted(path.name for path in (out / "side_by_side").iterdir())
    assert shown == ["a.png", "b.png"]
    assert "webp" in done.stdout


def test_the_script_says_fd_alex_of_all_pictures(tmp_path):
    weights = tmp_path / "cache/hific/lpips_alex_v0.1.npz"
    noise = np.random.default_rng(0)
    lpips_weights.write_npz(
        weights,
        {
            name: noise.normal(size=shape).astype("f4") / np.prod(shape[:3]) ** 0.5
            for name, shape in lpips_weights.SHAPES.items()
        },
    )
    write_pictures(tmp_path)
    done = run_script(tmp_path, "--baselines=jpeg", "--fd_patch=32")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["settings"]["fd_patch"] == 32
    for codec in ("model", "jpeg"):
        columns = summary["codecs"][codec]
        assert columns["fd_alex"] > 0.0
        assert columns["fd_alex_patches"] == 2 * (4 + 1)
    assert "fd_alex: 10 patches for 256 features" in done.stdout


def test_the_script_exits_with_the_code_of_a_coding_error(tmp_path):
    write_pictures(tmp_path)
    (tmp_path / "pictures/c.png").write_bytes(b"no picture")
    done = run_script(tmp_path, "--baselines=")
    assert done.returncode == InvalidImageError.exit_code
    assert "c.png" in done.stderr
    assert "Traceback" not in done.stderr
    rows = (tmp_path / "out/results.csv").read_text().splitlines()
    assert len(rows) == 3  # Those measured before are kept.
    (tmp_path / "pictures/b.png").write_bytes(b"no picture any more")
    done = run_script(tmp_path, "--baselines=")
    assert done.returncode == InvalidImageError.exit_code
    assert "Not measured: b, c. Means are of the others." in done.stdout
    (row,) = results_of(tmp_path / "out")
    assert row["image"] == "a"


def test_results_that_cannot_be_written_are_no_traceback(tmp_path):
    write_pictures(tmp_path)
    (tmp_path / "out").write_text("a file, not a folder")
    done = run_script(tmp_path, "--baselines=")
    assert done.returncode == 4
    assert f"{tmp_path}/out" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_alpha_that_the_model_has_not_is_wrong_usage(tmp_path):
    write_pictures(tmp_path)
    done = run_script(tmp_path, "--baselines=", "--alpha=0.5")
    assert done.returncode == 1
    assert "No alpha but 0 and 1 here." in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_script_measures_several_alphas_in_one_run(tmp_path):
    write_pictures(tmp_path)
    done = run_script(tmp_path, "--baselines=", "--alphas=0,1")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["settings"]["alpha"] == [0.0, 1.0]
    assert set(summary["codecs"]) == {"model alpha=0", "model alpha=1"}


def test_what_is_no_alpha_is_wrong_usage(tmp_path):
    write_pictures(tmp_path)
    done = run_script(tmp_path, "--baselines=", "--alpha=0,2")
    assert done.returncode == 1
    assert "--alpha=0,2 must be numbers from 0 to 1" in done.stdout + done.stderr


def test_a_codec_between_two_models_is_measured_as_any(tmp_path):
    write_pictures(tmp_path)
    flags = ("--interpolate_from=g1", "--interpolation=weights", "--alpha=0")
    done = run_script(tmp_path, "--baselines=", *flags)
    assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "out/summary.json").read_text())["settings"]
    assert settings["interpolate_from"] == "g1"
    assert settings["interpolation"] == "weights"


def test_the_script_refuses_an_unknown_baseline(tmp_path):
    write_pictures(tmp_path)
    done = run_script(tmp_path, "--baselines=flif")
    assert done.returncode == 1
    assert "No baseline flif; there are jpeg" in done.stdout + done.stderr


def test_curves_of_baselines_need_no_model(tmp_path):
    write_pictures(tmp_path)
    done = run_script(tmp_path, "--curves=jpeg", "--published=none", model="")
    assert done.returncode == 0, done.stderr
    rows = results_of(tmp_path / "out")
    assert len(rows) == 2 * 8 and {row["curve"] for row in rows} == {"jpeg"}
    assert (tmp_path / "out/report.html").exists()


def test_without_a_model_it_measures_the_one_that_comes_with_it(tmp_path):
    write_pictures(tmp_path, "a")
    own = tmp_path / "egic-own"
    own.mkdir()
    for path, code in ((own, 0), (tmp_path / "absent", 20)):
        where = {"OWN_MODEL": str(path)}
        done = run_script(tmp_path, "--baselines=", model=None, environment=where)
        assert done.returncode == code, done.stderr
    assert [row["codec"] for row in results_of(tmp_path / "out")] == ["egic-own"]
    assert f"lacks its own model, {tmp_path / 'absent'}" in done.stderr


@pytest.mark.parametrize(
    "flags, complaint",
    [
        (["--alpha=1,1"], "none of them twice"),
        (["--alpha=high"], "--alpha=high must be numbers from 0 to 1"),
        (["--published=imagenet"], "--published=imagenet is none of cityscapes"),
        (["--dists_weights=no.npz"], "--dists_weights=no.npz is no file"),
        (["--shard=1/2", "--merge=a"], "--shard measures and --merge publishes"),
        (["--bd_anchor=gif"], "No row 'gif'"),
        (["--fid_weights=x.pth"], "should be EXTRACTOR=FILE"),
        (["--fetch_weights=alex"], "--fetch_weights=alex is none of"),
    ],
)
def test_flags_that_mean_nothing_are_wrong_usage(tmp_path, flags, complaint):
    write_pictures(tmp_path, "a")
    done = run_script(tmp_path, "--baselines=", *flags)
    assert done.returncode == 1
    assert complaint in done.stdout + done.stderr


def test_results_are_no_pictures_to_measure(tmp_path):
    write_pictures(tmp_path, "a")
    done = run_script(tmp_path, out="pictures")
    assert done.returncode == 1
    assert "lies in --out=" in done.stdout + done.stderr
