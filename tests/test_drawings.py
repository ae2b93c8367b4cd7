"""The drawings in the documents are what their programs draw now."""

import copy
import json
import re

import pytest

from drawings import architecture, charts, curves
from egic import codec
from egic.config import PRESETS
from hific.network_config import HeadConfig


@pytest.mark.parametrize("name", ["codec", "slices", "discriminator"])
def test_the_architecture_is_drawn_from_todays_configs(name):
    committed = (architecture.FOLDER / f"{name}.svg").read_text()
    assert committed == architecture.drawings()[name]


@pytest.mark.parametrize("name", ["codec", "slices", "discriminator"])
def test_nothing_is_drawn_outside_of_the_picture(name):
    svg = architecture.drawings()[name]
    width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    boxes = re.findall(
        r'class="box" x="([\d.]+)" y="([\d.]+)" width="(\d+)" height="(\d+)"', svg
    )
    for box in boxes:
        x, y, across, down = map(float, box)
        assert min(x, y) >= 0 and x + across <= width and y + down <= height


def test_the_parameters_in_the_page_of_the_architecture_are_counted():
    config = copy.deepcopy(PRESETS["egic"])
    config.head = HeadConfig(stages=1)
    model = codec.build_model(config)
    prior = model.prior
    parts = [
        model.analysis.trainable_variables,
        [
            *prior.hyper_analysis.trainable_variables,
            *prior.hyper_synthesis.trainable_variables,
        ],
        prior.density.trainable_variables,
        prior.walk.trainable_variables,
        model.synthesis.trainable_variables,
        model.head.trainable_variables,
    ]
    counted = [sum(v.shape.num_elements() for v in part) for part in parts]
    table = (architecture.FOLDER.parent / "architecture.md").read_text()
    rows = re.findall(r"^\| .* \| ([\d,]+) \|$", table, re.M)
    assert [int(row.replace(",", "")) for row in rows] == counted


def test_the_page_of_curves_is_what_its_numbers_draw():
    folder = curves.DOCS / "curves"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert curves.draw(folder) == (curves.DOCS / "curves.md").read_text()
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


@pytest.fixture
def run(tmp_path):
    """Of stage 3: 300 lines, stopped after the 100th."""
    lines = [
        {"step": 10 * i, "seconds": i if i <= 100 else i - 100, "head/psnr": 20 + i}
        for i in range(1, 301)
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_the_seconds_of_a_run_that_was_stopped_are_added_up(run):
    assert curves.read(run)[-1]["seconds"] == 300


def test_a_stage_is_told_by_its_metrics(run):
    assert curves.stage_of(curves.read(run)) == "stage3"
    with pytest.raises(ValueError, match="No stage logs loss"):
        curves.stage_of([{"loss": 1.0}])


def test_a_curve_is_thinned_to_means_that_end_at_its_last_step(run, tmp_path):
    path = tmp_path / "stage3-toy.csv"
    curves.write(path, curves.read(run))
    points = curves.load(path)["head/psnr"]
    assert len(points) == 100 and points[-1] == (3000, pytest.approx(319))
    assert curves.load(path)["seconds"] == [(3000, 300)]


def test_what_does_not_count_yet_is_left_out(tmp_path):
    path = tmp_path / "stage1-toy.csv"
    rows = [
        {"step": step, "seconds": step, "generator/lpips": lpips}
        for step, lpips in enumerate((0.0, 0.0, 0.5, 0.0, 0.25))
    ]
    curves.write(path, rows)
    assert curves.load(path)["generator/lpips"] == [(2, 0.5), (3, 0), (4, 0.25)]


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (26.7, 28.4, [26.5, 27, 27.5, 28, 28.5]),
        (3.0, 3.0, [0, 5]),
    ],
)
def test_ticks_are_round_and_span_the_values(low, high, expected):
    assert charts.ticks(low, high) == pytest.approx(expected)


def test_a_chart_names_each_of_several_lines():
    lines = [charts.Line(name, [0, 10], [1, 2]) for name in ("one", "two & more")]
    svg = charts.chart("bits", lines)
    assert svg.count("<polyline") == 4 and ">two &amp; more<" in svg


def test_a_chart_of_nothing_is_refused():
    with pytest.raises(ValueError, match="'bits' has no points"):
        charts.chart("bits", [charts.Line("none", [], [])])


def test_few_values_are_drawn_as_they_are_and_many_as_means():
    assert charts.smooth([1.0, 5.0, 3.0]) == [1.0, 5.0, 3.0]
    assert charts.smooth([float(i) for i in range(50)])[25] == 25.0
