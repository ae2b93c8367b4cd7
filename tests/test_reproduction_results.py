import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from egic.reproduction import comparison, drawings, label_drawings, runner, smoke
from egic.reproduction.plans import SCALES, Command
from egic.reproduction.registry import EXPERIMENTS
from egic.reproduction.results import Results, ResultsError
from egic.reproduction.runner import Failed, Request, reproduce

ROOT = Path(__file__).resolve().parents[1]


def _summary(folder, codecs):
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps({"settings": {}, "codecs": codecs}))


def _request(tmp_path, **fields):
    scale = fields.pop("scale", "paper")
    return Request(scale, work=tmp_path, scripts=ROOT, **fields)


def test_numbers_are_found_by_model_and_alpha_in_any_summary(tmp_path):
    _summary(tmp_path / "a", {"egic-1.5-orp alpha=0.5": {"psnr": 31.0}})
    _summary(tmp_path / "b" / "c", {"study-e": {"psnr": 30.0, "fid_clean_fid": 14.0}})
    found = Results(tmp_path, tmp_path)
    fig1, table8 = EXPERIMENTS["fig1"], EXPERIMENTS["table8"]
    half = next(row for row in fig1.rows if row.stage and row.alpha == 0.5)
    psnr, fid = table8.column("psnr"), table8.column("fid")
    assert found.value(half, psnr) == 31.0
    assert found.value(table8.row("instance-size"), psnr) == 30.0
    assert found.value(table8.row("instance-size"), fid) == 14.0
    assert found.value(table8.row("class-frequency"), psnr) is None


def test_fid_of_the_other_network_is_not_taken(tmp_path):
    _summary(tmp_path / "a", {"study-e": {"fid_torch_fidelity": 14.0, "fd_alex": 1.0}})
    table8 = EXPERIMENTS["table8"]
    row, fid = table8.row("instance-size"), table8.column("fid")
    assert Results(tmp_path, tmp_path).value(row, fid) is None


def test_a_table_takes_the_last_validation_of_the_discriminators_pretraining(tmp_path):
    run = tmp_path / "runs" / "oasis-cityscapes"
    run.mkdir(parents=True)
    lines = [{"step": 1, "validation/mean_iou_classes": 0.5}, {"step": 2}]
    lines.append({"step": 3, "validation/mean_iou_classes": 0.66})
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    document = reproduce(EXPERIMENTS["table5"], _request(tmp_path))
    of_weight_norm = document.data["rows"]["weight"]["miou"]
    assert of_weight_norm["ours"] == 0.66
    assert of_weight_norm["verdict"] == "within"
    assert document.data["rows"]["layer"]["miou"]["ours"] is None


def test_a_damaged_summary_is_named(tmp_path):
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(ResultsError, match=r"summary\.json is no summary"):
        Results(tmp_path, tmp_path)


def test_the_paper_scale_fills_the_table_and_prints_the_plan(tmp_path):
    codecs = {
        "study-e": {"psnr": 29.95, "fid_clean_fid": 15.0},
        "study-class-frequency": {"psnr": 25.0, "fid_clean_fid": 15.0},
    }
    _summary(tmp_path / "results" / "cityscapes" / "x", codecs)
    document = reproduce(EXPERIMENTS["table8"], _request(tmp_path))
    rows = document.data["rows"]
    assert rows["instance-size"]["psnr"]["verdict"] == "within"
    assert rows["class-frequency"]["psnr"]["verdict"] == "outside"
    assert rows["class-frequency"]["psnr"]["percent"] == pytest.approx(
        -16.388, abs=1e-3
    )
    plan = document.data["plan"]
    assert plan["datasets"] == ["coco", "cityscapes"]
    assert plan["gpu_hours"] == pytest.approx(sum(r["gpu_hours"] for r in plan["runs"]))
    assert plan["commands"][-1][:2] == ["python", "evaluate.py"]
    assert runner.exit_code(document) == 0


def test_percentages_of_ours_are_of_our_own_reference():
    ours = {"baseline": {"psnr": 40.0}, "conf-e-cat": {"psnr": 30.0}}
    found = comparison.compared(EXPERIMENTS["table1"], ours)
    cells = {tuple(row[:2]): row[5] for row in found.blocks[1].rows if row[5]}
    assert cells == {("conf-e: OASIS, cat, CE (N+1)", "PSNR dB"): "-25.0 %"}


def test_the_output_says_what_row_d_of_table_6_is_relative_to():
    notes = comparison.compared(EXPERIMENTS["table6"], {}).blocks[1].notes
    assert len(notes) == 2
    assert all("relative to conf-c: U-Net, projection" in note for note in notes)


@pytest.mark.parametrize(
    "name, words",
    [
        ("fig2", "drawn by hand"),
        ("fig15", "not built yet: unet: stage 2 against the U-Net"),
        ("fig4", "patchgan: .*sesame: .*unet: .*projected: "),
    ],
)
def test_what_cannot_be_made_is_said_by_name(tmp_path, name, words):
    with pytest.raises(Failed, match=words) as failure:
        reproduce(EXPERIMENTS[name], _request(tmp_path))
    assert failure.value.exit_code == runner.EXIT_NOT_BUILT


def test_results_that_are_not_there_are_said_so(tmp_path):
    with pytest.raises(Failed, match="no folder") as failure:
        request = _request(tmp_path, results=tmp_path / "absent")
        reproduce(EXPERIMENTS["table8"], request)
    assert failure.value.exit_code == runner.EXIT_RESULTS


def test_curves_show_ours_and_what_is_published(tmp_path):
    codecs = {
        f"egic-{rate}-orp alpha={alpha}": {"bpp": bpp, "psnr": psnr, "fid": 1.0}
        for rate, bpp in ((2, 0.1), (0.1, 0.4))
        for alpha, psnr in ((0, 31.0), (1, 30.0))
    }
    _summary(tmp_path / "results" / "kodak" / "x", codecs)
    document = reproduce(EXPERIMENTS["fig8"], _request(tmp_path))
    (name,) = document.pictures
    assert name == "fig8-psnr-bpp.svg"
    assert document.pictures[name].startswith(b"<?xml")


def test_weight_maps_need_no_run(tmp_path):
    document = reproduce(EXPERIMENTS["fig19"], _request(tmp_path, scale="paper"))
    with Image.open(io.BytesIO(document.pictures["fig19.png"])) as image:
        assert image.size[0] > 4 * 256


def test_class_frequency_is_of_all_pictures_together():
    class Labels:
        label_divisor, num_classes, ignore_label = 10, 3, 2

    # Three of class 0, one of class 1, one void.
    maps = [np.array([[0, 0, 0]], np.int32), np.array([[10, 20]], np.int32)]
    first, second = label_drawings._class_frequency(maps, Labels)
    np.testing.assert_allclose(first, [[5 / 6, 5 / 6, 5 / 6]], rtol=1e-6)
    np.testing.assert_allclose(second, [[5 / 2, 0]], rtol=1e-6)


def _touch(path, text="x"):
    code = f"import pathlib; pathlib.Path({str(path)!r}).open('a').write({text!r})"
    return ("-c", code)


def test_a_finished_smoke_command_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(smoke, "paint", lambda work: None)
    log = tmp_path / "ran"
    command = Command("one", _touch(log), tmp_path / "made")
    for _ in range(2):
        smoke.run([command], tmp_path, ROOT)
    assert log.read_text() == "x"
    other = Command("one", _touch(log, "y"), tmp_path / "made")
    smoke.run([other], tmp_path, ROOT)
    assert log.read_text() == "xy"


def test_a_failed_smoke_command_is_shown_with_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(smoke, "paint", lambda work: None)
    command = Command("one", ("-c", "raise SystemExit('gone wrong')"), tmp_path / "x")
    with pytest.raises(smoke.CommandFailed, match="ended with code 1(.|\n)*gone wrong"):
        smoke.run([command], tmp_path, ROOT)


def test_two_smoke_runs_do_not_share_a_folder_at_a_time(tmp_path):
    with (
        smoke._alone(tmp_path),
        pytest.raises(smoke.CommandFailed, match="Another reproduce.py is at work"),
    ):
        smoke.run([], tmp_path, ROOT)


def test_published_curves_are_not_drawn_behind_painted_scenes(tmp_path):
    fig1 = EXPERIMENTS["fig1"]
    axes = fig1.axes[0]
    scenes = {
        name: label_drawings.Scene(fig1, scale, tmp_path, {})
        for name, scale in SCALES.items()
    }
    assert drawings._published(scenes["smoke"], axes) == []
    behind = drawings._published(scenes["paper"], axes)
    assert len([point for point in behind if point.curve == "EGIC"]) == 7
    assert not any("CRDR" in point.curve for point in behind)  # Of other rates.


@pytest.mark.slow
@pytest.mark.timeout(900)  # Five commands, each with TensorFlow's start and traces.
def test_smoke_scale_trains_measures_and_fills_the_table(tmp_path):
    command = [sys.executable, "reproduce.py", "table8", "--scale=smoke"]
    done = subprocess.run(
        [*command, f"--work={tmp_path}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "its numbers are not the paper's" in " ".join(done.stdout.split())
    table = json.loads((tmp_path / "reports" / "table8.json").read_text())
    for row in ("instance-size", "class-frequency"):
        assert table["rows"][row]["psnr"]["ours"] > 3
        assert table["rows"][row]["psnr"]["verdict"] == ""


def test_every_drawing_belongs_to_an_experiment_at_both_scales():
    makers = {experiment.maker for experiment in EXPERIMENTS.values()}
    assert set(drawings.DRAWINGS) <= makers
    assert set(SCALES) == {"paper", "smoke"}
