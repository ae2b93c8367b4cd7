"""The fuzz targets at counts that every test run affords; `make fuzz` goes on."""

import collections
import contextlib
import random

import pytest
import tensorflow as tf

from hific import coding, rendering
from hific.errors import CodecError
from trials import damage, material, targets
from trials.cases import Violation

# 200,000 parser cases, 3,000 coder strings and 500 whole files, and some of the others.
COUNTS = {
    "parser": 150_000,
    "parser_flips": 44_000,
    "parser_cuts": 6_000,
    "headers": 20_000,
    "tile_tables": 5_000,
    "coder": 3_000,
    "range_decoder": 1_000,
    "latents": 200,
    "files": 300,
    "tiled_files": 200,
    "forged": 200,
    "geometry": 200,
    "decompress_command": 200,
    "pictures": 600,
    "arrays": 100,
    "compress_command": 150,
    "bundles": 1_000,
    "isolated_command": 1,  # The rest is in tests/test_isolation.py.
}
# What must be among the outcomes, or the target does not reach what it is to try.
REACHED = {
    "parser": {"CorruptError", "TruncatedError", "NotThisFormatError", "undamaged"},
    "headers": {"accepted", "LimitExceededError", "UnsupportedVersionError"},
    "tile_tables": {"accepted", "CorruptError"},
    "coder": {"accepted", "CorruptError", "refused by the reference"},
    "range_decoder": {"accepted", "CorruptError", "TruncatedError"},
    "latents": {"NonFiniteError", "clipped"},
    "files": {"DecodeMismatchError", "CorruptError", "the original's latents"},
    "tiled_files": {"DecodeMismatchError", "CorruptError"},
    "forged": {"picture", "CorruptError"},
    "geometry": {"LimitExceededError", "CorruptError"},
    "decompress_command": {"code 13", "code 17", "undamaged"},
    "pictures": {"read", "InvalidImageError", "LimitExceededError"},
    "bundles": {"ModelLoadError", "another bundle"},
    "arrays": {"compressed", "InvalidImageError"},
    "compress_command": {"compressed", "code 18"},
}


@pytest.mark.parametrize("name", targets.TARGETS)
def test_no_case_breaks_a_promise(name):
    target = targets.find(name)
    target.prepare()
    count = COUNTS[name] if target.cases is None else target.cases()
    outcomes = collections.Counter(target.run(0, case) for case in range(count))
    assert outcomes.keys() >= REACHED.get(name, set())


def test_the_counts_are_those_that_are_promised():
    parser = sum(COUNTS[name] for name in ("parser", "headers"))
    for name in ("parser_flips", "parser_cuts"):
        parser += targets.find(name).cases()
    assert parser >= 200_000
    assert COUNTS["coder"] >= 3_000
    assert COUNTS["files"] + COUNTS["tiled_files"] >= 500


@pytest.mark.parametrize("name", ["parser", "headers", "coder", "files", "pictures"])
def test_a_case_is_the_same_whenever_it_is_run(name):
    target = targets.find(name)
    target.prepare()
    first = [target.run(5, case) for case in range(30)]
    assert [target.run(5, case) for case in reversed(range(30))] == first[::-1]


# The oracles see what they are for: codecs with a planted fault.


def run_all(name, count=60):
    target = targets.find(name)
    target.prepare()
    for case in range(count):
        target.run(0, case)


def test_a_parser_that_checks_no_file_checksum_is_found(monkeypatch):
    monkeypatch.setattr("zlib.crc32", lambda *_: 0)
    with pytest.raises(Violation, match="damaged and accepted"):
        run_all("parser", 1000)


def test_a_parser_of_more_than_one_form_is_found(monkeypatch):
    def lenient(data, start, max_bytes, name):
        value = 0
        for i in range(max_bytes):
            value |= (data[start + i] & 0x7F) << 7 * i
            if data[start + i] < 0x80:
                return value, start + i + 1
        raise CodecError("too long")

    monkeypatch.setattr("hific.varints.read", lenient)
    with pytest.raises((Violation, IndexError)):
        run_all("headers", 3000)


class _EqualToAll(int):
    """The fingerprint of a decoder that compares nothing."""

    def __ne__(self, other):
        return False


@pytest.mark.parametrize("name", ["files", "tiled_files", "decompress_command"])
def test_a_decoder_that_compares_no_fingerprint_is_found(name, monkeypatch):
    targets.find(name).prepare()
    monkeypatch.setattr(coding.Coded, "crc", lambda self: _EqualToAll())
    with pytest.raises(Violation, match="other latents than any original's"):
        run_all(name)


def test_a_decoder_of_right_symbols_and_wrong_values_is_found(monkeypatch):
    targets.find("files").prepare()
    decode = material.codec().coder.decode

    def off_by_one(*arguments):
        coded = decode(*arguments)
        return coded._replace(y_hat=coded.y_hat + 1)

    monkeypatch.setattr(material.codec().coder, "decode", off_by_one)
    with pytest.raises(Violation, match="other latents than any original's"):
        run_all("files")


def test_a_synthesis_that_draws_another_picture_is_found(monkeypatch):
    targets.find("files").prepare()
    draw = rendering.Rendering.image
    monkeypatch.setattr(rendering.Rendering, "image", lambda *a: draw(*a) ^ 1)
    with pytest.raises(Violation, match="another picture"):
        run_all("files")


def test_an_exception_that_is_no_codec_error_is_found(monkeypatch):
    targets.find("files").prepare()

    def refuse(*_):
        raise tf.errors.InvalidArgumentError(None, None, "of TensorFlow")

    monkeypatch.setattr("hific.tile_decoding.decoded", refuse)
    monkeypatch.setattr("hific.codec.border", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr("hific.codec.decoded", refuse)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run_all("files")


def test_an_output_of_a_refused_file_is_found(monkeypatch, tmp_path):
    from egic import decompression
    from hific.files import write_atomically
    from hific.pipelines import Line

    def decode_early(job):
        write_atomically(job.target, b"early")
        raise CodecError("and refused")

    monkeypatch.setattr(decompression, "line_of", lambda *_: Line((decode_early,)))
    with pytest.raises(Violation, match="left behind: {'in.png'}"):
        run_all("decompress_command")


def test_every_way_of_damage_damages():
    rng = random.Random(0)
    data = bytes(range(1, 201))
    for way in damage.WAYS:
        changed = 0
        for _ in range(20):
            out = bytearray(data)
            way(out, rng.randrange(200), data[::-1], rng)
            changed += bytes(out) != data
        assert changed > 10, way
