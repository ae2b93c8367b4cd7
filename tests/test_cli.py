import json
import os
import pathlib
import stat
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

import egic
from egic import batch, cli, default_model, selftest
from hific import bitstream, images
from tests.pixel_codec import MODEL_ID, HeadlessCodec, PixelCodec


@pytest.fixture(autouse=True)
def codec(monkeypatch):
    """Every test loads PixelCodec; the returned list counts the loads."""
    loads = []

    def load(directory):
        loads.append(directory)
        return PixelCodec()

    monkeypatch.setattr(egic, "load", load)
    monkeypatch.setenv("EGIC_MODEL", "some/bundle")
    return loads


def _picture(path: pathlib.Path, colour=(10, 20, 30), size=(4, 2)) -> pathlib.Path:
    Image.new("RGB", size, colour).save(path)
    return path


def _run(*arguments) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_a_picture_survives_compress_and_decompress(tmp_path, codec):
    source = _picture(tmp_path / "photo.png")
    assert _run("compress", source) == 0
    assert _run("decompress", tmp_path / "photo.egic", "--out_dir", tmp_path / "o") == 0
    decoded = images.read_image(tmp_path / "o" / "photo.png")
    np.testing.assert_array_equal(decoded, np.full((2, 4, 3), (10, 20, 30)))
    assert codec == [pathlib.Path("some/bundle")] * 2


def test_the_line_of_a_file_has_bytes_bpp_ratios_and_seconds(tmp_path, capsys):
    source = _picture(tmp_path / "photo.bmp")
    assert _run("compress", source) == 0
    # On 4 x 2 pixels there are as many bits per pixel as bytes.
    num_bytes = (tmp_path / "photo.egic").stat().st_size
    line = capsys.readouterr().out
    assert f"photo.egic: {num_bytes} bytes, {num_bytes:.4f} bpp, " in line
    assert f"{source.stat().st_size / num_bytes:.1f}:1 to the source" in line
    assert f"{24 / num_bytes:.1f}:1 to raw, 0.00 s\n" in line


def test_alpha_reaches_the_decoder(tmp_path):
    _run("compress", _picture(tmp_path / "photo.png"))
    _run("decompress", tmp_path / "photo.egic", "--alpha=0.5", "--force")
    assert images.read_image(tmp_path / "photo.png")[0, 0].tolist() == [5, 10, 15]


@pytest.mark.parametrize("alpha", ["-0.1", "1.1", "nan", "much"])
def test_an_alpha_outside_0_to_1_is_wrong_usage(alpha, capsys):
    with pytest.raises(SystemExit) as error:
        _run("decompress", "photo.egic", f"--alpha={alpha}")
    assert error.value.code == 2
    assert "a number from 0 to 1 is needed" in capsys.readouterr().err


def test_an_alpha_that_the_model_has_not_is_wrong_usage(tmp_path, monkeypatch, capsys):
    paths = [tmp_path / "a.egic", tmp_path / "b.egic"]
    _run("compress", *(_picture(path.with_suffix(".png")) for path in paths))
    monkeypatch.setattr(egic, "load", lambda directory: HeadlessCodec())
    out = tmp_path / "out"
    assert _run("decompress", *paths, "--alpha=0.5", "--out_dir", out) == 2
    assert capsys.readouterr().err == "egic: Any alpha but 1 needs another model.\n"
    assert not out.exists()


def test_an_output_is_replaced_only_with_force(tmp_path, capsys, codec):
    source = _picture(tmp_path / "photo.png")
    output = tmp_path / "photo.egic"
    output.write_text("precious")
    assert _run("compress", source) == 3
    assert output.read_text() == "precious"
    assert f"egic: {output}: exists; --force replaces it" in capsys.readouterr().err
    assert codec == []  # No model was loaded for nothing.
    assert _run("compress", source, "--force") == 0
    assert output.read_bytes().startswith(bitstream.MAGIC)


def test_an_output_is_whole_or_absent_when_the_disk_is_full(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    source = _picture(tmp_path / "photo.png")
    monkeypatch.setattr(os, "fsync", full)
    assert _run("compress", source) == 4
    assert os.listdir(tmp_path) == ["photo.png"]


def test_an_output_is_readable_as_the_umask_says(tmp_path):
    _run("compress", _picture(tmp_path / "photo.png"))
    mode = stat.S_IMODE((tmp_path / "photo.egic").stat().st_mode)
    (tmp_path / "plain").touch()
    assert mode == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_bad_file_does_not_stop_the_others_and_decides_the_exit_code(
    tmp_path, capsys
):
    good, late = _picture(tmp_path / "a.png"), _picture(tmp_path / "d.png")
    bad = tmp_path / "b.png"
    bad.write_bytes(b"no picture")
    missing = tmp_path / "c.png"
    assert _run("compress", good, bad, missing, late) == 18
    assert sorted(path.name for path in tmp_path.glob("*.egic")) == ["a.egic", "d.egic"]
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(f"egic: {bad}: ")
    assert errors[1] == f"egic: {missing}: No such file or directory"


def test_a_folder_among_files_is_refused_with_the_remedy(tmp_path, capsys):
    assert _run("compress", tmp_path, _picture(tmp_path / "a.png")) == 4
    assert "is a folder; name its files, or give it alone" in capsys.readouterr().err
    assert (tmp_path / "a.egic").exists()


def test_flags_of_folders_are_wrong_usage_with_files(tmp_path, capsys):
    source = _picture(tmp_path / "a.png")
    assert _run("compress", source, "--processes=2") == 2
    assert "--processes=2 is for a folder" in capsys.readouterr().err
    assert _run("compress", source, "--shard=1/2") == 2
    assert "--shard=1/2 is for a folder" in capsys.readouterr().err
    for flag in ("--shard=0/2", "--shard=3/2", "--shard=1", "--processes=0"):
        with pytest.raises(SystemExit) as error:
            _run("compress", source, flag)
        assert error.value.code == 2


def test_no_name_of_a_file_breaks_a_line_of_output(tmp_path, capsys):
    name = os.fsdecode(b"two\nlines \xff\x1b[2J.png")
    assert _run("compress", _picture(tmp_path / name)) == 0
    assert "two\\nlines \\udcff\\x1b[2J.egic: " in capsys.readouterr().out
    assert _run("compress", tmp_path / name) == 3
    assert "two\\nlines \\udcff\\x1b[2J.egic: exists" in capsys.readouterr().err


def test_two_inputs_with_one_output_are_refused_before_work_starts(tmp_path, capsys):
    first, second = _picture(tmp_path / "a.png"), _picture(tmp_path / "a.bmp")
    other = _picture(tmp_path / "b.png")
    assert _run("compress", other, first, second) == 2
    assert "would both be written to" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.egic"))


def test_equal_names_of_two_folders_meet_in_one_output_folder(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        _picture(tmp_path / folder / "a.png")
    sources = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png"]
    assert len(batch.plan(sources, None, ".egic")) == 2
    with pytest.raises(batch.UsageError, match="would both be written"):
        batch.plan(sources, tmp_path / "out", ".egic")


def test_an_output_that_is_an_input_is_refused_even_with_force(tmp_path, capsys):
    _run("compress", _picture(tmp_path / "a.png"), "--out_dir", tmp_path)
    before = (tmp_path / "a.png").read_bytes()
    files = [tmp_path / "a.egic", tmp_path / "a.png"]
    assert _run("decompress", *files, "--force") == 2
    assert (tmp_path / "a.png").read_bytes() == before
    assert _run("compress", tmp_path / "a.egic", "--force") == 2
    assert "is the opposite command meant?" in capsys.readouterr().err


@pytest.mark.parametrize("variable", [None, ""])
def test_without_a_model_the_programs_own_is_used(
    tmp_path, monkeypatch, codec, variable
):
    monkeypatch.delenv("EGIC_MODEL")
    if variable is not None:
        monkeypatch.setenv("EGIC_MODEL", variable)
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setattr(default_model, "PATH", own)
    assert _run("compress", _picture(tmp_path / "a.png")) == 0
    assert codec == [own]


def test_without_any_model_the_error_names_flag_and_variable(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("EGIC_MODEL")
    monkeypatch.setattr(default_model, "PATH", tmp_path / "absent")
    assert _run("compress", _picture(tmp_path / "a.png")) == 20
    error = capsys.readouterr().err
    for text in (str(tmp_path / "absent"), "--model=DIR", "EGIC_MODEL"):
        assert text in error
    assert not (tmp_path / "a.egic").exists()


def test_the_flag_wins_over_the_variable(tmp_path, codec):
    _run("compress", _picture(tmp_path / "a.png"), "--model=other")
    assert codec == [pathlib.Path("other")]


def test_a_model_that_does_not_load_is_reported_once(tmp_path, monkeypatch, capsys):
    def load(directory):
        raise egic.ModelLoadError(f"{directory}: no config.json")

    monkeypatch.setattr(egic, "load", load)
    sources = [_picture(tmp_path / f"{name}.png") for name in "abc"]
    assert _run("compress", *sources) == 20
    assert capsys.readouterr().err == "egic: some/bundle: no config.json\n"


def test_transparency_is_refused_with_the_flag_that_accepts_it(tmp_path, capsys):
    source = tmp_path / "a.png"
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(source)
    assert _run("compress", source) == 18
    assert "--flatten_alpha" in capsys.readouterr().err
    assert _run("compress", source, "--flatten_alpha=white") == 0


def test_a_colour_that_is_none_is_wrong_usage():
    with pytest.raises(SystemExit) as error:
        _run("compress", "a.png", "--flatten_alpha=whiteish")
    assert error.value.code == 2


def test_a_damaged_file_is_refused_before_a_model_is_loaded(tmp_path, codec, capsys):
    _run("compress", _picture(tmp_path / "a.png"))
    codec.clear()
    path = tmp_path / "a.egic"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    assert _run("decompress", path, "--out_dir", tmp_path / "o") == 13
    assert _run("verify", path) == 13
    assert _run("info", path) == 13
    assert codec == []
    assert capsys.readouterr().err.count(f"egic: {path}: ") == 3


def test_verify_says_intact_and_goes_on_after_a_truncated_file(tmp_path, capsys):
    _run("compress", _picture(tmp_path / "a.png"))
    whole, half = tmp_path / "a.egic", tmp_path / "half.egic"
    half.write_bytes(whole.read_bytes()[:30])
    capsys.readouterr()
    assert _run("verify", half, whole) == 12
    assert capsys.readouterr().out.startswith(f"{whole}: intact, 4x2, ")


def test_info_prints_what_inspect_returns(tmp_path, capsys):
    _run("compress", _picture(tmp_path / "a.png"))
    path = tmp_path / "a.egic"
    capsys.readouterr()
    assert _run("info", path, "--json") == 0
    fields = json.loads(capsys.readouterr().out)
    assert fields == {"file": str(path), **bitstream.inspect(path.read_bytes())}
    assert _run("info", path) == 0
    text = capsys.readouterr().out
    assert "4 x 2 pixels" in text
    assert MODEL_ID.hex() in text


def test_info_and_verify_need_no_tensorflow(tmp_path):
    _run("compress", _picture(tmp_path / "a.png"))
    code = (
        "import sys; from egic import cli\n"
        f"paths = {str(tmp_path / 'a.egic')!r}\n"
        "assert cli.main(['info', paths]) == 0\n"
        "assert cli.main(['verify', paths]) == 0\n"
        "assert 'tensorflow' not in sys.modules\n"
        "assert 'numpy' not in sys.modules\n"
    )
    root = pathlib.Path(cli.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_export_refuses_a_folder_with_something_in_it(tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "out"
    for folder in (run, out):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    assert _run("export", "--workdir", run, "--out", out) == 3
    assert "exists and is not empty" in capsys.readouterr().err
    assert _run("export", "--workdir", tmp_path, "--out", out) == 2
    assert "is no training run" in capsys.readouterr().err


def test_export_passes_the_choice_of_weights_on(tmp_path, monkeypatch, capsys):
    calls = []

    def export(workdir, out, use_ema, storage):
        if use_ema:
            raise ValueError(f"{workdir} holds no valid checkpoint; was it trained?")
        calls.append((workdir, out, storage))
        out.mkdir()
        (out / "weights").write_bytes(bytes(2**20))

    fake = types.SimpleNamespace(export=export)
    monkeypatch.setitem(sys.modules, "egic.codec", fake)
    monkeypatch.setattr(egic, "codec", fake, raising=False)
    monkeypatch.setattr(selftest, "write_vectors", lambda folder: 14)
    (tmp_path / "config.json").write_text("{}")
    arguments = ["export", "--workdir", tmp_path, "--out", tmp_path / "bundle"]
    assert _run(*arguments) == 2
    assert "holds no valid checkpoint" in capsys.readouterr().err
    assert _run(*arguments, "--raw") == 0
    assert calls == [(tmp_path, tmp_path / "bundle", "float32")]
    assert "bundle: float32, 1.0 MiB" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["compress"], ["compress", "a.png", "--mod=x"], ["explode"]]
)
def test_wrong_usage_exits_with_2(arguments):
    with pytest.raises(SystemExit) as error:
        _run(*arguments)
    assert error.value.code == 2


def test_an_interrupt_is_no_traceback(tmp_path, monkeypatch, capsys):
    def load(directory):
        raise KeyboardInterrupt

    monkeypatch.setattr(egic, "load", load)
    assert _run("compress", _picture(tmp_path / "a.png")) == 130
    assert "interrupted" in capsys.readouterr().err


def test_every_exit_code_is_documented():
    root = pathlib.Path(cli.__file__).parents[1]
    text = (root / "docs" / "commands.md").read_text()
    children = egic.CodecError.__subclasses__()
    codes = {child.exit_code for child in children}
    assert len(codes) == len(children)
    for child in [egic.CodecError, *children]:
        assert f"| {child.exit_code} | `{child.__name__}` |" in text
    for code in (
        batch.EXIT_USAGE,
        batch.EXIT_EXISTS,
        batch.EXIT_SYSTEM,
        batch.EXIT_MEMORY,
        batch.EXIT_STOPPED,
        batch.EXIT_INTERRUPTED,
    ):
        assert f"| {code} |" in text


def test_info_counts_the_tiles_of_a_huge_picture(capsys):
    path = pathlib.Path(__file__).parent / "golden" / "bitstream_v1_tiled.egic"
    assert _run("info", path) == 0
    assert "picture   2048 x 2049 pixels in 6 tiles" in capsys.readouterr().out
