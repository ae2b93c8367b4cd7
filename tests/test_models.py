import pathlib
import shutil
import sys

import numpy as np
import pytest

import egic
from egic import cli, codec, default_model, isolation, models, stored
from egic.batch import UsageError
from egic.isolation import Budget
from egic.models import IsolatedDecoder, Models
from hific import bundle
from hific.errors import CodecError, LimitExceededError, ModelLoadError
from hific.errors import UnknownModelError as Unknown
from hific.images import read_image
from tests import micro_codec

ID = bytes.fromhex


def _bundle(folder: pathlib.Path, config: dict) -> bytes:
    """Writes what has a manifest; returns its id."""
    return ID(bundle.write(folder, config, {}, {}))[:4]


@pytest.fixture(scope="module")
def micro(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "micro"
    codec.save(micro_codec.CONFIG, micro_codec.model(), folder)
    return folder


@pytest.fixture(scope="module")
def compressed(micro):
    return stored.load(micro).compress(micro_codec.picture())


def test_a_folder_of_bundles_is_searched_by_id(tmp_path):
    first, second = _bundle(tmp_path / "a", {"n": 1}), _bundle(tmp_path / "b", {"n": 2})
    found = Models(tmp_path)
    assert found.folders == {first: tmp_path / "a", second: tmp_path / "b"}
    assert found.of(second) == tmp_path / "b"
    with pytest.raises(Unknown) as error:
        found.of(b"\0\1\2\3")
    for text in ("00010203", f"{first.hex()} (a)", f"{second.hex()} (b)"):
        assert text in str(error.value)
    with pytest.raises(UsageError, match="holds several models"):
        found.only()


def test_the_programs_own_model_is_found_by_id_and_last(tmp_path, monkeypatch):
    own, other = tmp_path / "own", tmp_path / "models" / "a"
    monkeypatch.setattr(default_model, "PATH", own)
    theirs, ours = _bundle(other, {"n": 1}), _bundle(own, {"n": 2})
    for path in (tmp_path / "models", other):
        found = Models(path)
        assert found.of(ours) == own and found.of(theirs) == other
        assert found.only() == other and list(found.folders) == [theirs]
        with pytest.raises(Unknown) as error:
            found.of(b"\0\1\2\3")
        named = f"{theirs.hex()} (a), this program {ours.hex()} (own)."
        assert str(error.value).endswith(named)
    with pytest.raises(Unknown, match=f"has {ours.hex()} \\(own\\)\\.$"):
        Models(own).of(theirs)


def test_a_damaged_model_of_the_program_does_not_hide_what_is_unknown(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(default_model, "PATH", tmp_path / "own")
    theirs = _bundle(tmp_path / "a", {"n": 1})
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "manifest.json").write_text("{")
    with pytest.raises(Unknown, match=f"has {theirs.hex()} \\(a\\)\\.$"):
        Models(tmp_path / "a").of(b"\0\1\2\3")


def test_without_a_name_the_programs_own_model_is_loaded(
    micro, compressed, tmp_path, monkeypatch
):
    monkeypatch.setattr(default_model, "PATH", micro)
    assert egic.load().decompress(compressed).shape == micro_codec.picture().shape
    monkeypatch.setattr(default_model, "PATH", tmp_path / "absent")
    with pytest.raises(ModelLoadError, match="lacks its own model, .*absent"):
        egic.load()


def test_a_bundle_is_a_folder_of_one(tmp_path):
    model_id = _bundle(tmp_path / "a", {})
    for path in (tmp_path, tmp_path / "a"):
        assert Models(path).only() == tmp_path / "a"
        assert Models(path).folders == {model_id: tmp_path / "a"}


def test_equal_models_are_one_and_different_ones_with_one_id_are_refused(
    tmp_path, monkeypatch
):
    model_id = _bundle(tmp_path / "a", {})
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert Models(tmp_path).folders == {model_id: tmp_path / "a"}
    sha256 = {"a": 8 * "0" + 56 * "1", "b": 8 * "0" + 56 * "2"}
    monkeypatch.setattr(
        bundle, "read_manifest", lambda folder: {"sha256": sha256[folder.name]}
    )
    with pytest.raises(ModelLoadError, match="two models with one id, 00000000"):
        _ = Models(tmp_path).folders


def test_a_folder_without_a_model_says_so(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ModelLoadError, match="No model in"):
            _ = Models(path).folders


def test_lists_in_lists_for_ever_are_no_manifest(tmp_path):
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(ModelLoadError, match="is no manifest of a model"):
        _ = Models(tmp_path).folders


def test_each_file_is_decoded_by_its_own_model(tmp_path, monkeypatch):
    ids = [_bundle(tmp_path / name, {"name": name}) for name in ("a", "b")]
    monkeypatch.setattr(models.egic, "load", lambda folder: folder.name)
    decoder = models.decoders(Models(tmp_path))
    assert [decoder(model_id) for model_id in ids] == ["a", "b"]


def test_no_tensorflow_is_needed_to_refuse_a_file_of_another_model(
    tmp_path, compressed, capsys, monkeypatch
):
    _bundle(tmp_path / "other", {})
    path = tmp_path / "in.egic"
    path.write_bytes(compressed)
    monkeypatch.setattr(models.egic, "load", lambda folder: pytest.fail("loaded"))
    assert cli.main(["decompress", str(path), f"--model={tmp_path / 'other'}"]) == 15
    assert "(other)" in capsys.readouterr().err
    assert not (tmp_path / "in.png").exists()


def test_isolated_pictures_are_the_same(micro, compressed, tmp_path, capsys):
    path = tmp_path / "in.egic"
    path.write_bytes(compressed)
    flags = [f"--model={micro.parent}", f"--out_dir={tmp_path}", "--force"]
    pictures = []
    for isolated in ([], ["--isolated"]):
        assert cli.main(["decompress", str(path), *flags, *isolated]) == 0
        pictures.append(read_image(tmp_path / "in.png"))
    np.testing.assert_array_equal(*pictures)
    assert cli.main(["decompress", str(path), "--isolated", "--alpha=0", *flags]) == 2
    assert "needs a model with an output-residual head" in capsys.readouterr().err


def test_errors_of_an_isolated_decoder_are_those_of_the_codec(
    micro, compressed, tmp_path, capsys
):
    damaged = tmp_path / "damaged.egic"
    damaged.write_bytes(compressed[:-9] + b"\0" + compressed[-8:])
    assert (
        cli.main(["decompress", str(damaged), "--isolated", f"--model={micro}"]) == 13
    )
    assert list(tmp_path.iterdir()) == [damaged]


HANGS = "import time; time.sleep(60)"
ALLOCATES = "x = bytearray(2**34)"
DIES = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
WRITES = (
    f"import sys; open(sys.argv[1] + '/planted', 'wb').write(bytes(2**22)); {HANGS}"
)


@pytest.mark.parametrize(
    "code, kind, message",
    [
        (HANGS, LimitExceededError, "longer than the 2 s it was given"),
        (ALLOCATES, LimitExceededError, "more than the 1.0 GB of addresses"),
        (DIES, CodecError, "^The decoding process ended by SIGSEGV.$"),
        (WRITES, CodecError, "File too large"),
    ],
)
def test_a_decoder_that_misbehaves_is_ended_and_leaves_nothing(
    micro, compressed, tmp_path, monkeypatch, code, kind, message
):
    program = tmp_path / "planted.py"
    program.write_text(code)
    monkeypatch.setattr(
        isolation, "python", lambda module, *_: ([sys.executable, module, "."], {})
    )
    monkeypatch.chdir(micro)
    budget = Budget(10**9, cpu_seconds=20, wall_seconds=2, file_bytes=2**20)
    before = sorted(tmp_path.iterdir())
    decoder = IsolatedDecoder(micro, lambda *_: budget, str(program))
    with pytest.raises(kind, match=message) as error:
        decoder.decode(compressed)
    assert type(error.value) is kind
    decoder.close()
    assert sorted(tmp_path.iterdir()) == before
    (micro / "planted").unlink(missing_ok=True)


def test_the_default_budget_suffices_with_room_to_spare(micro, compressed):
    decoder = IsolatedDecoder(micro)
    rendering = decoder.decode(compressed)
    peak = _peak_addresses(decoder._codec._child._process.pid)
    assert rendering.image().shape == (50, 70, 3)
    budget = isolation.budget_of(50, 70)
    assert 1.2 * peak < budget.memory_bytes
    decoder.close()


def _peak_addresses(pid: int) -> int:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.split("VmPeak:")[1].split()[0])


def test_a_decoder_that_hangs_costs_one_line_and_leaves_no_file(
    micro, compressed, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "in.egic"
    path.write_bytes(compressed)
    monkeypatch.setattr(
        isolation, "python", lambda *_: ([sys.executable, "-c", HANGS], {})
    )
    monkeypatch.setattr(isolation, "START_SECONDS", -9.0)
    assert cli.main(["decompress", str(path), "--isolated", f"--model={micro}"]) == 16
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]
