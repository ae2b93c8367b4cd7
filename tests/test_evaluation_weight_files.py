import hashlib
import pathlib

import pytest

from hific.evaluation import weight_files
from hific.evaluation.weight_files import WeightFile

DIGEST = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def published(tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weights")
    return (tmp_path / "net.pt").as_uri()


def test_what_was_given_comes_first(tmp_path):
    for name in ("given", "other"):
        (tmp_path / name).write_bytes(b"")
    file = WeightFile("https://x.org/net.pt", "", [str(tmp_path / "other")])
    assert file.find(tmp_path / "given") == tmp_path / "given"
    with pytest.raises(ValueError, match=r"no file; it should be https://x.org/net.pt"):
        file.find(tmp_path / "absent")


def test_our_cache_comes_before_places_of_other_tools(tmp_path, monkeypatch):
    monkeypatch.setenv("ELSEWHERE", str(tmp_path))
    file = WeightFile("https://x.org/net.pt", "", ["$ELSEWHERE/theirs.pt"])
    assert file.find() is None
    (tmp_path / "theirs.pt").write_bytes(b"")
    assert file.find() == tmp_path / "theirs.pt"
    ours = tmp_path / "cache/hific/net.pt"
    ours.parent.mkdir(parents=True)
    ours.write_bytes(b"")
    assert file.find() == ours


def test_another_file_at_the_place_of_a_published_one_is_passed_over(tmp_path):
    (tmp_path / "first.pt").write_bytes(b"planted")
    (tmp_path / "second.pt").write_bytes(b"weights")
    places = [str(tmp_path / name) for name in ("first.pt", "second.pt")]
    file = WeightFile("https://x.org/net.pt", DIGEST[:8], places)
    assert file.find() == tmp_path / "second.pt"
    assert WeightFile(file.address, DIGEST[:8], places[:1]).find() is None


def test_a_fetched_file_is_checked_and_found_again(published):
    file = WeightFile(published, DIGEST[:8])
    path = file.fetch()
    assert path.read_bytes() == b"weights"
    assert file.find() == path == weight_files.cache() / "net.pt"


def test_another_file_than_was_published_is_not_kept(published):
    file = WeightFile(published, "0123")
    with pytest.raises(ValueError, match=f"has SHA-256 {DIGEST}, expected 0123"):
        file.fetch()
    assert file.find() is None


def test_an_address_that_does_not_answer_is_named(tmp_path):
    file = WeightFile((tmp_path / "absent.pt").as_uri(), "")
    with pytest.raises(ValueError, match=r"absent.pt could not be fetched"):
        file.fetch()


def test_the_digest_is_that_of_the_whole_file(tmp_path):
    path = pathlib.Path(tmp_path / "x")
    path.write_bytes(b"weights")
    assert weight_files.sha256_of(path) == DIGEST
    assert WeightFile("", DIGEST[:8]).is_published(DIGEST)
    assert not WeightFile("", "0123").is_published(DIGEST)
