import io
import json
import math
import pathlib

import numpy as np
import pytest
from PIL import Image

from hific.evaluation import baselines, metrics, publish, run, subjects
from hific.evaluation.store import Entry, Plan, Store, StoreError
from tests.four_bits import FourBits

FEATURES = {
    "fd_alex": run.Features(
        {
            "extractor": {
                "name": "alex",
                "weights_sha256": "ab",
                "resize": "none",
                "dimension": 3,
                "side": 4,
            },
            "protocol": "hific",
            "side": 4,
        },
        lambda image: image[:4, 0].astype(np.float32),
    )
}


def evaluation(out: pathlib.Path, labels=("egic/lo", "egic/hi")) -> run.Evaluation:
    learned = [
        subjects.Learned(
            name=label,
            fingerprint=label,
            load=FourBits,
            payload_bytes=lambda data: len(data) - 4,
            alphas=(0.0, 1.0),
            family=label.partition("/")[0],
        )
        for label in labels
    ]
    matched = [
        subjects.Matched(
            f"jpeg at {label}'s bytes",
            "jpeg matched",
            baselines.Files(baselines.BASELINES["jpeg"]),
            label,
            label,
        )
        for label in labels
    ]
    curves = [
        subjects.Sweep(
            name, baselines.Files(baselines.BASELINES[name]), (5, 20, 50, 80)
        )
        for name in ("webp", "jpeg444")
    ]
    return run.Evaluation(
        Store(out),
        [*learned, *matched, *curves],
        run.Metrics({}, lambda: metrics.METRICS),
        FEATURES,
    )


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    measured = evaluation(out)
    chance = np.random.default_rng(0)
    names = ["flat", "noise", "ramp"]
    pictures = [
        np.full((40, 32, 3), 16, np.uint8),
        chance.integers(0, 256, (24, 48, 3), np.uint8),
        np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None], (64, 64, 3)),
    ]
    for name, picture in zip(names, pictures, strict=True):
        measured.measure(name, np.ascontiguousarray(picture))
    settings = {
        "processes": 2,
        "images": "/data/shapes/*.png",
        "models": {"egic/lo": {"path": "lo"}, "egic/hi": {"path": "hi"}},
        "left_out": {"lpips": "no weights"},
    }
    plan = Plan(names, measured.described(), measured.described_features, settings)
    Store(out).write_plan(plan)
    found = publish.collect(Store(out))
    publish.publish(found)
    return found


def test_everything_that_is_read_is_written(findings):
    out = findings.store.out
    text = (out / "report.html").read_text()
    assert "egic/lo alpha=0" in text and "no weights" in text
    assert "Measured in 2 processes at a time" in text
    assert "<title>egic/lo, egic/hi on shapes</title>" in text
    assert (out / "plots/psnr-over-bpp.svg").is_file()
    lines = (out / "results.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * (2 * 2 + 2 + 2 * 4)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["codecs"]["egic/lo alpha=0"]["curve"] == "egic alpha=0"
    assert summary["bjontegaard"]["anchor"] == "jpeg444"


def test_points_of_baselines_curves_are_apart_from_what_compares(findings):
    text = (findings.store.out / "report.html").read_text()
    results, _, points = text.partition('id="summary"')[2].partition('id="points"')
    assert "webp q=20" in points.partition("</table>")[0]
    assert "egic/lo alpha=0" in results.partition("</table>")[0]
    assert "webp q=20" not in results.partition("</table>")[0]


def test_a_part_of_kodak_is_said_not_to_compare_with_what_is_published(tmp_path):
    measured = evaluation(tmp_path, ("a",))
    for name in ("kodim01", "kodim02"):
        measured.measure(name, np.zeros((16, 16, 3), np.uint8))
    names = ["kodim01", "kodim02"]
    Store(tmp_path).write_plan(
        Plan(names, measured.described(), measured.described_features, {})
    )
    publish.publish(publish.collect(Store(tmp_path)))
    text = (tmp_path / "report.html").read_text()
    assert "These are 2 of the 24 pictures of Kodak: published curves" in text


def test_an_infinite_psnr_survives_the_store(findings):
    flat = [row for row in findings.results if row.image == "flat"]
    assert flat[0].codec == "egic/lo alpha=0" and flat[0].metrics["psnr"] == math.inf


def test_distances_of_sets_are_of_all_patches_and_of_every_row(findings):
    assert set(findings.of_all) == {row.codec for row in findings.results}
    row = findings.of_all["egic/lo alpha=0"]
    assert row["fd_alex_patches"] == 3 * 4
    assert row["fd_alex_protocol"] == "hific"
    noise = findings.of_all["webp q=5"]["fd_alex"]
    assert noise > findings.of_all["webp q=80"]["fd_alex"] > 0


def test_crops_are_of_one_square_and_only_of_what_the_gallery_shows(findings):
    crops, overview = findings.store.crops("ramp", findings.plan)
    assert list(crops) == [
        "original",
        "egic/lo alpha=0",
        "egic/lo alpha=1",
        "egic/hi alpha=0",
        "egic/hi alpha=1",
        "jpeg at egic/lo's bytes",
        "jpeg at egic/hi's bytes",
    ]
    assert overview.startswith(b"\x89PNG")


def test_a_picture_that_is_not_finished_is_named_and_left_out(findings, tmp_path):
    store = Store(tmp_path)
    store.gather([findings.store.out])
    (tmp_path / "pictures/ramp/webp_curve-26e1d2.json").unlink()
    found = publish.collect(store)
    assert found.unfinished == ["ramp"]
    assert {row.image for row in found.results} == {"flat", "noise"}
    assert "Not measured: ramp." in publish.remarks(found)[0]


def test_results_of_other_pixels_are_not_put_together(findings, tmp_path):
    store = Store(tmp_path)
    store.gather([findings.store.out])
    subject = findings.plan.subjects[0]
    entry = store.read("ramp", subject.name, subject.fingerprint)
    arrays = store.arrays("ramp", subject.name)
    changed = Entry(entry.fingerprint, "other pixels", entry.rows)
    store.write("ramp", subject.name, changed, arrays)
    assert publish.collect(store).unfinished == ["ramp"]


def test_features_of_other_pixels_are_not_compared(findings, tmp_path):
    store = Store(tmp_path)
    store.gather([findings.store.out])
    kept = findings.plan.kept_besides[-1]
    arrays = store.arrays("ramp", kept.name)
    store.write("ramp", kept.name, Entry(kept.fingerprint, "other pixels", []), arrays)
    assert publish.collect(store).unfinished == ["ramp"]


def test_what_is_stored_of_a_picture_that_failed_is_left_out(findings):
    found = publish.collect(findings.store, ["ramp"])
    assert found.unfinished == ["ramp"]
    assert {row.image for row in found.results} == {"flat", "noise"}
    assert publish.collect(findings.store, ["flat", "noise", "ramp"]) is None


def test_what_a_shard_holds_of_another_evaluation_is_left_there(findings, tmp_path):
    first, second = (Store(tmp_path / name) for name in ("first", "second"))
    for each in (first, second):
        each.gather([findings.store.out])
    subject = findings.plan.subjects[0]
    entry = first.read("ramp", subject.name, subject.fingerprint)
    stale = Entry("another fingerprint", entry.pixels, entry.rows)
    second.write("ramp", subject.name, stale, second.arrays("ramp", subject.name))
    merged = Store(tmp_path / "merged")
    merged.gather([first.out, second.out])
    assert publish.collect(merged).results == findings.results


def test_an_entry_whose_arrays_are_gone_is_not_finished(findings, tmp_path):
    store = Store(tmp_path)
    store.gather([findings.store.out])
    (tmp_path / "pictures/ramp/webp_curve-26e1d2.npz").unlink()
    assert publish.collect(store).unfinished == ["ramp"]


def test_crops_stay_at_one_place_when_subjects_come_and_go(tmp_path):
    chance = np.random.default_rng(0)
    picture = chance.integers(0, 256, (300, 300, 3), np.uint8)
    picture[200:, :] = 16  # Four bits keep this, JPEG the other part worse.
    for labels in (("a",), ("b", "a"), ("b",)):
        measured = evaluation(tmp_path, labels)
        measured.measure("x", picture)
        crops, overview = Store(tmp_path).crops(
            "x", Plan(["x"], measured.described(), {}, {})
        )
        assert "original" in crops and overview
        shown = {
            name: np.asarray(Image.open(io.BytesIO(crops[name])))
            for name in ("original", *(f"{label} alpha=0" for label in labels))
        }
        for name, crop in shown.items():
            if name != "original":
                np.testing.assert_array_equal(crop, shown["original"] & 0xF0)


def test_any_row_is_an_anchor_and_what_is_none_is_refused(findings, tmp_path):
    publish.publish(findings, anchor="webp q=20")
    summary = json.loads((findings.store.out / "summary.json").read_text())
    assert summary["bjontegaard"]["anchor"] == "webp"
    rate = summary["bjontegaard"]["curves"]["jpeg444"]["psnr"]["bd_rate_percent"]
    assert set(rate) == {"value", "note"}
    with pytest.raises(ValueError, match="No row 'gif'; there are egic alpha=0"):
        publish.publish(findings, anchor="gif")


def test_what_was_measured_otherwise_is_not_finished(tmp_path):
    measured = evaluation(tmp_path, ("a",))
    measured.measure("x", np.zeros((16, 16, 3), np.uint8))
    described = measured.described()[0]
    assert Store(tmp_path).read("x", "a", described.fingerprint)
    assert Store(tmp_path).read("x", "a", "another fingerprint") is None
    (tmp_path / "pictures/x/a.json").write_text('{"fingerprint": ')
    assert Store(tmp_path).read("x", "a", described.fingerprint) is None


def test_two_subjects_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Two subjects are called a"):
        evaluation(tmp_path, ("a", "a"))


def test_subjects_whose_names_are_no_file_names_keep_apart(tmp_path):
    store = Store(tmp_path)
    paths = {store.file("x", name, ".egic") for name in ("a/b", "a b", "a_b", "a'b")}
    assert len(paths) == 4
    assert all(path.parent.parent == tmp_path / "files" for path in paths)


@pytest.mark.parametrize(
    "content, complaint",
    [
        (None, "evaluation.json is missing"),
        ('{"format": 1', "is damaged"),
        (
            '{"format": 99, "pictures": [], "subjects": [], "features": {}, '
            '"settings": {}}',
            "by another version",
        ),
    ],
)
def test_a_folder_without_an_evaluation_is_refused(tmp_path, content, complaint):
    if content is not None:
        (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(StoreError, match=complaint):
        Store(tmp_path).plan()
