"""How many processes a folder gets where nobody says."""

import argparse
import os
import pathlib

import pytest

from egic import batch_folders, batch_processes, folders
from hific import engine_names, memory
from tests import folder_orders
from tests.folder_orders import changed, outputs, pictures


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Four cores, no GPU, and a model of 10 bytes that takes 2 for each pixel."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(engine_names, "has_gpu", lambda: False)
    monkeypatch.setattr(memory, "largest_here", lambda: memory.Footprint(10, 2))
    monkeypatch.setattr(memory, "available", lambda: 2**40)


def best(files, *pixels):
    """The number for a folder in which pictures so wide are to be done."""
    paths = [pathlib.Path(str(width)) for width in pixels or (1,) * files]
    return batch_processes.best(files, paths, lambda path: (64, 64 * int(path.name)))


@pytest.mark.parametrize(
    "files, expected", [(0, 1), (39, 1), (40, 2), (60, 3), (79, 3), (80, 4), (9999, 4)]
)
def test_each_process_needs_files_and_a_core(files, expected):
    assert best(files) == expected


def test_no_more_than_that_are_begun_unasked(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert best(10_000) == batch_processes.MOST == 8


def test_a_gpu_is_left_to_one_process(monkeypatch):
    monkeypatch.setattr(engine_names, "has_gpu", lambda: True)
    assert best(1000) == 1


@pytest.mark.parametrize(
    "there, expected",
    [(0, 1), (8 * 8192 + 19, 1), (8 * 8192 + 20, 2), (10 * 8192 + 30, 3), (2**30, 4)],
)
def test_the_largest_pictures_have_memory_together(monkeypatch, there, expected):
    """They take 10 bytes each, and 4, 4, 2 and 1 times 2 x 64 x 64."""
    monkeypatch.setattr(memory, "available", lambda: there)
    assert best(200, 1, 4, 2, 4, 1) == expected


def test_what_is_finished_counts_so_that_a_run_goes_on_as_it_began():
    assert best(80, 1, 1, 1) == best(80) == 4  # And so have as many threads.


@pytest.mark.parametrize(
    "given, shard, alone, expected",
    [
        (None, None, False, None),
        (None, None, True, 1),
        (None, folders.Shard(1, 2), False, 1),
        (3, folders.Shard(1, 2), True, 3),
        (1, None, False, 1),
    ],
)
def test_who_says_a_number_gets_it(given, shard, alone, expected):
    args = argparse.Namespace(processes=given, shard=shard)
    assert batch_processes.asked(args, alone) == expected


def test_a_folder_is_worked_on_by_that_many(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(batch_processes, "FILES_EACH", 2)
    order = changed(folder_orders.order_in(tmp_path), processes=None)
    pictures(order, *(f"{i}.png" for i in range(5)))
    assert batch_folders.run(order) == 0
    assert len(outputs(order)) == 5
    assert "by 2 processes of 2 threads each; " in capsys.readouterr().out
