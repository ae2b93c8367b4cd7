"""Files named one by one: several are in work at once, and nobody can tell."""

import re
import threading

import pytest
from PIL import Image

import egic
from egic import cli, compression, decompression
from hific import memory, tables
from tests import micro_codec
from tests.pixel_codec import PixelCodec

SECONDS = re.compile(r"\d+\.\d\d s")


@pytest.fixture(autouse=True)
def model(monkeypatch):
    """Every test loads PixelCodec."""
    monkeypatch.setattr(egic, "load", lambda directory: PixelCodec())
    monkeypatch.setenv("EGIC_MODEL", "some/bundle")


@pytest.fixture
def sources(tmp_path):
    """Pictures, some of which cannot be compressed."""
    folder = tmp_path / "in"
    folder.mkdir()
    paths = [folder / f"{name}.png" for name in "abcdefgh"]
    for i, path in enumerate(paths):
        Image.new("RGB", (4 + i, 3), (i, 2 * i, 3 * i)).save(path)
    paths[2].write_bytes(b"no picture")
    paths[5].unlink()
    Image.new("RGBA", (4, 4), (0, 0, 0, 9)).save(paths[6])
    return paths


def run(capsys, verb, out, *files):
    """Exit code, lines without seconds, and complaints of a command."""
    code = cli.main([verb, *map(str, files), f"--out_dir={out}"])
    said = capsys.readouterr()
    lines, complaints = (text.replace(str(out), "OUT") for text in said)
    return code, SECONDS.sub("", lines), complaints


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def one_by_one(capsys, verb, out, files):
    """What `run` of all should come to."""
    codes, lines, complaints = zip(
        *(run(capsys, verb, out, file) for file in files), strict=True
    )
    first = next(filter(None, codes), 0)
    return first, "".join(lines), "".join(complaints)


def test_files_of_one_command_come_to_what_each_does_alone(tmp_path, sources, capsys):
    out, alone = tmp_path / "out", tmp_path / "alone"
    out.mkdir()
    alone.mkdir()
    for folder in (out, alone):  # One of the outputs exists.
        (folder / "d.egic").write_text("precious")
    ended = run(capsys, "compress", out, *sources)
    assert ended == one_by_one(capsys, "compress", alone, sources)
    assert ended[0] == 18 and contents(out) == contents(alone)
    assert contents(out).keys() == {f"{name}.egic" for name in "abdeh"}
    assert (out / "d.egic").read_text() == "precious"


def test_files_come_back_as_each_does_alone(tmp_path, sources, capsys):
    run(capsys, "compress", tmp_path / "out", *sources)
    files = sorted((tmp_path / "out").iterdir())
    files[1].write_bytes(files[1].read_bytes()[:-3])
    back, alone = tmp_path / "back", tmp_path / "alone"
    ended = run(capsys, "decompress", back, *files)
    assert ended == one_by_one(capsys, "decompress", alone, files)
    assert ended[0] == 12 and contents(back) == contents(alone)
    assert contents(back).keys() == {"a.png", "d.png", "e.png", "h.png"}


class Waiting(PixelCodec):
    """Codes no bits of a picture before the next one is in the networks."""

    def __init__(self, pictures):
        super().__init__()
        self._began = [threading.Event() for _ in range(pictures + 1)]
        self._began[-1].set()
        self._analysed = self._encoded = 0
        self.overlapped = 0

    def analyse(self, image):
        self._began[self._analysed].set()
        self._analysed += 1
        return super().analyse(image)

    def encode_latents(self, analysed):
        self._encoded += 1
        self.overlapped += self._began[self._encoded].wait(30)
        return super().encode_latents(analysed)


def test_several_are_in_work_at_once_where_there_is_memory(
    tmp_path, sources, capsys, monkeypatch
):
    good = [sources[i] for i in (0, 1, 3, 4, 7)]
    codec = Waiting(len(good))
    monkeypatch.setattr(egic, "load", lambda directory: codec)
    # Whatever the machine that this runs on has.
    monkeypatch.setattr(memory, "available", lambda: 2**50)
    assert run(capsys, "compress", tmp_path / "out", *good)[0] == 0
    assert codec.overlapped == len(good)


@pytest.mark.parametrize("module", [compression, decompression])
def test_memory_is_shared_by_the_processes(monkeypatch, module):
    """5 bytes are used, 3 of them by any model, and 12 are left."""
    monkeypatch.setattr(memory, "_resident", lambda: 5)
    monkeypatch.setattr(memory, "largest_here", lambda: memory.Footprint(3, 0))
    monkeypatch.setattr(memory, "available", lambda: 5 + 12)
    line = module.line_of(None, None, processes=3)
    assert line.fits(6) and not line.fits(7)
    assert module.line_of(None, None).fits(14)


def test_a_model_that_ends_the_command_ends_it_at_its_file(
    tmp_path, sources, capsys, monkeypatch
):
    """What stands before it in the order of names is done and told."""

    class Broken(PixelCodec):
        def encode_latents(self, analysed):
            if analysed.width == 5:  # b.png
                raise egic.ModelLoadError("tables are damaged")
            return super().encode_latents(analysed)

    monkeypatch.setattr(egic, "load", lambda directory: Broken())
    code, lines, complaints = run(capsys, "compress", tmp_path / "out", *sources)
    assert code == egic.ModelLoadError.exit_code
    assert complaints == "egic: tables are damaged\n"
    assert [line.split(" -> ")[0] for line in lines.splitlines()] == [str(sources[0])]


def test_a_network_gives_the_same_bytes_however_many_are_in_work(
    tmp_path, capsys, monkeypatch
):
    codec = micro_codec.codec(tables.build(micro_codec.model().prior.density))
    monkeypatch.setattr(egic, "load", lambda directory: codec)
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        Image.linear_gradient("L").resize((24 + 8 * i, 40)).convert("RGB").save(path)
    out, alone = tmp_path / "out", tmp_path / "alone"
    assert run(capsys, "compress", out, *paths)[0] == 0
    assert one_by_one(capsys, "compress", alone, paths)[0] == 0
    assert len(contents(out)) == 6 and contents(out) == contents(alone)
