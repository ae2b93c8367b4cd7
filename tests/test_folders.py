import os
import socket

import pytest

from egic import folders
from egic.batch import UsageError

SUFFIXES = (".png", ".jpg")


def _touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _find(root, shard=folders.WHOLE, without=None):
    found, problems = folders.find(root, SUFFIXES, shard, without)
    return [each.name for each in found], problems


def test_files_of_all_folders_are_found_in_one_order(tmp_path):
    _touch(
        tmp_path, "b/z.PNG", "b/a/x.y.jpg", "a.png", "b/text.txt", ".png", "c/.d.png"
    )
    assert _find(tmp_path) == (["a", "b/z", "b/a/x.y", "c/.d"], [])


def test_names_of_any_bytes_are_found(tmp_path):
    name = os.fsdecode(b"new\nline \xff")
    _touch(tmp_path, f"{name}.png")
    assert _find(tmp_path) == ([name], [])


def test_two_files_for_one_output_are_both_left_out_and_named(tmp_path):
    _touch(tmp_path, "a/photo.png", "a/photo.jpg", "b/photo.png", "a/other.png")
    names, (problem,) = _find(tmp_path)
    assert names == ["a/other", "b/photo"]
    assert problem.path == str(tmp_path / "a")
    assert isinstance(problem.error, UsageError)
    assert "photo.jpg and photo.png would be written to one" in str(problem.error)


def test_the_folder_of_outputs_is_left_out_of_another_one(tmp_path):
    _touch(tmp_path, "a.png", "out/b.png")
    assert _find(tmp_path, without=tmp_path / "out") == (["a"], [])
    assert _find(tmp_path, without=tmp_path) == (["a", "out/b"], [])
    assert _find(tmp_path, without=tmp_path / "none") == (["a", "out/b"], [])


def test_links_are_followed_but_not_in_circles(tmp_path):
    _touch(tmp_path, "in/a/x.png", "elsewhere/y.png")
    (tmp_path / "in" / "a" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "side").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "z.png").symlink_to(tmp_path / "elsewhere" / "y.png")
    assert _find(tmp_path / "in") == (["z", "a/x", "side/y"], [])


def test_what_is_no_file_is_named(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket.png"))
    names, problems = _find(tmp_path)
    assert names == []
    assert {os.path.basename(each.path): each.error.strerror for each in problems} == {
        "gone.png": "is a link to nothing",
        "loop.png": "Too many levels of symbolic links",
        "pipe.png": "is no regular file",
        "socket.png": "is no regular file",
    }


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_searched(
    tmp_path, monkeypatch
):
    _touch(tmp_path, "a/x.png", "b/y.png", "c/z.png")
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("b"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # Root may read everything.
    names, (problem,) = _find(tmp_path)
    assert names == ["a/x", "c/z"]
    assert problem.path == str(tmp_path / "b")


def test_every_file_is_in_one_shard_whatever_else_is_there(tmp_path):
    _touch(tmp_path, *(f"{i % 3}/{i}.png" for i in range(60)))
    before = [set(_find(tmp_path, folders.Shard(i, 4))[0]) for i in (1, 2, 3, 4)]
    assert sorted(name for part in before for name in part) == sorted(
        _find(tmp_path)[0]
    )
    assert min(map(len, before)) > 5
    _touch(tmp_path, *(f"more/{i}.png" for i in range(9)))
    after = [set(_find(tmp_path, folders.Shard(i, 4))[0]) for i in (1, 2, 3, 4)]
    assert all(old <= new for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("depth", [1, 300])
def test_a_deep_folder_is_no_problem(tmp_path, depth):
    folder = tmp_path / "/".join(["d"] * depth)
    folder.mkdir(parents=True)
    _touch(folder, "x.png")
    (name,), problems = _find(tmp_path)
    assert name.endswith("d/x") and problems == []
