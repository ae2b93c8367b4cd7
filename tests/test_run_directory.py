import errno
import json
import pathlib

import pytest

from hific import run_directory
from hific.config import RateConfig
from hific.run_directory import CONFIG, ORDER, ORIGIN, STAGE, Order


def test_a_directory_holds_one_config_of_each_name(tmp_path):
    run_directory.record(RateConfig(weight=1.0), tmp_path)
    run_directory.record(RateConfig(weight=2.0), tmp_path, name="stage.json")
    run_directory.record(RateConfig(weight=2.0), tmp_path, name="stage.json")
    weights = [
        json.loads((tmp_path / name).read_text())["weight"]
        for name in ("config.json", "stage.json")
    ]
    assert weights == [1.0, 2.0]


def test_another_config_of_the_same_name_is_refused_by_field(tmp_path):
    run_directory.record(RateConfig(weight=1.0), tmp_path, name="stage.json")
    with pytest.raises(ValueError, match=r"weight was 1\.0, now 2\.0"):
        run_directory.record(RateConfig(weight=2.0), tmp_path, name="stage.json")


def test_checking_writes_nothing(tmp_path):
    run_directory.check(RateConfig(), tmp_path / "run")
    assert not list(tmp_path.iterdir())


FIRST = {ORDER: Order(0, 6), CONFIG: RateConfig()}
LATER = {STAGE: RateConfig(weight=2.0), **FIRST}


@pytest.mark.parametrize("theirs, ours", [(FIRST, LATER), (LATER, FIRST)])
def test_the_directory_of_another_stage_is_refused(tmp_path, theirs, ours):
    run_directory.begin(theirs, tmp_path)
    run_directory.begin(theirs, tmp_path)
    with pytest.raises(ValueError, match="holds a run of another stage"):
        run_directory.begin(ours, tmp_path)


@pytest.mark.parametrize(
    "order, complaint",
    [
        (Order(3, 6), "seed was 0, now 3"),
        (Order(0, 7), "pictures was 6, now 7"),
        (Order(0, 6, 4), "batch_size was None, now 4"),
    ],
)
def test_another_order_is_refused_and_nothing_written(tmp_path, order, complaint):
    run_directory.record(FIRST[ORDER], tmp_path, ORDER)
    with pytest.raises(ValueError, match=complaint):
        run_directory.begin(LATER | {ORDER: order}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [ORDER]


def test_what_a_run_came_from_need_not_be_said_again(tmp_path):
    first = run_directory.origin(tmp_path / "run", tmp_path / "a/../b", "critic")
    assert first.init_from == str(tmp_path / "b")
    assert first.discriminator == str(pathlib.Path.cwd() / "critic")
    run_directory.record(first, tmp_path / "run", ORIGIN)
    assert run_directory.origin(tmp_path / "run", None) == first
    moved = run_directory.origin(tmp_path / "run", tmp_path / "c")
    with pytest.raises(ValueError, match="init_from was '.*b', now '.*c'"):
        run_directory.begin({ORIGIN: moved}, tmp_path / "run")


def test_a_new_run_must_come_from_somewhere(tmp_path):
    with pytest.raises(ValueError, match="--init_from: pass the run of the codec"):
        run_directory.origin(tmp_path, None, "critic")


def test_a_run_from_before_there_was_an_order_gets_one(tmp_path):
    run_directory.record(RateConfig(), tmp_path)
    run_directory.begin(FIRST, tmp_path)
    assert json.loads((tmp_path / ORDER).read_text())["pictures"] == 6


def test_what_an_order_did_not_say_yet_is_recorded_when_the_run_goes_on(tmp_path):
    run_directory.record(FIRST[ORDER], tmp_path, ORDER)
    path = tmp_path / ORDER
    older = json.loads(path.read_text())
    del older["batch_size"]
    path.write_text(json.dumps(older))
    run_directory.begin({ORDER: Order(0, 6, 8), CONFIG: RateConfig()}, tmp_path)
    assert json.loads(path.read_text())["batch_size"] == 8
    with pytest.raises(ValueError, match="batch_size was 8, now 16"):
        run_directory.begin({ORDER: Order(0, 6, 16), CONFIG: RateConfig()}, tmp_path)


def test_one_training_at_a_time(tmp_path):
    workdir = tmp_path / "run"
    with run_directory.locked(workdir):
        assert workdir.is_dir()
        with pytest.raises(run_directory.RunInUse, match="Another process trains in"):
            run_directory.locked(workdir).__enter__()
    with run_directory.locked(workdir):
        assert not list(workdir.iterdir())


def test_a_file_system_without_locks_keeps_nothing_out(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_directory.fcntl, "flock", flock)
    with run_directory.locked(tmp_path), run_directory.locked(tmp_path):
        pass
