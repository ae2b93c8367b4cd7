import dataclasses
import hashlib
import json
import pathlib

import numpy as np
import pytest

from egic import cli, codec, configurations, default_model, selftest, stored
from egic.configurations import CONFIGURATIONS
from hific import conformance, memory, patterns
from hific.errors import ModelLoadError
from tests import flipping_decoder, micro_codec

FLIPPING = flipping_decoder.__name__


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "micro"
    codec.save(micro_codec.CONFIG, micro_codec.model(), folder)
    selftest.write_vectors(folder)
    return folder


@pytest.fixture(scope="module")
def vectors(bundle):
    return selftest.read_vectors(bundle)


def _run(*arguments) -> int:
    return cli.main(["selftest", *map(str, arguments)])


def _damaged(bundle, tmp_path, change):
    """A bundle whose list of vectors is another."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in bundle.rglob("*"):
        target = folder / path.relative_to(bundle)
        target.parent.mkdir(exist_ok=True)
        if path.is_file():
            target.write_bytes(path.read_bytes())
    path = folder / "conformance" / "conformance.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return folder


def test_vectors_decode_where_they_were_made(bundle, capsys):
    assert _run("--model", bundle) == 0
    out = capsys.readouterr().out
    for name in patterns.VECTORS:
        assert f"  {name} " in out
    assert f"{len(patterns.VECTORS)} decoded, 0 mismatches\n" in out


def test_without_a_model_the_program_tests_its_own(bundle, capsys, monkeypatch):
    monkeypatch.delenv("EGIC_MODEL", raising=False)
    monkeypatch.setattr(default_model, "PATH", bundle)
    assert _run() == 0
    out = capsys.readouterr().out
    assert f"{bundle}: {len(patterns.VECTORS)} vectors\n" in out


def test_every_model_of_a_folder_is_tested(bundle, capsys):
    assert _run("--model", bundle.parent) == 0
    assert f"{bundle}: {len(patterns.VECTORS)} vectors" in capsys.readouterr().out


@pytest.mark.parametrize("field", ["indexes", "symbols"])
def test_other_latents_than_the_vectors_say_are_reported(
    bundle, tmp_path, capsys, field
):
    def change(content):
        content["vectors"][3][field] = 64 * "0"

    assert _run("--model", _damaged(bundle, tmp_path, change)) == 17
    found = capsys.readouterr()
    assert f"clouds: other {field}\n" in found.err
    assert "1 mismatches" in found.out


def test_other_pixels_than_the_vectors_say_are_reported(bundle, vectors):
    loaded = stored.load(bundle)
    for levels, tolerated in ((1, True), (2, False)):
        pictures = {1.0: vectors[3].pictures[1.0].copy()}
        value = pictures[1.0][5, 5, 0]
        pictures[1.0][5, 5, 0] = value + levels if value < 128 else value - levels
        vector = dataclasses.replace(vectors[3], pictures=pictures)
        row = selftest.run_here(loaded, [vector])["clouds"]
        assert row.intolerable == (not tolerated)
        assert row.worst == levels
        assert row.mismatches == (not tolerated)


def test_a_hundred_flipped_indexes_of_a_hundred_are_reported(bundle, vectors):
    loaded = stored.load(bundle)
    reported = 0
    with flipping_decoder.flipping() as position:
        for number in range(100):
            position.assign(number)
            vector = vectors[number % len(vectors)]
            row = selftest.run_here(loaded, [vector])[vector.name]
            reported += row.failed == row.mismatches == 1
    assert reported == 100


def test_a_flipped_index_is_reported_by_the_command(bundle, capsys):
    with flipping_decoder.flipping():
        assert _run("--model", bundle) == 17
    found = capsys.readouterr()
    assert f"{len(patterns.VECTORS)} mismatches" in found.out
    assert found.err.count("DecodeMismatchError: ") == len(patterns.VECTORS)


def test_configurations_of_each_kind_agree(bundle, vectors):
    chosen = {
        name: CONFIGURATIONS[name]
        for name in ("8 threads, oneDNN off, eager", "batch 4")
    }
    found = selftest.run_matrix(bundle, vectors[:6], chosen)
    assert [row.mismatches for row in found.values()] == [0, 0]
    assert [row.files for row in found.values()] == [6, 6]
    assert [row.pictures for row in found.values()] == [6, 0]


@pytest.mark.slow
def test_all_configurations_agree(bundle, capsys):
    assert _run("--model", bundle, "--matrix") == 0
    out = capsys.readouterr().out
    assert f"{len(CONFIGURATIONS) * len(patterns.VECTORS)} decoded, 0 mismatches" in out


def test_a_configuration_that_decodes_otherwise_is_reported(
    bundle, vectors, monkeypatch
):
    monkeypatch.setenv("FLIP", "decode")
    files = {f"{i}": vectors[i % len(vectors)].data for i in range(100)}
    found = list(
        configurations.decode(CONFIGURATIONS["eager"], bundle, files, program=FLIPPING)
    )
    assert len(found) == 100
    assert not any(file.digest for file in found)
    assert all("DecodeMismatchError: " in file.error for file in found)


@pytest.mark.parametrize("name", ["batch 4", "XLA, one function"])
def test_an_index_that_only_the_networks_get_wrong_is_reported(
    bundle, vectors, monkeypatch, name
):
    monkeypatch.setenv("FLIP", "predict")
    chosen = {name: CONFIGURATIONS[name]}
    found = selftest.run_matrix(bundle, vectors[3:4], chosen, FLIPPING)[name]
    assert (found.failed, found.indexes, found.mismatches) == (0, 1, 1)
    assert found.complaints == ["clouds: other indexes"]


def test_vectors_are_never_replaced(bundle, capsys):
    assert _run("--model", bundle, "--write") == 3
    assert "already has conformance vectors" in capsys.readouterr().err


def test_a_model_without_vectors_says_how_to_make_them(tmp_path, capsys):
    codec.save(micro_codec.CONFIG, micro_codec.model(), tmp_path / "bare")
    assert _run("--model", tmp_path / "bare") == 20
    assert "--write" in capsys.readouterr().err


def test_vectors_do_not_change_the_model_id(bundle):
    before = stored.load(bundle).model_id
    assert all(vector.data[6:10] == before for vector in selftest.read_vectors(bundle))


@pytest.mark.parametrize(
    "change, complaint",
    [
        (lambda c: c.update(format=2), "it has format 2, not 1"),
        (lambda c: c.update(model="00" * 32), "it is of model 00000000, not"),
        (lambda c: c.pop("vectors"), "vectors"),
        (lambda c: c["vectors"].clear(), "it lists no vectors"),
        (lambda c: c["vectors"][0]["files"].update({"pixel.egic": "0"}), "is damaged"),
        (lambda c: c["vectors"][0]["files"].update({"../config.json": "0"}), "no file"),
        (lambda c: c["vectors"][0]["files"].update({"x.png": "0"}), "No such file"),
        (lambda c: c["vectors"][0].update(name=3), "3.egic"),
    ],
)
def test_damaged_vectors_are_no_mismatch(bundle, tmp_path, change, complaint):
    with pytest.raises(ModelLoadError, match="does not fit the model") as error:
        selftest.read_vectors(_damaged(bundle, tmp_path, change))
    if complaint != "no file":
        assert complaint in str(error.value)


def test_lists_in_lists_for_ever_are_a_damaged_list_of_vectors(bundle, tmp_path):
    folder = _damaged(bundle, tmp_path, lambda content: None)
    (folder / "conformance" / "conformance.json").write_text("[" * 100_000)
    with pytest.raises(ModelLoadError, match="does not fit the model"):
        selftest.read_vectors(folder)


def test_want_of_memory_is_no_mismatch(bundle, capsys, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 10**8)
    assert _run("--model", bundle) == 16
    captured = capsys.readouterr()
    assert "of memory, and 0.1 GB are to be had" in captured.err
    assert "mismatch" not in captured.out + captured.err


def test_pictures_of_vectors_never_change():
    """New ones would be compared with what others decoded of the old."""
    drawn = patterns.pictures()
    shapes = {name: image.shape for name, image in drawn.items()}
    assert shapes["pixel"] == (1, 1, 3) and shapes["clouds_odd"] == (67, 131, 3)
    hashes = hashlib.sha256()
    for name in sorted(drawn):
        hashes.update(drawn[name].tobytes())
    assert hashes.hexdigest()[:16] == "06750634ee1f1095"


def test_distances_of_pictures_are_those_of_signed_numbers():
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert conformance.distance(black, white) == (255, 255)
    assert not conformance.distance(black, white[:1]).tolerated
    assert conformance.distance(black, black).tolerated
    many = black.copy()
    many[0, 0] = 1
    assert not conformance.distance(many, black).tolerated  # 0.25 in the mean.


def test_half_written_vectors_are_none(bundle, tmp_path):
    folder = _damaged(bundle, tmp_path, lambda content: None)
    pathlib.Path(folder / "conformance" / "conformance.json").unlink()
    with pytest.raises(ModelLoadError, match="has no conformance vectors"):
        selftest.read_vectors(folder)
