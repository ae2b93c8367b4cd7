"""What is made of a folder, and what is left alone."""

import re

import pytest
from PIL import Image

from egic import batch, batch_folders, folders, journal
from hific import memory
from tests import folder_orders
from tests.folder_orders import begun, changed, outputs, pictures


@pytest.fixture
def order(tmp_path):
    return folder_orders.order_in(tmp_path)


def test_a_folder_is_mirrored_and_a_second_run_repeats_nothing(order, capsys):
    pictures(order, "a.png", "x/y/b.jpg", "x/c.png")
    assert batch_folders.run(changed(order, processes=2)) == 0
    before = outputs(order)
    assert before.keys() == {"a.egic", "x/y/b.egic", "x/c.egic"}
    out = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in out[:3]} == {"1/3", "2/3", "3/3"}
    assert re.search(r"^3 done in .* files/s, .* bytes, \d+\.\d+ bpp$", out[3])
    assert batch_folders.run(order) == 0
    assert outputs(order) == before and len(begun(order)) == 3
    assert "0 done in 0 s; 3 finished before" in capsys.readouterr().out


def test_a_journal_line_says_what_was_made_of_what(order):
    pictures(order, "x/a.png")
    batch_folders.run(order)
    *_, line = journal.entries(order.out)
    source = order.root / "x" / "a.png"
    size = (order.out / "x" / "a.egic").stat().st_size
    expected = {
        "status": "done",
        "target": "x/a.egic",
        "source": str(source),
        "source_bytes": source.stat().st_size,
        "source_time": source.stat().st_mtime_ns,
        "sizes": [size],
        "bytes": size,
        "width": 4,
        "height": 2,
        "bpp": size,
    }
    assert expected.items() <= line.items()


def test_only_what_changed_or_is_gone_is_made_again(order):
    pictures(order, "a.png", "b.png", "c.png")
    batch_folders.run(order)
    before = outputs(order)
    Image.new("RGB", (5, 5)).save(order.root / "a.png")
    (order.out / "b.egic").unlink()
    assert batch_folders.run(order) == 0
    after = outputs(order)
    assert [name for name in after if after[name] != before[name]] == [
        "a.egic",
        "b.egic",
    ]


def test_bad_files_are_reported_by_every_run_and_the_others_done(order, capsys):
    pictures(order, "a.png", "z/d.png")
    (order.root / "b.png").write_text("no picture")
    (order.root / "c.png").symlink_to("nothing")
    for _ in range(2):
        assert batch_folders.run(order) == 4  # Of the link, found before.
        errors = capsys.readouterr().err.splitlines()
        assert [line.split(": ")[1] for line in errors] == [
            str(order.root / "c.png"),
            str(order.root / "b.png"),
        ]
    (order.root / "c.png").unlink()
    assert batch_folders.run(order) == 18
    assert outputs(order).keys() == {"a.egic", "z/d.egic"}
    (line,) = [
        line
        for line in list(journal.entries(order.out))[-1:]
        if line["status"] == "failed"
    ]
    assert "no PNG, JPEG" in line["reason"] and line["left"] is False


def test_two_sources_of_one_output_are_both_left_alone(order, capsys):
    pictures(order, "a.png", "a.jpg", "b.png")
    assert batch_folders.run(order) == batch.EXIT_USAGE
    assert "a.jpg and a.png would be written to one file" in capsys.readouterr().err
    assert outputs(order).keys() == {"b.egic"}


def test_an_output_of_somebody_else_is_replaced_only_with_force(order, capsys):
    pictures(order, "a.png", "b.png")
    order.out.mkdir()
    (order.out / "a.egic").write_text("precious")
    assert batch_folders.run(order) == batch.EXIT_EXISTS
    assert (order.out / "a.egic").read_text() == "precious"
    assert "a.egic: exists, and the journal does not know" in capsys.readouterr().err
    finished = outputs(order)["b.egic"]
    assert batch_folders.run(changed(order, replace=True)) == 0
    assert (order.out / "a.egic").read_bytes() != b"precious"
    assert outputs(order)["b.egic"] == finished  # It was made by this very command.


def test_outputs_of_other_settings_are_replaced_only_with_force(order, capsys):
    pictures(order, "a.png")
    batch_folders.run(order)
    other = changed(order, settings="others")
    assert batch_folders.run(other) == batch.EXIT_EXISTS
    assert "made with another model or other flags" in capsys.readouterr().err
    assert batch_folders.run(changed(other, replace=True)) == 0
    assert batch_folders.run(other) == 0
    assert len(begun(order)) == 2


def test_an_output_that_was_changed_is_replaced_only_with_force(order, capsys):
    pictures(order, "a.png")
    batch_folders.run(order)
    (order.out / "a.egic").write_text("changed")
    assert batch_folders.run(order) == batch.EXIT_EXISTS
    assert "is not what the journal says of it" in capsys.readouterr().err


def test_outputs_of_another_folder_are_replaced_only_with_force(order, capsys):
    pictures(order, "a.png")
    batch_folders.run(order)
    other = changed(order, root=order.root.parent / "other")
    pictures(other, "a.png")
    assert batch_folders.run(other) == batch.EXIT_EXISTS
    assert f"exists, made from {order.root}/a.png; --force" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_fails_its_files_alone(order, capsys):
    pictures(order, "a/x.png", "b/y.png")
    order.out.mkdir()
    (order.out / "a").write_text("a file")
    assert batch_folders.run(order) == batch.EXIT_EXISTS
    assert outputs(order).keys() == {"b/y.egic"}


def test_a_shard_leaves_the_files_of_others_alone(order):
    pictures(order, *(f"{i}.png" for i in range(12)))
    half = [f"{i}.egic.tmp-12-0123abcd" for i in range(12)]
    order.out.mkdir()
    for name in half:
        (order.out / name).touch()
    first, second = folders.Shard(1, 2), folders.Shard(2, 2)
    assert batch_folders.run(changed(order, shard=first)) == 0
    done = outputs(order)
    assert 0 < len(done) < 12
    left = {name for name in half if (order.out / name).exists()}
    assert left == {name for name in half if name.split(".")[0] in second}
    assert batch_folders.run(changed(order, shard=second)) == 0
    assert len(outputs(order)) == 12
    assert done.items() <= outputs(order).items()
    assert batch_folders.run(order) == 0  # Without shards, all is known to be done.
    assert len(begun(order)) == 12


def test_too_little_memory_for_all_processes_is_said_before_it_begins(
    order, capsys, monkeypatch
):
    pictures(order, "a.png", "b.png", "c.png")
    (order.root / "d.png").write_text("no picture")
    monkeypatch.setattr(memory, "available", lambda: 2 * memory.needed(2, 4) + 1)
    assert batch_folders.run(changed(order, processes=3)) == 18
    error = capsys.readouterr().err.splitlines()[0]
    assert "3 processes may take 2.7 GB" in error and "--processes=2 is safe" in error
    for name in ("a.egic", "b.egic"):
        (order.out / name).unlink()
    monkeypatch.setattr(memory, "available", lambda: memory.needed(2, 4) - 1)
    assert batch_folders.run(changed(order, processes=2)) == 18
    assert "even --processes=1 may not do" in capsys.readouterr().err
    assert batch_folders.run(changed(order, processes=2)) == 18
    assert "processes may take" not in capsys.readouterr().err


def test_a_folder_without_pictures_is_wrong_usage(order):
    order.root.mkdir()
    (order.root / "a.txt").touch()
    with pytest.raises(batch.UsageError, match="holds no file that ends in .png"):
        batch_folders.run(order)
    assert not order.out.exists()
    assert batch_folders.run(changed(order, shard=folders.Shard(1, 2))) == 0


def test_damaged_lines_of_the_journal_are_told_and_done_again(order, capsys):
    pictures(order, "a.png", "b.png")
    batch_folders.run(order)
    path = order.out / "journal.jsonl"
    path.write_bytes(b"garbage\n" + path.read_bytes()[:-3])
    assert batch_folders.run(order) == 0
    assert "2 damaged lines of the journal" in capsys.readouterr().err
    path.write_bytes(path.read_bytes().removeprefix(b"garbage\n"))
    assert begun(order) == ["a.egic", "b.egic", "b.egic"]
