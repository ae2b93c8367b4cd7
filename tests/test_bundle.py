import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy

import egic
from egic import cli, codec, selftest
from hific import bundle, config, tables
from hific.errors import ModelLoadError
from hific.names import copy_variables, named_variables
from tests import micro_codec
from tests.stage_runs import codec_run

VALUES = np.array([1.0, 0.1, -(2.0**-24), 65504.0], np.float32)
HALVES = np.array([1.0, 0.0999755859375, -(2.0**-24), 65504.0], np.float32)


def _say(folder, storage) -> None:
    """Changes what the manifest says of weights."""
    path = folder / bundle.MANIFEST
    manifest = json.loads(path.read_text())
    del manifest["storage"]
    said = {} if storage is None else {"storage": storage}
    path.write_text(json.dumps(manifest | said))


def test_halves_are_stored_as_such_and_read_as_float32(tmp_path):
    bundle.write(tmp_path, {}, {"a": HALVES}, {}, "float16")
    stored = safetensors.numpy.load_file(tmp_path / "weights.safetensors")["a"]
    assert stored.dtype == np.float16
    found = bundle.read(tmp_path).weights["a"]
    assert found.dtype == np.float32 and found.tolist() == HALVES.tolist()
    assert json.loads((tmp_path / "manifest.json").read_text())["storage"] == "float16"


def test_weights_that_were_not_rounded_before_are_not_stored_as_halves(tmp_path):
    assert bundle.rounded("a", VALUES, "float16").astype(np.float32).tolist() == (
        HALVES.tolist()
    )
    with pytest.raises(ValueError, match="a is no float16: round weights before"):
        bundle.write(tmp_path / "out", {}, {"a": VALUES}, {}, "float16")
    assert not (tmp_path / "out").exists()
    bundle.write(tmp_path / "out", {}, {"a": VALUES}, {})
    assert bundle.read(tmp_path / "out").weights["a"].tolist() == VALUES.tolist()


def test_what_no_half_holds_is_refused_and_nan_is_kept():
    with pytest.raises(ValueError, match="a holds 65536, beyond the largest float16"):
        bundle.rounded("a", np.array([0.0, -65536.0], np.float32), "float16")
    odd = np.array([np.nan, np.inf], np.float32)
    np.testing.assert_array_equal(bundle.rounded("a", odd, "float16"), odd)
    with pytest.raises(ValueError, match="No storage 'float8'; there are float32, fl"):
        bundle.rounded("a", VALUES, "float8")


def test_the_id_is_of_the_files_alone_and_old_manifests_are_read(tmp_path):
    """A bundle that was written when there was no choice says nothing of storage."""
    sha256 = bundle.write(tmp_path, {"n": 1}, {"a": VALUES}, {})
    _say(tmp_path, None)
    assert bundle.read(tmp_path).sha256 == sha256
    # The same by the first release.
    assert sha256[:8] == "e051b5c1"


@pytest.mark.parametrize(
    "storage, complaint",
    [
        ("float32", "a in .* is float16, not float32"),
        (None, "a in .* is float16, not float32"),
        ("int64", "stored as int64, this version reads float32 and float16"),
        (7, "stored as 7"),
        (["float16"], "is no manifest of a model"),
    ],
)
def test_weights_that_are_not_what_the_manifest_says_are_refused(
    tmp_path, storage, complaint
):
    bundle.write(tmp_path, {}, {"a": HALVES}, {}, "float16")
    _say(tmp_path, storage)
    with pytest.raises(ModelLoadError, match=complaint):
        bundle.read(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of the micro codec, its bundle by `egic export` in halves, and the rest."""
    root = tmp_path_factory.mktemp("halves")
    run, out = codec_run(root / "run", micro_codec.CONFIG), root / "out"
    arguments = ["export", f"--workdir={run}", f"--out={out}", "--storage=float16"]
    assert cli.main(arguments) == 0
    return run, out


def test_export_rounds_before_it_builds_tables_and_vectors(trained):
    run, out = trained
    exact = run.parent / "exact"
    codec.export(run, exact)
    found, before = bundle.read(out), bundle.read(exact)
    assert found.sha256 != before.sha256
    for name, value in before.weights.items():
        halves = value.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(found.weights[name], halves)
    # Tables are those of the rounded density,
    density = codec.build_model(micro_codec.CONFIG).prior.density
    for name, variable in named_variables(density).items():
        variable.assign(found.weights[f"prior.density.{name}"])
    for name, array in dataclasses.asdict(tables.build(density)).items():
        np.testing.assert_array_equal(found.tables[name], array)
    # and vectors decode to the bit with what was loaded.
    vectors = selftest.read_vectors(out)[:4]
    rows = selftest.run_here(egic.load(out), vectors)
    assert [row.mismatches for row in rows.values()] == [0] * 4


def test_a_bundle_of_halves_is_half_as_large(trained):
    out = trained[1]
    count = sum(value.size for value in bundle.read(out).weights.values())
    size = (out / "weights.safetensors").stat().st_size
    assert 2 * count < size < 2.5 * count


def test_export_says_which_weight_is_too_large(tmp_path, monkeypatch, capsys):
    model = codec.build_model(micro_codec.CONFIG)
    copy_variables(micro_codec.model(), model)
    model.analysis.embed.bias[0].assign(1e5)
    monkeypatch.setattr(codec, "build_model", lambda config: model)
    monkeypatch.setattr(codec.checkpoints, "load_weights", lambda *_, **__: None)
    config.save(micro_codec.CONFIG, tmp_path / "config.json")
    out = tmp_path / "out"
    arguments = ["export", f"--workdir={tmp_path}", f"--out={out}"]
    assert cli.main([*arguments, "--storage=float16"]) == 2
    assert "analysis.embed.bias holds 100000, beyond the" in capsys.readouterr().err
    assert not out.exists()


def test_the_command_offers_every_storage():
    assert tuple(bundle.STORAGES) == cli.STORAGES
