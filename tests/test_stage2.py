"""Runs of EGIC's second stage from run directories made on the spot."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal

import numpy as np
import pytest

from deeplab2_tf import labels
from deeplab2_tf.synthetic import Scenes
from egic import codec, figures, stage2, stored
from egic.discriminators import build
from egic.pretraining_config import DiscriminatorConfig, OasisConfig
from egic.stage2_config import AdamConfig, GeneratorWeights, Stage2Config
from hific import checkpoints, loop, run_directory, tables
from hific.names import named_variables
from tests.stage_runs import CODECS, DATA, codec_run, discriminator_run
from tests.toy_codec import CHANNELS, ToyCodec, ToyConfig

SETTINGS = stage2.Settings(
    data_threads=1, log_every=1, images_every=2, checkpoint_every=2
)
NOWHERE = pathlib.Path("nowhere")
OUTPUTS = labels.load("synthetic").num_outputs


def tiny(**fields):
    values = {
        "strategy_1": GeneratorWeights(0.01, 0.0, 0.3),
        "data": dataclasses.replace(DATA),
        "optimizer": AdamConfig(1e-3, 1e-3, ema_decay=0.5),
        "steps": 2,
        "batch_size": 1,
    }
    return Stage2Config(**values | fields)


def scenes():
    return Scenes(6, seed=0, size=(64, 64))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Name -> run directory of both codecs, and of a discriminator."""
    root = tmp_path_factory.mktemp("runs")
    made = {name: codec_run(root / name, config) for name, config in CODECS.items()}
    return made | {"critic": discriminator_run(root / "critic", "synthetic", OUTPUTS)}


def prepare(
    runs, config=None, backbone="hific", discriminator="critic", workdir=NOWHERE
):
    origin = run_directory.Origin(
        str(runs.get(backbone, "")), str(runs.get(discriminator, ""))
    )
    return stage2.prepare(config or tiny(), origin, workdir, SETTINGS)


def run(runs, workdir, config=None, backbone="hific"):
    start = prepare(runs, config, backbone, workdir=workdir)
    stage2.record(start, scenes(), workdir)
    stage2.train(start, scenes(), workdir, SETTINGS)
    return start


def compressed(config, model):
    """What a codec around the model writes for a picture."""
    picture = np.random.default_rng(5).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    built = codec.build_codec(config, model, tables.build(model.prior.density))
    return built.compress(picture)


@pytest.fixture(scope="module", params=CODECS)
def trained(request, runs, tmp_path_factory):
    """Backbone, and the run directory of two steps."""
    workdir = tmp_path_factory.mktemp("trained") / request.param
    run(runs, workdir, backbone=request.param)
    return request.param, workdir


def test_files_stay_as_they_were_while_their_pictures_change(runs, trained):
    backbone, workdir = trained
    config, models = CODECS[backbone], {}
    for name, directory in (("before", runs[backbone]), ("after", workdir)):
        models[name] = codec.build_model(config)
        checkpoints.load_weights(directory, models[name])
    assert compressed(config, models["before"]) == compressed(config, models["after"])
    before, after = (named_variables(models[name]) for name in ("before", "after"))
    for name, variable in before.items():
        same = np.array_equal(variable, after[name])
        assert same == (not name.startswith("synthesis.")), name


def test_what_reads_a_codecs_run_reads_this_one(trained, tmp_path):
    _, workdir = trained
    codec.export(workdir, tmp_path)
    assert isinstance(stored.load(tmp_path), codec.Codec)


def test_the_run_directory_tells_the_experiment_and_every_term(trained):
    _, workdir = trained
    stage = json.loads((workdir / "stage.json").read_text())
    assert (stage["kind"], stage["strategy"]) == ("Stage2Config", "I")
    assert stage["discriminator"]["oasis"]["down"] == [4, 6]
    assert stage["discriminator"]["conditioning"] == "projection"
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    logged = set(json.loads(lines[0]))
    terms = {"real", "fake", "consistency", "total", "gradient_norm", "applied"}
    assert {f"discriminator/{name}" for name in terms} <= logged
    terms = {"distortion", "adversarial", "total", "gradient_norm", "hard_bpp", "psnr"}
    assert {f"generator/{name}" for name in terms} <= logged


def test_the_discriminator_starts_pre_trained_but_for_its_conditioning(runs):
    ours = named_variables(prepare(runs).critic)
    theirs = named_variables(build.load_pretrained(runs["critic"])[0])
    for name, variable in theirs.items():
        np.testing.assert_array_equal(ours.pop(name), variable)
    assert all(name.startswith("conditioning.") for name in ours) and ours


def test_new_layers_get_their_scale_from_the_first_batch_and_old_ones_keep_it(
    runs,
):
    start = prepare(runs)
    layer = start.critic.conditioning.conv
    old = start.critic.trunk.down[0].conv_0.gain.numpy()
    assert not layer.calibrated
    batches = stage2.LabelledBatches(scenes(), start.config.data, 2, threads=1)
    stage2._start_from_data(start.model, start.critic, batches, 1)
    assert layer.calibrated
    np.testing.assert_array_equal(start.critic.trunk.down[0].conv_0.gain, old)


def test_without_a_pre_trained_discriminator_its_weights_are_new(runs):
    config = tiny(
        discriminator=DiscriminatorConfig(oasis=OasisConfig(down=(4,), up=(4,)))
    )
    start = prepare(runs, config, discriminator="nothing")
    assert len(start.critic.trunk.down) == 1
    assert "a discriminator with new weights" in start.said


def state(start):
    named = named_variables(start.model) | {
        f"D.{name}": variable
        for name, variable in named_variables(start.critic).items()
    }
    return {name: variable.numpy() for name, variable in named.items()}


def test_a_resumed_run_equals_one_that_never_stopped(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(stage2, "load_codec", lambda *_: (ToyConfig(), toy_codec(), 7))
    config = tiny(steps=4)
    straight = state(run(runs, tmp_path / "a", config))
    with monkeypatch.context() as patch:
        stops = loop.Occasion(2, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        patch.setattr(figures, "judged_pictures", lambda *_: stops)
        with pytest.raises(loop.Interrupted, match="step 2 of 4"):
            run(runs, tmp_path / "b", config)
    resumed = state(run(runs, tmp_path / "b", config))
    assert straight.keys() == resumed.keys()
    for name, value in straight.items():
        np.testing.assert_array_equal(value, resumed[name], name)


def test_a_run_goes_on_when_what_it_started_from_is_gone(runs, tmp_path):
    copies = {
        name: shutil.copytree(runs[name], tmp_path / name)
        for name in ("hific", "critic")
    }
    first = prepare(copies, workdir=tmp_path / "run")
    stage2.record(first, scenes(), tmp_path / "run")
    stage2.train(first, scenes(), tmp_path / "run", SETTINGS)
    for path in copies.values():
        shutil.rmtree(path)
    origin = run_directory.origin(tmp_path / "run", None)
    assert origin == first.origin
    again = stage2.prepare(tiny(), origin, tmp_path / "run", SETTINGS)
    assert again.config.discriminator == first.config.discriminator
    stage2.record(again, scenes(), tmp_path / "run")


def test_the_origin_of_a_run_is_not_another(runs, tmp_path):
    stage2.record(prepare(runs), scenes(), tmp_path)
    with pytest.raises(ValueError, match="discriminator was '.*critic', now ''"):
        stage2.record(prepare(runs, discriminator="none"), scenes(), tmp_path)


def toy_codec():
    toy = ToyCodec()
    toy.channels = CHANNELS
    return toy


@pytest.mark.parametrize(
    "fields, complaint",
    [
        ({"strategy": "III"}, "No strategy 'III'; there are I, II"),
        ({"reduction": "sum"}, "No reduction 'sum'"),
        ({"labelmix_scope": "world"}, "No labelmix_scope 'world'"),
        ({"data": dataclasses.replace(DATA, label_set="moon")}, "No label set 'moon'"),
        (
            {"data": dataclasses.replace(DATA, label_set="camvid")},
            "critic has label set 'synthetic', the config 'camvid'",
        ),
        (
            {"discriminator": DiscriminatorConfig(conditioning="concat")},
            "pre-trained discriminator does not fit: .*of another shape: trunk",
        ),
        (
            {"data": dataclasses.replace(DATA, crop=(64, 100))},
            r"multiples of 64, .* got \(64, 100\)",
        ),
        (
            {"data": dataclasses.replace(DATA, crop=(64, 64, 64, 64))},
            "data.crop must be a height and a width, .*was it given twice",
        ),
        (
            {"data": dataclasses.replace(DATA, pixel_weights="size")},
            "No data.pixel_weights 'size'",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(runs, fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        prepare(runs, tiny(**fields))


@pytest.mark.parametrize(
    "backbone, beta, warned",
    [
        ("hific", 0.30, "0.15"),
        ("egic", 0.15, "0.3"),
        ("hific", 0.15, ""),
        ("egic", 1.0, ""),
    ],
)
def test_the_beta_of_the_other_codec_is_warned_of(runs, caplog, backbone, beta, warned):
    config = tiny(strategy_1=GeneratorWeights(0.01, 0.0, beta))
    prepare(runs, config, backbone)
    said = [one for one in caplog.messages if "strategy_1.adversarial=" in one]
    assert bool(said) == bool(warned)
    assert all(f"strategy_1.adversarial={warned}," in one for one in said)


def test_a_crop_that_the_discriminator_cannot_halve_is_refused(runs):
    deep = OasisConfig(down=(4,) * 7, up=(4,) * 7)
    config = tiny(discriminator=DiscriminatorConfig(oasis=deep))
    with pytest.raises(ValueError, match=r"\(=64x64\) must be multiples of 128"):
        prepare(runs, config, discriminator="nothing")


def test_runs_that_are_missing_are_named(runs, tmp_path):
    with pytest.raises(ValueError, match="nowhere/config.json does not exist"):
        prepare({"hific": tmp_path / "nowhere"})
    with pytest.raises(ValueError, match="the --workdir of a pre-training"):
        prepare(runs | {"critic": tmp_path})
    (tmp_path / "config.json").write_bytes((runs["hific"] / "config.json").read_bytes())
    with pytest.raises(ValueError, match="holds no valid checkpoint"):
        prepare({"hific": tmp_path})


def test_a_directory_holds_one_run(runs, tmp_path):
    stage2.record(prepare(runs), scenes(), tmp_path)
    with pytest.raises(ValueError, match="strategy was 'I', now 'II'"):
        stage2.record(prepare(runs, tiny(strategy="II")), scenes(), tmp_path)
    with pytest.raises(ValueError, match="seed was 0, now 3"):
        stage2.record(prepare(runs), scenes(), tmp_path, 3)
    with pytest.raises(ValueError, match="init_from was '.*hific', now '.*egic'"):
        stage2.record(prepare(runs, backbone="egic"), scenes(), tmp_path)
    with pytest.raises(ValueError, match="a run of another stage"):
        stage2.record(prepare(runs), scenes(), runs["hific"])


def test_a_source_with_other_labels_is_refused_before_anything_is_written(
    runs, tmp_path
):
    moon = scenes()
    moon.label_set = labels.load("camvid")
    with pytest.raises(ValueError, match="source of pictures has label set 'camvid'"):
        stage2.record(prepare(runs), moon, tmp_path)
    assert not list(tmp_path.iterdir())
