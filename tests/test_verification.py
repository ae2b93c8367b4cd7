import os

import pytest

from egic import cli, codec, configurations, stored, verification
from egic.verification import Verifier
from hific.errors import CodecError, DecodeMismatchError, LimitExceededError
from hific.images import write_png
from tests import flipping_decoder, micro_codec

FLIPPING = flipping_decoder.__name__


@pytest.fixture(scope="module")
def micro(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "micro"
    codec.save(micro_codec.CONFIG, micro_codec.model(), folder)
    return folder


@pytest.fixture(scope="module")
def files(micro):
    loaded = stored.load(micro)
    sizes = [(1, 1), (50, 70), (64, 64), (33, 129)]
    return [loaded.compress(micro_codec.picture(*size)) for size in sizes]


def test_the_second_configuration_is_another_than_this_process(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    cores = len(os.sched_getaffinity(0))
    second = configurations.second()
    assert second.mode == "eager"
    assert second.environment["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert second.environment["TF_NUM_INTRAOP_THREADS"] != str(cores)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    second = configurations.second()
    assert second.environment["TF_NUM_INTRAOP_THREADS"] == "2"
    for nonsense in ("many", "0", ""):  # TensorFlow then takes all cores.
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", nonsense)
        second = configurations.second()
        assert second.environment["TF_NUM_INTRAOP_THREADS"] != str(cores)


def test_files_that_decode_elsewhere_pass_in_one_process(micro, files):
    verifier = Verifier(micro)
    for data in files:
        verifier.check(data)
        pid = verifier._codec._child._process.pid
    verifier.check(files[0])
    assert verifier._codec._child._process.pid == pid
    verifier.close()


def test_a_hundred_flipped_indexes_of_a_hundred_are_reported(micro, files, monkeypatch):
    """In one process, which `check` would start anew after each."""
    monkeypatch.setenv("FLIP", "decode")
    verifier = Verifier(micro, program=FLIPPING)
    close, verifier.close = verifier.close, lambda: None
    reported = 0
    for number in range(100):
        with pytest.raises(DecodeMismatchError, match="in a second configuration"):
            verifier.check(files[number % len(files)])
        reported += 1
    close()
    assert reported == 100


def test_nothing_is_written_that_does_not_decode_elsewhere(
    micro, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("FLIP", "decode")
    monkeypatch.setattr(
        verification, "Verifier", lambda model: Verifier(model, program=FLIPPING)
    )
    source = tmp_path / "photo.png"
    write_png(source, micro_codec.picture())
    flags = [f"--model={micro}", f"--out_dir={tmp_path / 'out'}"]
    assert cli.main(["compress", str(source), "--verify", *flags]) == 17
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_verified_picture_is_written(micro, tmp_path):
    source = tmp_path / "photo.png"
    write_png(source, micro_codec.picture())
    assert cli.main(["compress", str(source), "--verify", f"--model={micro}"]) == 0
    assert (tmp_path / "photo.egic").exists()


def test_a_verifier_that_dies_says_so_and_starts_again(micro, files):
    verifier = Verifier(micro, program="tests.no_such_module")
    for _ in range(2):
        with pytest.raises(CodecError, match="No module named") as error:
            verifier.check(files[0])
        assert type(error.value) is CodecError


class _Refusing:
    """A second process that has no memory for any file."""

    def digest(self, data, seconds):
        raise LimitExceededError("Coding 64 x 64 pixels takes 0.9 GB of memory.")

    def close(self):
        pass


def test_want_of_memory_is_no_mismatch(tmp_path, files):
    verifier = Verifier(tmp_path)
    verifier._codec = _Refusing()
    with pytest.raises(LimitExceededError, match=r"takes 0\.9 GB of memory"):
        verifier.check(files[0])
