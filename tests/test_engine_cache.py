import os
import threading

import pytest

from hific import engine_cache
from hific.engine_cache import Cache

KEY = {"part": "analysis", "threads": "2"}


def test_what_was_kept_comes_back_for_what_it_was_made_from_alone(tmp_path):
    cache = Cache(tmp_path / "networks")
    assert cache.read(KEY) is None
    cache.write(KEY, b"compiled")
    assert cache.read(KEY) == b"compiled"
    assert Cache(tmp_path / "networks").read(dict(reversed(KEY.items()))) == b"compiled"
    assert cache.read({**KEY, "part": "synthesis"}) is None


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: b"", lambda data: data[:-1] + b"\0"],
    ids=["cut", "empty", "changed"],
)
def test_what_is_damaged_is_not_used_and_written_anew(tmp_path, damage):
    cache = Cache(tmp_path)
    cache.write(KEY, b"compiled")
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read(KEY) is None
    cache.write(KEY, b"compiled")
    assert cache.read(KEY) == b"compiled"


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file" / "networks")
    cache.write(KEY, b"compiled")
    assert cache.read(KEY) is None
    nowhere = Cache(None)
    nowhere.write(KEY, b"compiled")
    assert nowhere.read(KEY) is None


def test_what_was_used_longest_ago_goes_first(tmp_path):
    cache = Cache(tmp_path, largest=430)
    for number in (1, 2, 3):
        cache.write({"number": number}, bytes(100))
        path = cache._path({"number": number})
        if path.exists():
            os.utime(path, (number, number))
    cache.read({"number": 1})  # Used just now.
    cache.write({"number": 4}, bytes(100))
    kept = [n for n in (1, 2, 3, 4) if cache.read({"number": n}) is not None]
    assert kept == [1, 3, 4]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 430
    cache.write({"number": 5}, bytes(431))  # Larger than all together may be.
    assert cache.read({"number": 5}) is None


def test_readers_and_writers_at_once_find_nothing_or_all_of_it(tmp_path):
    found = []

    def work(number):
        cache = Cache(tmp_path, largest=3000)
        for i in range(20):
            cache.write({"i": i % 4}, bytes([i % 4]) * 900)
            found.append((i % 4, cache.read({"i": i % 4})))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {data for _, data in found} - {None} <= {bytes([i]) * 900 for i in range(4)}
    assert all(data in (None, bytes([i]) * 900) for i, data in found)


def test_it_lies_where_caches_do(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engine_cache.folder() == tmp_path / "egic" / "networks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(engine_cache.folder()) == "/home/somebody/.cache/egic/networks"


def test_another_text_is_another_network(tmp_path):
    path = tmp_path / "swin.py"
    path.write_text("a")
    before = engine_cache.code_digest([path])
    assert engine_cache.code_digest([path]) == before
    path.write_text("b")
    assert engine_cache.code_digest([path]) != before
