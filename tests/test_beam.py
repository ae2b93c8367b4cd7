import dataclasses
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image

import egic
from egic import codec as codecs
from hific import bitstream
from hific.errors import UnsupportedAlphaError
from tests import micro_codec
from tests.egic_script import write_model
from tests.pixel_codec import MODEL_ID, PixelCodec

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning"
)
beam = pytest.importorskip("apache_beam", reason="pip install 'egic[beam]'")

from apache_beam.io.localfilesystem import LocalFileSystem  # noqa: E402
from apache_beam.testing.util import assert_that, equal_to  # noqa: E402

from egic.beam import (  # noqa: E402
    CompressPictures,
    Decompression,
    DecompressPictures,
    tasks,
)
from egic.beam.__main__ import main  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]


def picture(seed, height=24, width=40):
    """A ramp with noise, so that each differs."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 64, (height, width, 3))
    return (noise + np.linspace(0, 190, width)[:, None]).astype(np.uint8)


def write_picture(path, seed=0, **size):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed, **size)).save(path)


def _png_of(width, height):
    """The start of a PNG whose header claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        for body in (header, b"IDAT" + bytes(8))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def write_bad_pictures(folder):
    """Returns what each should be refused for: path -> (error, part of the reason)."""
    write_picture(folder / "whole.png")
    whole = (folder / "whole.png").read_bytes()
    (folder / "whole.png").rename(folder / "cut.png")
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("no picture")
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / "deep.png")
    (folder / "huge.png").write_bytes(_png_of(60_000, 60_000))
    Image.new("RGBA", (8, 8), (9, 9, 9, 100)).save(folder / "glass.png")
    return {
        str(folder / "cut.png"): ("InvalidImageError", "cannot be read"),
        str(folder / "text.jpg"): ("InvalidImageError", "header is damaged"),
        str(folder / "deep.png"): ("InvalidImageError", "--allow_16bit"),
        str(folder / "huge.png"): ("LimitExceededError", "limit of "),
        str(folder / "glass.png"): ("InvalidImageError", "--flatten_alpha"),
    }


def letters_in(folder):
    lines = (folder / "dead-letters.jsonl").read_text().splitlines()
    return {letter.pop("path"): letter for letter in map(json.loads, lines)}


def all_below(folder):
    paths = folder.rglob("*")
    return {str(path.relative_to(folder)) for path in paths if path.is_file()}


@pytest.fixture
def pixels(tmp_path, monkeypatch):
    """Lets the pipeline code with a stand-in; returns it."""
    monkeypatch.setenv("EGIC_MODEL", str(tmp_path / "model"))
    write_model(tmp_path / "model")
    monkeypatch.setattr(tasks.models.Models, "of", lambda self, model_id: self.path)
    codec = PixelCodec()
    monkeypatch.setattr(egic, "load", lambda *_, **__: codec)
    start = tasks.Compression.start

    def start_with_its_id(task):
        worker = start(task)
        worker._model_id = MODEL_ID
        return worker

    monkeypatch.setattr(tasks.Compression, "start", start_with_its_id)
    return codec


def compress(tmp_path, *flags):
    source, out = tmp_path / "in", tmp_path / "out"
    return main(["compress", f"--input={source}", f"--output={out}", *flags])


def test_pictures_mirror_their_tree_and_come_back(tmp_path, pixels, capsys):
    for i, name in enumerate(("a.png", "x/y/b.png", "x/photo [1].png")):
        write_picture(tmp_path / "in" / name, i)
    assert compress(tmp_path) == 0
    names = {"a.egic", "x/y/b.egic", "x/photo [1].egic", "dead-letters.jsonl"}
    assert all_below(tmp_path / "out") == names
    said = capsys.readouterr().out
    sizes = [path.stat().st_size for path in (tmp_path / "out").rglob("*.egic")]
    assert "3 made in" in said and f"{sum(sizes):,} out" in said
    assert f"{8 * sum(sizes) / (3 * 24 * 40):.4f} bpp; 0 skipped; 0 failed" in said
    flags = [f"--input={tmp_path}/out", f"--output={tmp_path}/back"]
    assert main(["decompress", *flags]) == 0
    shown = np.asarray(Image.open(tmp_path / "back" / "x" / "photo [1].png"))
    np.testing.assert_array_equal(shown, picture(2))
    assert main(["decompress", *flags, "--alpha=0,1"]) == 0
    assert {"a.alpha-0.png", "a.alpha-1.png"} < all_below(tmp_path / "back")


def test_a_bad_picture_is_a_letter_and_the_others_are_made(tmp_path, pixels, capsys):
    write_picture(tmp_path / "in" / "good.png")
    bad = write_bad_pictures(tmp_path / "in")
    nobody = tmp_path / "in" / "link.png"
    nobody.symlink_to("nothing")
    bad[str(nobody)] = ("FileNotFoundError", "is a link to nothing")
    assert compress(tmp_path) == 0
    assert all_below(tmp_path / "out") == {"good.egic", "dead-letters.jsonl"}
    letters = letters_in(tmp_path / "out")
    assert letters.keys() == bad.keys()
    for path, (error, reason) in bad.items():
        assert letters[path]["error"] == error and reason in letters[path]["reason"]
        assert path not in letters[path]["reason"]
    assert "1 made" in (said := capsys.readouterr().out) and "6 failed" in said
    # What is mended, or allowed, leaves the list.
    flags = ("--allow_16bit", "--flatten_alpha=white")
    for name in ("cut.png", "text.jpg", "huge.png", "link.png"):
        (tmp_path / "in" / name).unlink()
    assert compress(tmp_path, *flags) == 0
    assert letters_in(tmp_path / "out") == {}
    assert "2 made" in (said := capsys.readouterr().out) and "1 skipped" in said


def test_names_that_cannot_be_written_are_letters(tmp_path, pixels):
    write_picture(tmp_path / "in" / "twin.png", 1)
    write_picture(tmp_path / "in" / "twin.bmp", 2)
    write_picture(tmp_path / "in" / "one.png", 3)
    odd = os.fsencode(tmp_path / "in") + b"/odd\xff.png"
    shutil.copy(tmp_path / "in" / "one.png", odd)
    assert compress(tmp_path) == 0
    assert all_below(tmp_path / "out") == {"one.egic", "dead-letters.jsonl"}
    letters = letters_in(tmp_path / "out")
    twins = {str(tmp_path / "in" / f"twin{suffix}") for suffix in (".png", ".bmp")}
    (other,) = letters.keys() - twins
    assert other.endswith("odd\\udcff.png") and twins < letters.keys()
    for twin in twins:
        assert all(each in letters[twin]["reason"] for each in twins)


def test_only_what_is_whole_and_of_this_model_is_skipped(tmp_path, pixels, capsys):
    for name in ("good.png", "cut.png", "empty.png", "other.png"):
        write_picture(tmp_path / "in" / name)
    assert compress(tmp_path) == 0
    out = tmp_path / "out"
    whole = (out / "good.egic").read_bytes()
    (out / "cut.egic").write_bytes(whole[:-9])
    (out / "empty.egic").write_bytes(b"")
    (out / "left.egic.tmp-12-0123abcd").write_bytes(b"half")
    packet = dataclasses.replace(bitstream.unpack(whole), model_id=b"else")
    (out / "other.egic").write_bytes(bitstream.pack(packet))
    capsys.readouterr()
    assert compress(tmp_path) == 0
    assert "2 made" in (said := capsys.readouterr().out) and "1 skipped" in said
    (letter,) = letters_in(out).values()
    assert letter["error"] == "FileExistsError" and "--force" in letter["reason"]
    names = {f"{name}.egic" for name in ("good", "cut", "empty", "other")}
    assert all_below(out) == names | {"dead-letters.jsonl"}
    assert (out / "cut.egic").read_bytes() == whole
    assert compress(tmp_path, "--force") == 0
    assert "4 made" in capsys.readouterr().out and letters_in(out) == {}
    assert (out / "other.egic").read_bytes() == whole


class Depot(LocalFileSystem):
    """Stands in for a file system of other machines: depot:///path."""

    opened = 0

    @classmethod
    def scheme(cls):
        return "depot"

    def _bare(self, path):
        return path.removeprefix("depot://")

    def _list(self, folder):
        for found in super()._list(self._bare(folder)):
            found.path = f"depot://{found.path}"
            yield found

    def _path_open(self, path, *arguments, **named):
        type(self).opened += 1
        return super()._path_open(self._bare(path), *arguments, **named)

    def create(self, path, *arguments, **named):
        return super().create(self._bare(path), *arguments, **named)

    def rename(self, sources, targets):
        bare = [[*map(self._bare, paths)] for paths in (sources, targets)]
        return super().rename(*bare)

    def exists(self, path):
        return super().exists(self._bare(path))

    def size(self, path):
        return super().size(self._bare(path))

    def metadata(self, path):
        found = super().metadata(self._bare(path))
        found.path = path
        return found

    def delete(self, paths):
        for result in self.match(paths):
            for found in result.metadata_list:
                os.remove(self._bare(found.path))

    def _url_dirname(self, path):
        return f"depot://{os.path.dirname(self._bare(path))}"


def test_files_elsewhere_are_read_and_written_there(tmp_path, pixels, capsys):
    write_picture(tmp_path / "in" / "x" / "a.png", 1)
    write_picture(tmp_path / "in" / "b[1].png", 2)
    (tmp_path / "in" / "bad.png").write_text("no picture")
    out = tmp_path / "out"
    out.mkdir()
    (out / "left.egic.tmp-12-0123abcd").write_bytes(b"half")
    flags = [f"--input=depot://{tmp_path}/in", f"--output=depot://{out}/"]
    for made, skipped in ((2, 0), (0, 2)):
        assert main(["compress", *flags]) == 0
        names = {"x/a.egic", "b[1].egic", "dead-letters.jsonl"}
        assert all_below(out) == names
        assert letters_in(out) == {
            f"depot://{tmp_path}/in/bad.png": {
                "error": "InvalidImageError",
                "reason": "no PNG, JPEG, WEBP, TIFF, BMP picture, or its header is "
                "damaged.",
            }
        }
        said = capsys.readouterr().out
        assert f"{made} made" in said and f"{skipped} skipped; 1 failed" in said
    assert Depot.opened > 6
    flags = [f"--input=depot://{out}/x/*.egic", f"--output={tmp_path}/back"]
    assert main(["decompress", *flags]) == 0
    shown = np.asarray(Image.open(tmp_path / "back" / "a.png"))
    np.testing.assert_array_equal(shown, picture(1))


def test_a_file_that_is_gone_elsewhere_is_a_letter(tmp_path, pixels):
    gone = f"depot://{tmp_path}/gone.png"
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        paths = pipeline | beam.Create([gone])
        _, failed = paths | CompressPictures("depot:///", str(tmp_path))
        letter = {"path": gone, "error": "FileNotFoundError"}
        letter["reason"] = "No such file or directory"
        assert_that(failed, equal_to([letter]))


def test_transforms_are_parts_of_other_pipelines(tmp_path, pixels):
    paths = [tmp_path / "in" / name for name in ("a.png", "x/b.png", "x/c.png")]
    for i, path in enumerate(paths):
        write_picture(path, i)
    wanted = [str(paths[1]), str(tmp_path / "in" / "gone.png")]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        named = pipeline | beam.Create(wanted)
        made, failed = named | CompressPictures(str(tmp_path / "in"), str(tmp_path))
        assert_that(
            failed | beam.Map(lambda letter: (letter["error"], letter["path"])),
            equal_to([("FileNotFoundError", wanted[1])]),
            label="failed",
        )
        files = made | beam.FlatMap(lambda record: record["targets"])
        shown, _ = files | DecompressPictures(
            str(tmp_path), str(tmp_path / "back"), Decompression(alphas=(1.0, 0.0))
        )
        assert_that(
            shown | beam.Map(lambda record: (record["width"], record["height"])),
            equal_to([(40, 24)]),
            label="shown",
        )
    assert all_below(tmp_path / "back") == {"x/b.alpha-0.png", "x/b.alpha-1.png"}


@pytest.mark.parametrize(
    "flags, code, said",
    [
        (["--allow_16bits"], 2, "unknown flags: --allow_16bits"),
        (["--allow_16bits", "deep"], 2, "unknown flags: --allow_16bits"),
        (["stray"], 2, "stray: no flag names it; --input=PATH does"),
        (["--direct_num_workers", "1", "a", "b"], 2, "a b: no flag names it"),
        (["--runner=Other", "--theirs", "1", "c"], 2, "c: no flag names it"),
        (["--model=/nowhere"], 20, "/nowhere"),
        ([], 2, "holds no file that ends in .png"),
    ],
)
def test_what_cannot_be_meant_is_one_line(tmp_path, pixels, capsys, flags, code, said):
    (tmp_path / "in").mkdir()
    try:
        found = compress(tmp_path, *flags)
    except SystemExit as error:
        found = error.code
    assert found == code and said in capsys.readouterr().err.splitlines()[-1]


FAR = "hific.errors.ModelLoadError"  # Of a process whose errors come as text.


@pytest.mark.parametrize(
    "error, code, said",
    [
        (egic.ModelLoadError("model: weights are damaged"), 20, "model: weights are d"),
        (UnsupportedAlphaError("Any alpha but 1 needs"), 2, "Any alpha but 1 needs"),
        (RuntimeError(f"Traceback:\n{FAR}: weights"), 20, "weights"),
        (RuntimeError("at\nthe\nend"), 4, "the pipeline ended: end [while running"),
    ],
)
def test_what_a_worker_finds_wrong_has_the_code_of_the_command(
    tmp_path, pixels, monkeypatch, capsys, error, code, said
):
    """As a model of which only the manifest is whole."""
    write_picture(tmp_path / "in" / "a.png")

    def load(*_, **__):
        raise error

    monkeypatch.setattr(egic, "load", load)
    assert compress(tmp_path) == code
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"egic.beam: {said}")


def test_a_folder_that_is_not_there_is_one_line(tmp_path, pixels, capsys):
    assert compress(tmp_path) == 2
    assert f"--input={tmp_path}/in is not there." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_disk_that_is_full_ends_the_pipeline(tmp_path, pixels, monkeypatch, capsys):
    def fill_disk(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("egic.compression.write_atomically", fill_disk)
    write_picture(tmp_path / "in" / "a.png")
    assert compress(tmp_path) == 4
    assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]
    assert all_below(tmp_path / "out") == set()


def test_without_beam_one_line_says_what_to_install(tmp_path):
    (tmp_path / "apache_beam.py").write_text("raise ImportError('not installed')")
    ended = subprocess.run(
        [sys.executable, "-m", "egic.beam", "compress"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "pip install 'egic[beam]'" in line


def _start(arguments, model):
    return subprocess.Popen(
        [sys.executable, "-m", "egic.beam", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "EGIC_MODEL": str(model)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_hundreds_of_pictures_killed_and_begun_again_are_all_there(tmp_path):
    count, source, out = 240, tmp_path / "in", tmp_path / "out"
    for i in range(count):
        write_picture(source / f"{i % 7}" / f"{i}.png", i, height=24, width=40)
    bad = write_bad_pictures(source / "3")
    codecs.save(micro_codec.CONFIG, micro_codec.model(), tmp_path / "model")
    arguments = ["compress", f"--input={source}", f"--output={out}"]
    process = _start(arguments, tmp_path / "model")
    while len(list(out.rglob("*.egic"))) < 40 and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = {path: path.read_bytes() for path in out.rglob("*.egic")}
    assert 40 <= len(before) < count and not (out / "dead-letters.jsonl").exists()
    for data in before.values():
        bitstream.unpack(data)
    process = _start(arguments, tmp_path / "model")
    said = process.communicate()[0]
    assert process.returncode == 0
    assert f"{count - len(before)} made" in said
    assert f"{len(before)} skipped; {len(bad)} failed" in said
    names = {f"{i % 7}/{i}.egic" for i in range(count)}
    assert all_below(out) == names | {"dead-letters.jsonl"}
    letters = letters_in(out)
    assert {path: letter["error"] for path, letter in letters.items()} == {
        path: error for path, (error, _) in bad.items()
    }
    made = sum((out / name).stat().st_size for name in names)
    again = sum(len(data) for data in before.values())
    pixels = (count - len(before)) * 24 * 40
    assert f"{made - again:,} out, {8 * (made - again) / pixels:.4f} bpp" in said
    shown = tmp_path / "shown"
    arguments = ["decompress", f"--input={out}", f"--output={shown}"]
    process = _start(arguments, tmp_path / "model")
    assert f"{count} made" in process.communicate()[0]
    codec = egic.load(tmp_path / "model")
    for i in range(count):
        data = (out / f"{i % 7}" / f"{i}.egic").read_bytes()
        if i % 20 == 0:
            assert data == codec.compress(picture(i))
        np.testing.assert_array_equal(
            np.asarray(Image.open(shown / f"{i % 7}" / f"{i}.png")),
            codec.decompress(data),
        )
    assert all(path.read_bytes() == data for path, data in before.items())
