"""BPG and VTM, with small scripts in the place of the programs."""

import json
import os
import pathlib
import stat
import sys
import time

import numpy as np
import pytest
from PIL import Image

from hific.errors import ProgramError
from hific.evaluation import baselines, external
from hific.evaluation.external import EXTERNAL

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)
BPG, VTM = EXTERNAL["bpg"], EXTERNAL["vtm"]

# What all begin with: told without arguments to work on, they say their version and
# fail, as the real ones do; else they note what they were told.
START = """#!{python}
import json, pathlib, shutil, sys
said = {version!r}
if len(sys.argv) == 2:
    print(said)
    sys.exit({version_code})
with open({log!r}, "a") as log:
    log.write(json.dumps([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]) + "\\n")
def after(flag):
    return sys.argv[sys.argv.index(flag) + 1]
"""
# The coded file is the quality, then what was coded.
BPGENC = """
data = pathlib.Path(sys.argv[-1]).read_bytes()
pathlib.Path(after("-o")).write_bytes(bytes([int(after("-q"))]) + data)
"""
BPGDEC = """
data = pathlib.Path(sys.argv[-1]).read_bytes()
pathlib.Path(after("-o")).write_bytes(data[1:])
"""
FFMPEG = """
from PIL import Image
if "rawvideo" in sys.argv:
    width, height = map(int, after("-s").split("x"))
    data = pathlib.Path(after("-i")).read_bytes()
    Image.frombytes("RGB", (width, height), data).save(sys.argv[-1])
else:
    data = Image.open(after("-i")).convert("RGB").tobytes()
    pathlib.Path(sys.argv[-1]).write_bytes(data)
"""
ENCODER = """
assert pathlib.Path("encoder_intra_vtm.cfg").read_text() == "all intra"
data = pathlib.Path(after("-i")).read_bytes()
pathlib.Path(after("-b")).write_bytes(bytes([int(after("-q"))]) + data)
"""
DECODER = """
data = pathlib.Path(after("-b")).read_bytes()
pathlib.Path(after("-o")).write_bytes(data[1:])
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that alone is on PATH; returns how to put a program there."""
    folder = tmp_path / "vtm/bin"
    folder.mkdir(parents=True)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.delenv("VTM_INTRA_CONFIG", raising=False)

    def put(name, body, version="version 1.0", version_code=1):
        start = START.format(
            python=sys.executable,
            version=version,
            version_code=version_code,
            log=str(tmp_path / "log"),
        )
        (folder / name).write_text(start + body)
        (folder / name).chmod(stat.S_IRWXU)

    return put


def commands(tmp_path):
    lines = (tmp_path / "log").read_text().splitlines()
    return [" ".join(json.loads(line)) for line in lines]


def put_bpg(put):
    put("bpgenc", BPGENC, "BPG Image Encoder version 0.9.8\nusage: bpgenc")
    put("bpgdec", BPGDEC, "BPG Image Decoder version 0.9.8\nusage: bpgdec")


def put_vtm(put, tmp_path):
    put("ffmpeg", FFMPEG, "ffmpeg version 6.1.1-3 Copyright (c)", 0)
    put("EncoderAppStatic", ENCODER, "VVCSoftware: VTM Encoder Version 20.0 [Linux]")
    put("DecoderAppStatic", DECODER, "VVCSoftware: VTM Decoder Version 20.0 [Linux]")
    config = tmp_path / "vtm/cfg/encoder_intra_vtm.cfg"
    config.parent.mkdir(exist_ok=True)
    config.write_text("all intra")
    return config


def test_bpg_is_run_as_in_the_paper(programs, tmp_path):
    put_bpg(programs)
    data = BPG.encode(IMAGE, 32)
    assert data[0] == 32
    np.testing.assert_array_equal(BPG.decode(data), IMAGE)
    assert commands(tmp_path) == [
        "bpgenc -o coded.bin -q 32 -f 444 -e x265 -b 8 input.png",
        "bpgdec -o reconstruction.png coded.bin",
    ]


def test_vtm_is_run_as_in_the_paper(programs, tmp_path):
    put_vtm(programs, tmp_path)
    data = VTM.encode(IMAGE, 37)
    assert data == bytes([37]) + IMAGE.tobytes()
    np.testing.assert_array_equal(VTM.decode(data, IMAGE.shape), IMAGE)
    assert commands(tmp_path) == [
        "ffmpeg -i input.png -pix_fmt yuv444p input.yuv",
        "EncoderAppStatic -c encoder_intra_vtm.cfg -i input.yuv -q 37 -o /dev/null "
        "-b coded.bin --SourceWidth=10 --SourceHeight=6 --FrameRate=1 "
        "--FramesToBeEncoded=1 --InputBitDepth=8 --InputChromaFormat=444 "
        "--ConformanceWindowMode=1",
        "DecoderAppStatic -b coded.bin -o reconstruction.yuv -d 8",
        "ffmpeg -f rawvideo -s 10x6 -pix_fmt yuv444p -i reconstruction.yuv "
        "reconstruction.png",
    ]


def test_temporary_folders_are_gone_afterwards(programs, tmp_path):
    put_bpg(programs)
    BPG.decode(BPG.encode(IMAGE, 32))
    programs("bpgenc", "sys.exit(3)")
    with pytest.raises(ProgramError):
        BPG.encode(IMAGE, 32)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_versions_are_recorded_and_others_than_the_papers_remarked(programs, tmp_path):
    put_bpg(programs)
    assert BPG.missing is None
    assert BPG.version == "bpgenc 0.9.8, bpgdec 0.9.8"
    assert BPG.remark is None
    programs("bpgenc", BPGENC, "BPG Image Encoder version 0.9.7")
    assert BPG.version == "bpgenc 0.9.7, bpgdec 0.9.8"
    assert BPG.remark == "bpgenc is 0.9.7, published curves are of 0.9.8"
    put_vtm(programs, tmp_path)
    assert "EncoderAppStatic 20.0" in VTM.version and "ffmpeg 6.1.1-3" in VTM.version
    assert VTM.remark is None


def test_a_program_without_a_version_is_known_by_its_hash(programs):
    put_bpg(programs)
    programs("bpgenc", BPGENC, "no number here")
    first = BPG.version
    assert first.startswith("bpgenc sha256 ")
    programs("bpgenc", BPGENC + "\n", "no number here")
    assert BPG.version != first


def test_the_fingerprint_has_versions_command_lines_and_config(programs, tmp_path):
    config = put_vtm(programs, tmp_path)
    first = VTM.fingerprint
    assert "EncoderAppStatic 20.0" in first and "--InputChromaFormat=444" in first
    config.write_text("something else")
    assert VTM.fingerprint != first


def test_what_is_missing_is_named(programs, tmp_path, monkeypatch):
    assert BPG.missing == "there is no bpgenc and no bpgdec on PATH"
    put_vtm(programs, tmp_path).unlink()
    assert VTM.missing.startswith("encoder_intra_vtm.cfg is not at $VTM_INTRA_CONFIG")
    (tmp_path / "mine.cfg").write_text("all intra")
    monkeypatch.setenv("VTM_INTRA_CONFIG", str(tmp_path / "mine.cfg"))
    assert VTM.missing is None
    assert VTM.encode(IMAGE, 30)[0] == 30


def test_absent_programs_are_skipped_with_a_message(programs, caplog):
    put_bpg(programs)
    chosen = baselines.choose(["jpeg", "bpg", "vtm"])
    assert list(chosen) == ["jpeg", "bpg"]
    assert "vtm is skipped: there is no EncoderAppStatic" in caplog.text
    assert "bpg" not in caplog.text


def test_another_version_is_used_with_a_message(programs, caplog):
    put_bpg(programs)
    programs("bpgdec", BPGDEC, "BPG Image Decoder version 0.9.5")
    assert list(baselines.choose(["bpg"])) == ["bpg"]
    assert "bpgdec is 0.9.5, published curves are of 0.9.8" in caplog.text


def test_a_failure_says_the_command_and_what_the_program_said(programs):
    put_bpg(programs)
    programs("bpgenc", 'print("no memory", file=sys.stderr)\nsys.exit(3)')
    with pytest.raises(ProgramError, match="bpgenc -o coded.*code 3: no memory"):
        BPG.encode(IMAGE, 32)


def test_a_program_that_leaves_no_file_has_failed(programs):
    put_bpg(programs)
    programs("bpgenc", "")
    with pytest.raises(ProgramError, match="ended well, but left no coded.bin"):
        BPG.encode(IMAGE, 32)


def test_a_program_that_cannot_be_started_has_failed(tmp_path):
    with pytest.raises(ProgramError, match="nothing/here --now cannot be run"):
        external.run(["nothing/here", "--now"], tmp_path, 5)


def test_a_program_is_stopped_with_its_children_after_its_time(tmp_path):
    alive = tmp_path / "alive"
    command = ["sh", "-c", f"(sleep 1; touch {alive}) & wait; sleep 60"]
    start = time.monotonic()
    with pytest.raises(ProgramError, match="was stopped after 0.3 seconds"):
        external.run(command, tmp_path, 0.3)
    assert time.monotonic() - start < 30
    time.sleep(1)
    assert not alive.exists()


def test_vtm_cannot_decode_without_the_shape(programs, tmp_path):
    put_vtm(programs, tmp_path)
    with pytest.raises(ValueError, match="shape, which was not given"):
        VTM.decode(b"\x20")


@pytest.mark.parametrize("codec", EXTERNAL.values(), ids=EXTERNAL)
def test_curves_are_of_qualities_that_grow_files(codec):
    assert set(codec.curve) <= set(codec.qualities)
    assert list(codec.qualities) == sorted(codec.qualities, reverse=True)
    assert list(codec.curve) == sorted(codec.curve, reverse=True)


def test_matching_runs_an_encoder_once_per_quality(programs, tmp_path):
    put_bpg(programs)
    # Files shrink by a byte with every step of the quality parameter.
    programs(
        "bpgenc",
        'pathlib.Path(after("-o")).write_bytes(b"." * (100 - int(after("-q"))))',
    )
    files = baselines.Files(BPG)
    match = baselines.at_matched_bits(IMAGE, files, 70)
    assert (match.quality, len(match.data), match.fits) == (30, 70, True)
    runs = len(commands(tmp_path))
    assert runs <= 7
    assert baselines.at_matched_bits(IMAGE, files, 70).quality == 30
    assert files.timed(IMAGE, 30)[0] == match.data
    assert len(commands(tmp_path)) == runs
    assert baselines.at_matched_bits(IMAGE, files, 71).quality == 29
    assert len(commands(tmp_path)) <= runs + 3


def test_a_picture_written_for_a_program_is_what_was_given(programs, tmp_path):
    put_bpg(programs)
    kept = tmp_path / "kept.png"
    copy = f"shutil.copy(sys.argv[-1], {os.fspath(kept)!r})\n"
    programs("bpgenc", copy + BPGENC)
    BPG.encode(IMAGE, 32)
    with Image.open(pathlib.Path(kept)) as image:
        np.testing.assert_array_equal(np.asarray(image), IMAGE)
