import functools
import json
import pathlib
import re

import pytest

import egic.config
import egic.orp_config
import egic.pretraining_config
import egic.stage2_config
from egic.reproduction import costs, plans, registry
from egic.reproduction.datasets import DATASETS
from egic.reproduction.documents import Block, Document, markdown, write
from egic.reproduction.drawings import DRAWINGS
from egic.reproduction.experiment import Band, Column
from egic.reproduction.parts import PARTS
from egic.reproduction.plans import SCALES
from egic.reproduction.registry import EXPERIMENTS
from egic.reproduction.runner import COUNTED, listing
from egic.reproduction.stages import STAGES, in_order
from egic.reproduction.verdicts import compare, percentages, relative
from hific.evaluation import published

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORK = pathlib.Path("work")
ALL = [*(f"table{i}" for i in range(1, 9)), *(f"fig{i}" for i in range(1, 31))]


def _wrong(name):
    """(row, column) of the percentages that do not follow from the numbers."""
    lines = percentages(EXPERIMENTS[name], EXPERIMENTS)
    return {(line.row, line.column): line for line in lines if not line.fits}


def test_every_table_and_figure_of_the_paper_has_a_name():
    assert list(EXPERIMENTS) == ALL


@pytest.mark.parametrize("name", ["table7", "Table 7", "TABLE7"])
def test_names_are_found_however_they_are_written(name):
    assert registry.find(name).name == "table7"
    assert registry.find("Figure 5").name == "fig5"


def test_an_unknown_name_is_answered_with_those_that_come_near():
    with pytest.raises(ValueError, match="table1 to table8.*Did you mean table"):
        registry.find("tabel7")


def test_every_name_in_the_data_leads_somewhere():
    makers = {"comparison", *COUNTED, *DRAWINGS}
    for experiment in EXPERIMENTS.values():
        assert experiment.maker in makers
        assert not experiment.measured_on or experiment.measured_on in DATASETS
        assert set(experiment.all_needs()) <= set(PARTS)
        assert set(experiment.stages) | set(experiment.smoke_stages) <= set(STAGES)
        assert len({row.key for row in experiment.rows}) == len(experiment.rows)
        for row in experiment.rows:
            assert {row.stage, row.interpolate_from} - {""} <= set(STAGES)
            assert set(row.published) <= {column.key for column in experiment.columns}
    for stage in STAGES.values():
        assert {stage.init_from, stage.discriminator} - {""} <= set(STAGES)
        assert stage.cost in costs.STEPS
        assert min(stage.recipe) > 0


def test_relative_numbers_are_percent_of_the_reference():
    assert relative(30.0, 40.0) == pytest.approx(-25.0)
    assert relative(112.29, 10.62) == pytest.approx(957.34, abs=0.01)


def test_table_1_recomputes_to_what_is_printed_but_for_one_rounding():
    lines = {
        (line.row, line.column): line
        for line in percentages(EXPERIMENTS["table1"], EXPERIMENTS)
    }
    assert len(lines) == 18
    wrong = _wrong("table1")
    assert list(wrong) == [("conf-d-cat", "psnr")]
    assert wrong["conf-d-cat", "psnr"].printed == -9.5
    assert wrong["conf-d-cat", "psnr"].value == pytest.approx(-9.39, abs=0.005)
    for key, line in lines.items():
        if key not in wrong:
            assert line.value == pytest.approx(line.printed, abs=0.06)


def test_row_d_of_table_6_is_of_the_u_net_with_projection():
    wrong = _wrong("table6")
    assert set(wrong) == {("conf-d", "psnr"), ("conf-d", "fid")}
    for line in wrong.values():
        assert list(line.fits_instead) == ["table1/conf-c-proj"]
    assert wrong["conf-d", "psnr"].value == pytest.approx(0.84, abs=0.01)
    assert wrong["conf-d", "fid"].value == pytest.approx(-56.87, abs=0.01)
    reference = EXPERIMENTS["table1"].row("conf-c-proj").published
    assert relative(29.89, reference["psnr"]) == pytest.approx(1.7, abs=0.05)
    assert relative(21.85, reference["fid"]) == pytest.approx(-29.1, abs=0.05)


def test_the_study_agrees_with_the_published_points_that_plots_show():
    points = {
        (round(row.psnr, 2), round(row.fid, 2)) for row in published.load("cityscapes")
    }
    for name in ("table1", "table2", "table5", "table6", "table8"):
        for row in EXPERIMENTS[name].rows:
            assert (row.published["psnr"], row.published["fid"]) in points


@pytest.mark.parametrize(
    "ours, verdict",
    [(10.9, "within"), (9.1, "within"), (11.1, "outside"), (8.9, "outside")],
)
def test_the_wider_half_of_a_band_decides(ours, verdict):
    column = Column("fid", "FID", ".2f", Band(absolute=0.5, percent=10))
    found = compare(column, 10.0, ours)
    assert found.verdict == verdict
    assert found.percent == pytest.approx(10 * (ours - 10))
    assert compare(column, 2.0, 2.45).verdict == "within"


def test_exact_columns_are_equal_when_they_print_alike():
    column = Column("P", "P", ".1f", exact=True)
    assert compare(column, 9.1, 9.139).verdict == "equal"
    assert compare(column, 14.4, 14.278).verdict == "differs"
    assert compare(column, 14.4, None).verdict == ""


def test_runs_come_after_those_they_start_from_and_once():
    names = [stage.name for stage in in_order(["egic-1-orp", "egic-1-I", "study-f"])]
    assert names == [
        "egic-1",
        "oasis-coco",
        "egic-1-I",
        "egic-1-orp",
        "hific-lo",
        "deeplab-cityscapes",
        "study-f",
    ]


def _commands(name, scale):
    return plans.commands(EXPERIMENTS[name], SCALES[scale], WORK)


def test_a_paper_scale_plan_names_published_presets_data_and_steps():
    stage1, critic, stage2, *_, measure = map(str, _commands("fig1", "paper"))
    assert stage1.startswith("python train_stage1.py --config=egic/config.py:egic-1.5 ")
    assert "--steps=2000000 --batch_size=16" in stage1
    assert critic.startswith("python pretrain_discriminator.py")
    assert "--strategy=I" in stage2 and "--discriminator=work/runs/oasis-coco" in stage2
    assert "--model=egic-1.5-orp=work/runs/egic-1.5-orp" in measure
    assert "--images=$DATA/clic2020 --alpha=0,0.17,0.33,0.5,0.67,0.83,1" in measure


def test_a_smoke_plan_has_the_same_runs_with_tiny_presets_and_painted_scenes():
    paper, smoke = (_commands("table1", scale) for scale in ("paper", "smoke"))
    assert [command.name for command in paper][:-1] == [c.name for c in smoke][:-1]
    training = [str(command) for command in smoke if command.name.startswith("train")]
    assert all("tiny" in command and "$DATA" not in command for command in training)


def test_rows_of_missing_parts_are_not_planned():
    assert _commands("table6", "paper") == []
    assert not any("sesame" in command.name for command in _commands("table1", "paper"))


def test_smoke_scale_shows_two_rates_of_a_figure_that_has_six():
    assert len(plans.stages_of(EXPERIMENTS["fig5"], SCALES["paper"])) == 6 * 3 + 4 + 1
    names = [s.name for s in plans.stages_of(EXPERIMENTS["fig5"], SCALES["smoke"])]
    assert {"egic-2-orp", "egic-0.1-orp"} < set(names) and "egic-1" not in names


def test_gpu_hours_by_hand():
    stage = STAGES["oasis-coco"]  # 1 M steps of 16 crops, D forward and trained: 3.
    flops = 1e6 * 16 * 3 * costs.FORWARD["OASIS"]
    gpu = costs.Gpu("toy", 1e15)
    assert costs.hours(stage, gpu, 0.5) == pytest.approx(flops / 0.5e15 / 3600)
    measured = costs.Measured(seconds=2.0, crops=1, share=0.5)
    assert costs.hours_here(stage, measured) == pytest.approx(1e6 * 16 * 2 / 3600)


def test_the_list_says_what_each_can_do():
    cells = {row[0]: row[3] for row in listing().blocks[0].rows}
    assert list(cells) == ALL
    assert cells["table7"] == cells["table3"] == "exact, now"
    assert cells["fig2"] == "drawn by hand, no program"
    assert cells["fig15"] == "need: unet"
    assert "need: patchgan, sesame, unet, projected" in cells["table1"]


def test_a_document_is_written_for_people_and_for_programs(tmp_path):
    block = Block("Title", ("a\nb", "c"), [["1|2", "3"]], ("Note.",), ("run it",))
    document = Document("x", "An x", "smoke", [block], {"n": 1}, {"x.png": b"png"})
    names = [path.name for path in write(document, tmp_path / "out")]
    assert names == ["x.md", "x.json", "x.png"]
    assert json.loads((tmp_path / "out" / "x.json").read_text())["n"] == 1
    text = markdown(document)
    assert "| a b | c |\n| --- | --- |\n| 1\\|2 | 3 |" in text
    assert "![x.png](x.png)" in text and "- Note." in text and "run it" in text


_LABELLED = {
    prefix + name
    for prefix in ("", "val_")
    for name in ("records", "images", "labels", "tfds", "synthetic")
}
_PRESETS = {
    "egic/config.py": egic.config.PRESETS,
    "hific/config.py": egic.config.PRESETS,
    "egic/pretraining_config.py": egic.pretraining_config.PRESETS,
    "egic/stage2_config.py": egic.stage2_config.PRESETS,
    "egic/orp_config.py": egic.orp_config.PRESETS,
}


@pytest.mark.parametrize("scale", list(SCALES))
def test_every_planned_command_has_flags_that_its_script_knows(scale):
    planned = {
        command
        for experiment in EXPERIMENTS.values()
        for command in plans.commands(experiment, SCALES[scale], WORK)
    }
    assert len(planned) > 40
    for command in planned:
        script, *words = command.argv
        source = (ROOT / script).read_text()
        known = set(re.findall(r'DEFINE_\w+\(\s*"(\w+)"', source))
        preset = None
        for word in words:
            name, equals, value = word.removeprefix("--").partition("=")
            assert equals, command
            if name == "config":
                file, _, chosen = value.partition(":")
                preset = _PRESETS[file][chosen]
            if name.startswith("config."):
                functools.reduce(getattr, name.split(".")[1:], preset)
            else:
                assert name in known | _LABELLED, f"{script} --{name}"
