"""A fuzz target of the command as it is shipped: `egic decompress --isolated`.

Each case starts the command and its decoder in processes of their own, with a model
bundle from disk; so there are few. A forged file may take as long as its size allows,
or all the memory that it is given, but no longer, and leaves nothing behind.
"""

import dataclasses
import functools
import pathlib
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping

import egic
from egic import codec as builder
from hific.images import read_image
from tests import micro_codec
from trials import damage, whole_files
from trials.cases import Target, check, generator
from trials.material import File

_SECONDS = 40.0  # Of CPU, two processes that load TensorFlow on a busy machine.


@functools.cache
def _bundle() -> pathlib.Path:
    """A bundle of the micro codec, for as long as this process runs."""
    folder = pathlib.Path(tempfile.mkdtemp(), "model")
    builder.save(micro_codec.CONFIG, micro_codec.model(), folder)
    return folder


@functools.cache
def _file() -> File:
    """A file of that bundle."""
    codec = egic.load(_bundle(), "tensorflow")
    data = codec.compress(micro_codec.picture())
    packet, latents = codec.decode_latents(data)
    return File(data, packet, latents, codec.decompress(data))


def _good(file: File, rng: random.Random) -> bytes:
    return file.data


def _damaged(file: File, rng: random.Random) -> bytes:
    payload = damage.mutate(file.packet.payload, file.packet.payload, rng)
    return whole_files.seal(file.packet, payload)


def _forged(file: File, rng: random.Random) -> bytes:
    """Of any size up to a megapixel, with a fingerprint that fits if it decodes."""
    codec = egic.load(_bundle(), "tensorflow")
    width = rng.randrange(1, 4096)
    height = rng.randrange(1, 2 + 2**20 // width)
    packet = dataclasses.replace(file.packet, width=width, height=height)
    payload = rng.randbytes(rng.randrange(200, 4000))
    rows, columns = (-(-side // 64) * 4 for side in (height, width))
    try:
        crc = codec.coder.decode(payload, rows, columns).crc()
    except egic.CodecError:
        crc = 0
    return whole_files.seal(packet, payload, crc)


def _huge(file: File, rng: random.Random) -> bytes:
    """More than there is memory for."""
    packet = dataclasses.replace(file.packet, width=16_384, height=16_384)
    return whole_files.seal(packet, rng.randbytes(20_000))


KINDS: Mapping[str, Callable[[File, random.Random], bytes]] = {
    "good": _good,
    "damaged": _damaged,
    "forged": _forged,
    "huge": _huge,
}


def isolated(seed: int, case: int) -> str:
    """A file through the command: its exit code, messages and outputs."""
    rng = generator("isolated_command", seed, case)
    kind = rng.choice(list(KINDS))
    file = _file()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "in.egic").write_bytes(KINDS[kind](file, rng))
        done = subprocess.run(
            [sys.executable, "-m", "egic.cli", "decompress", f"{folder}/in.egic"]
            + ["--isolated", f"--model={_bundle()}"],
            capture_output=True,
            text=True,
        )
        left = {path.name for path in folder.rglob("*")} - {"in.egic"}
        told = done.stderr.splitlines()
        check(all(line.startswith("egic: ") for line in told), f"told: {told}")
        if done.returncode:
            code = done.returncode
            check(10 <= code <= 20 and len(told) == 1, f"code {code}, told: {told}")
            check(not left, f"left behind: {left}")
            check(kind != "good", f"a good file was refused: {told}")
            return f"{kind}: code {code}"
        check(left == {"in.png"} and not told, f"written: {left}, told: {told}")
        if kind != "forged":
            picture = read_image(folder / "in.png")
            check(bool((picture == file.picture).all()), "another picture")
    return f"{kind}: picture"


TARGETS = {
    "isolated_command": Target(isolated, _file, seconds=_SECONDS, megabytes=400.0),
}
