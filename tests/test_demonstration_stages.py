"""Room for the four stages, and what is done where one of them fails."""

import pytest

from egic.demonstration import stages
from hific.images import read_image


def test_an_earlier_demonstration_makes_room_and_nothing_else_does(tmp_path):
    ours = [tmp_path / "stage1" / name for name in ("config.json", "metrics.jsonl")]
    ours += [tmp_path / "model" / name for name in ("manifest.json", "weights")]
    mine = [tmp_path / "notes.txt", tmp_path / "stage2" / "mine.txt"]
    for path in (*ours, *mine):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("from before")

    folders = stages.prepare(tmp_path)

    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in mine)
    scenes = sorted(folders.scenes.iterdir())
    assert len(scenes) == stages.SCENES
    assert read_image(scenes[0]).shape == (256, 256, 3)


def test_a_script_that_fails_ends_the_demonstration_with_its_code(tmp_path, capfd):
    (tmp_path / "pretrain_discriminator.py").write_text("raise SystemExit(4)")
    runs = stages.train(stages.Folders(tmp_path / "runs"), tmp_path)
    with pytest.raises(stages.StageFailed, match="pretrain_discriminator.py .* 4"):
        next(runs)
    assert "python " in capfd.readouterr().out  # What was run is known.


def test_commands_are_typed_from_where_one_is(tmp_path, monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)
    folders = stages.Folders(tmp_path)
    for stage in stages.STAGES:
        script, *arguments = stage.command(folders, request.config.rootpath, 7)
        assert script == stage.script
        assert arguments[0].startswith("--config=egic/")
        assert f"--workdir={stage.workdir(folders)}" in arguments
        assert "--steps=7" in arguments
