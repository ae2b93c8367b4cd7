import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import hific.config
from egic import codec, measured
from hific.checkpoints import Checkpoints
from hific.errors import ModelLoadError
from hific.evaluation import subjects
from hific.evaluation.store import digest
from hific.images import write_png
from hific.network_config import HeadConfig
from tests import micro_codec

GOLDEN = pathlib.Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "micro"
    return folder, codec.save(micro_codec.CONFIG, micro_codec.model(), folder)


def _save_run(folder, step):
    hific.config.save(micro_codec.CONFIG, folder / "config.json")
    counted = tf.Variable(step, dtype=tf.int64)
    model = micro_codec.model()
    Checkpoints(folder, step=counted, model=model).save(step)


def test_a_model_alone_is_called_model_and_several_as_their_folders():
    assert measured.models(["a/egic"]) == [measured.Model("model", "a/egic")]
    found = measured.models(["a/egic", "b/egic", "x=c/egic", "v1.5"])
    assert [model.label for model in found] == ["egic", "egic-2", "x", "v1.5"]
    assert [model.path for model in found] == ["a/egic", "b/egic", "c/egic", "v1.5"]


def test_an_equals_sign_in_a_folder_is_no_label(tmp_path):
    folder = tmp_path / "lr=1"
    folder.mkdir()
    assert measured.models([str(folder)])[0].path == str(folder)
    labelled = measured.models([f"x={folder}"])[0]
    assert (labelled.label, labelled.path) == ("x", str(folder))


def test_two_models_of_one_label_are_refused():
    with pytest.raises(ValueError, match="--model=x=a,x=b gives two models one label"):
        measured.models(["x=a", "x=b"])


def test_members_of_a_family_share_a_curve_at_each_alpha(bundle):
    folder = bundle[0]
    wanted = measured.Measured(
        images="",
        out="",
        models=measured.models([f"m/lo={folder}", f"m/hi={folder}"]),
        baselines=["jpeg"],
    )
    subjects = measured.build(wanted).subjects
    assert [each.name for each in subjects] == [
        "m/lo",
        "m/hi",
        "jpeg at m/lo's bytes",
        "jpeg at m/hi's bytes",
    ]
    assert {each.family for each in subjects} == {"m", "jpeg matched"}


def test_a_bundle_is_known_by_its_hash_and_a_run_by_its_newest_checkpoint(
    bundle, tmp_path
):
    assert measured.identify(str(bundle[0])) == bundle[1]
    _save_run(tmp_path, 1)
    first = measured.identify(str(tmp_path))
    assert measured.identify(str(tmp_path)) == first
    _save_run(tmp_path, 2)
    assert measured.identify(str(tmp_path)) != first


def test_a_run_is_measured_as_the_bundle_that_is_made_of_it(bundle, tmp_path):
    _save_run(tmp_path, 1)
    run, packed = (
        measured.open_model(measured.Model("m", str(folder)))
        for folder in (tmp_path, bundle[0])
    )
    picture = micro_codec.picture()
    bits = [each.compress_with_report(picture)[1].ideal_bits for each in (run, packed)]
    assert bits[0] == bits[1] > 0


def test_the_payload_of_a_tiled_file_is_its_streams(bundle):
    """What the golden file's table and checksums take is not payload."""
    wanted = measured.Measured("", "", measured.models([str(bundle[0])]), (1.0,))
    (subject,) = measured.build(wanted).subjects
    data = (GOLDEN / "bitstream_v1_tiled.egic").read_bytes()
    assert subject.payload_bytes(data) == 0 + 1 + 127 + 128 + 300 + 17


@pytest.mark.parametrize("folder", ["absent", "run"])
def test_a_folder_without_a_model_is_refused(tmp_path, folder):
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    with pytest.raises(ModelLoadError, match=folder):
        measured.identify(str(tmp_path / folder))


def test_alphas_and_weights_decide_what_is_measured_again(bundle):
    model = measured.models([str(bundle[0])])
    one, other = (
        measured.build(measured.Measured("", "", model, alphas)).described()[0]
        for alphas in ((1.0,), (0.0, 1.0))
    )
    assert one.name == other.name and one.fingerprint != other.fingerprint


def test_beside_others_a_model_of_one_picture_is_measured_at_alpha_1_alone(
    bundle, tmp_path
):
    headed = dataclasses.replace(micro_codec.CONFIG, head=HeadConfig(stages=1))
    hific.config.save(headed, tmp_path / "config.json")
    plain, other = measured.models([f"plain={bundle[0]}", f"headed={tmp_path}"])

    def alphas(model, models, wanted):
        return measured.alphas_of(model, measured.Measured("", "", models, wanted))

    assert alphas(plain, [plain, other], (0.0, 0.5, 1.0)) == (1.0,)
    assert alphas(other, [plain, other], (0.0, 0.5, 1.0)) == (0.0, 0.5, 1.0)
    assert alphas(plain, [plain, other], (0.0,)) == (0.0,)  # Which it will refuse.
    assert alphas(plain, [plain], (0.0, 1.0)) == (0.0, 1.0)  # As well.
    between = plain._replace(first="x")
    assert alphas(between, [between, other], (0.0, 1.0)) == (0.0, 1.0)


def test_a_run_that_goes_on_is_not_measured_as_what_it_was(tmp_path):
    _save_run(tmp_path, 1)
    wanted = measured.identified(
        measured.Measured("", "", measured.models([str(tmp_path)]))
    )
    (model,) = wanted.models
    assert measured.open_model(model).stride > 0
    _save_run(tmp_path, 2)
    assert measured.identified(wanted) == wanted
    with pytest.raises(ModelLoadError, match="has changed since the evaluation began"):
        measured.open_model(model)


def test_a_curve_and_the_bytes_of_all_models_share_the_files_of_a_baseline(bundle):
    wanted = measured.Measured(
        images="",
        out="",
        models=measured.models([f"a={bundle[0]}", f"b={bundle[0]}"]),
        baselines=["jpeg"],
        curves=["jpeg"],
    )
    files = [
        each.files
        for each in measured.build(wanted).subjects
        if isinstance(each, subjects.Matched | subjects.Sweep)
    ]
    assert len(files) == 3 and len({id(each) for each in files}) == 1


def test_pictures_that_come_or_go_meanwhile_do_not_shift_the_others(tmp_path):
    for name in ("b", "c"):
        write_png(tmp_path / f"{name}.png", np.full((40, 40, 3), ord(name), np.uint8))
    wanted = measured.Measured(str(tmp_path), str(tmp_path / "out"), curves=["jpeg"])
    named = [str(tmp_path / f"{name}.png") for name in "bcd"]
    write_png(tmp_path / "a.png", np.zeros((40, 40, 3), np.uint8))
    work = measured.work(wanted, named)
    assert work(0)[0].startswith("b: jpeg curve")
    (stored,) = (tmp_path / "out/pictures/b").glob("jpeg_curve*.json")
    pixels = json.loads(stored.read_text())["pixels"]
    assert pixels == digest(np.full((40, 40, 3), ord("b"), np.uint8))
    with pytest.raises(FileNotFoundError, match="is gone by now.*d.png"):
        work(2)
