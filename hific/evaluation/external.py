"""Conventional codecs that are programs: BPG and VTM, as EGIC ran them."""

import dataclasses
import functools
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np
from absl import logging
from PIL import Image

from hific.errors import ProgramError
from hific.images import write_png

# Files in the temporary folder in which programs run.
_NAMES = {
    "input": "input.png",
    "raw": "input.yuv",
    "coded": "coded.bin",
    "raw_reconstruction": "reconstruction.yuv",
    "reconstruction": "reconstruction.png",
}
_VERSION = re.compile(r"version\W+([nN]?-?\d\S*)", re.IGNORECASE)
_SHOWN_CHARACTERS = 2000  # Of what a failed program said.
_VERSION_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Program:
    """One that has to be on PATH.

    Attributes:
        ask: Arguments that make it tell its version and do nothing else.
        published: The version that EGIC was compared with, or empty if any will do.
    """

    ask: str
    published: str = ""


@dataclasses.dataclass(frozen=True)
class ExternalCodec:
    """A codec that is run by command lines. See `baselines.Baseline`.

    Command lines run one after the other in a temporary folder of their own, without
    a shell and with nothing on standard input. {input}, {raw}, {coded} and so on are
    files in it; {quality}, {width} and {height} numbers.

    Attributes:
        programs: Name -> what is known of it; the encoder comes first.
        encoder: From {input}, a PNG, to {coded}.
        decoder: From {coded} to {reconstruction}, a PNG.
        config: File that the encoder reads from the folder, or empty. It is looked for
            at `config_variable`, beside the encoder and in cfg/ above it.
        config_variable: Environment variable with the path of `config`.
        seconds: What one command may take.
    """

    suffix: str
    qualities: Sequence[float]
    curve: Sequence[float]
    programs: Mapping[str, Program]
    encoder: Sequence[str]
    decoder: Sequence[str]
    config: str = ""
    config_variable: str = ""
    seconds: float = 3600.0

    @property
    def missing(self) -> str | None:
        absent = [name for name in self.programs if not shutil.which(name)]
        if absent:
            return f"there is no {' and no '.join(absent)} on PATH"
        if self.config and self._config() is None:
            return (
                f"{self.config} is not at ${self.config_variable}, beside "
                f"{self._encoder_path()} or in cfg/ above it"
            )
        return None

    @property
    def version(self) -> str:
        found = {name: _version(name, of.ask) for name, of in self.programs.items()}
        return ", ".join(f"{name} {version}" for name, version in found.items())

    @property
    def remark(self) -> str | None:
        """In what the programs differ from those of the published curves, or None."""
        others = [
            f"{name} is {found}, published curves are of {program.published}"
            for name, program in self.programs.items()
            if program.published
            and (found := _version(name, program.ask)) != program.published
        ]
        return "; ".join(others) or None

    @property
    def fingerprint(self) -> str:
        parts = [self.version, *self.encoder, *self.decoder]
        config = self._config()
        if config:
            parts.append(f"{self.config} sha256 {_sha256(config)}")
        return "; ".join(parts)

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        """[H, W, 3] uint8 -> the whole file.

        Raises:
            ProgramError: A program failed, took too long or left no file.
        """
        height, width = image.shape[:2]
        with tempfile.TemporaryDirectory(prefix="baseline-") as folder:
            inside = pathlib.Path(folder)
            write_png(inside / _NAMES["input"], image)
            config = self._config()
            if config:
                shutil.copy(config, inside / self.config)
            numbers = {"quality": f"{quality:g}", "width": width, "height": height}
            for line in self.encoder:
                self._run(line, inside, numbers)
            return _product(inside / _NAMES["coded"], self.encoder[-1])

    def decode(self, data: bytes, shape: Sequence[int] | None = None) -> np.ndarray:
        """A whole file -> [H, W, 3] uint8.

        Args:
            data: The file.
            shape: (H, W, ...) of the picture; needed where the command lines name it.

        Raises:
            ProgramError: A program failed, took too long or left no picture.
            ValueError: The command lines need a shape, and none was given.
        """
        numbers = {}
        if shape is not None:
            numbers = {"height": shape[0], "width": shape[1]}
        elif any("{width}" in line for line in self.decoder):
            raise ValueError(
                f"{self._encoder_path()} files are decoded with the picture's shape, "
                "which was not given."
            )
        with tempfile.TemporaryDirectory(prefix="baseline-") as folder:
            inside = pathlib.Path(folder)
            (inside / _NAMES["coded"]).write_bytes(data)
            for line in self.decoder:
                self._run(line, inside, numbers)
            path = inside / _NAMES["reconstruction"]
            _product(path, self.decoder[-1])
            with Image.open(path, formats=["PNG"]) as image:
                return np.asarray(image.convert("RGB"))

    def _run(self, line: str, folder: pathlib.Path, numbers: Mapping) -> None:
        command = [part.format(**_NAMES, **numbers) for part in shlex.split(line)]
        run(command, folder, self.seconds)

    def _encoder_path(self) -> str:
        name = next(iter(self.programs))
        return shutil.which(name) or name

    def _config(self) -> pathlib.Path | None:
        if not self.config:
            return None
        beside = pathlib.Path(self._encoder_path()).resolve().parent
        places = [beside / self.config, beside.parent / "cfg" / self.config]
        given = os.environ.get(self.config_variable)
        if given:
            places.insert(0, pathlib.Path(given))
        return next((path for path in places if path.is_file()), None)


def run(command: Sequence[str], folder: pathlib.Path, seconds: float) -> str:
    """Runs a program in a folder and returns what it said, both streams as one.

    It and all it starts are killed when the time is over, or on an interrupt.

    Raises:
        ProgramError: It cannot be started, ends with another code than 0 or takes
            longer; with its command line and the end of what it said.
    """
    code, said = _run_any(command, folder, seconds)
    if code:
        raise ProgramError(f"{_shown(command)} ended with code {code}: {_end(said)}")
    return said


def _run_any(command, folder, seconds) -> tuple[int, str]:
    # To a file: a pipe would wait for every process that inherited it.
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ProgramError(f"{_shown(command)} cannot be run: {error}") from error
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise ProgramError(
                f"{_shown(command)} was stopped after {seconds:g} seconds."
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said.seek(0)
        return code, said.read().decode(errors="replace")


def _shown(command: Sequence[str]) -> str:
    return shlex.join(str(part) for part in command)


def _end(said: str) -> str:
    return said.strip()[-_SHOWN_CHARACTERS:] or "it said nothing."


def _product(path: pathlib.Path, line: str) -> bytes:
    if not path.is_file() or not path.stat().st_size:
        raise ProgramError(f"{line} ended well, but left no {path.name}.")
    return path.read_bytes()


def _version(name: str, ask: str) -> str:
    path = shutil.which(name)
    if path is None:
        return "absent"
    changed = pathlib.Path(path).stat().st_mtime_ns
    return _version_of(path, ask, changed)


@functools.cache
def _version_of(path: str, ask: str, changed: int) -> str:
    """Returns what a program calls its version, or else its hash.

    Its exit code does not count: programs that are asked too little end with an error.
    """
    del changed  # Part of the key: a program may be replaced.
    with tempfile.TemporaryDirectory() as folder:
        command = [path, *shlex.split(ask)]
        _, said = _run_any(command, pathlib.Path(folder), _VERSION_SECONDS)
    found = _VERSION.search(said)
    if found:
        return found[1].rstrip(",;.)")
    logging.warning("%s does not tell its version; its hash is recorded.", path)
    return f"sha256 {_sha256(pathlib.Path(path))}"


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


# Name in --baselines -> codec. Command lines as in the paper, but for a comma too many
# in its VTM line. Quality parameters fall as files grow.
EXTERNAL: Mapping[str, ExternalCodec] = {
    "bpg": ExternalCodec(
        ".bpg",
        range(51, -1, -1),
        (47, 44, 41, 38, 35, 32, 29, 26),
        {"bpgenc": Program("-h", "0.9.8"), "bpgdec": Program("-h", "0.9.8")},
        ["bpgenc -o {coded} -q {quality} -f 444 -e x265 -b 8 {input}"],
        ["bpgdec -o {reconstruction} {coded}"],
    ),
    "vtm": ExternalCodec(
        ".vvc",
        range(63, -1, -1),
        (47, 44, 41, 37, 34, 30, 26, 22),
        {
            "EncoderAppStatic": Program("--help", "20.0"),
            "DecoderAppStatic": Program("--help", "20.0"),
            "ffmpeg": Program("-version"),
        },
        [
            "ffmpeg -i {input} -pix_fmt yuv444p {raw}",
            "EncoderAppStatic -c encoder_intra_vtm.cfg -i {raw} -q {quality} "
            "-o /dev/null -b {coded} --SourceWidth={width} --SourceHeight={height} "
            "--FrameRate=1 --FramesToBeEncoded=1 --InputBitDepth=8 "
            "--InputChromaFormat=444 --ConformanceWindowMode=1",
        ],
        [
            "DecoderAppStatic -b {coded} -o {raw_reconstruction} -d 8",
            "ffmpeg -f rawvideo -s {width}x{height} -pix_fmt yuv444p "
            "-i {raw_reconstruction} {reconstruction}",
        ],
        config="encoder_intra_vtm.cfg",
        config_variable="VTM_INTRA_CONFIG",
    ),
}
