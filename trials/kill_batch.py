r"""Kills a compression of a folder again and again, and looks for what is lost.

    python -m trials.kill_batch --kills=50 --model=models/egic --images=/data/kodak

A folder of crops is made of pictures, with some bad files among them, and compressed
once without interruption. Then the same command runs into other folders and is killed
(SIGKILL to its whole process group) at random moments, and started again, until
nothing is left to do. Whatever the moments:

- every good picture has one file, the one of the uninterrupted run, byte for byte;
- a file that is there at any moment is whole;
- nothing is begun again once the journal says that it is done;
- no temporary file is left, and no other file is there;
- bad files are reported, and the exit code is that of the uninterrupted run.

Ends with "50 kills, 0 lost", or with 1 and what is wrong.
"""

import argparse
import contextlib
import dataclasses
import functools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent import futures

from PIL import Image

from egic import folders, journal
from hific import bitstream, pictures
from hific.errors import CodecError

PROGRAM = (sys.executable, "-m", "egic.cli")
_SECONDS_AT_MOST = 600
# Shares of kills at any moment, and while a file is half written; the others are while
# files are made.
_EARLY, _WRITING = 0.2, 0.3


class LostError(Exception):
    """A promise does not hold."""


@dataclasses.dataclass
class Tally:
    """What was tried.

    Attributes:
        kills: Of runs that were alive.
        rounds: Folders that were compressed to the end.
        files: Made in them.
        unfinished: Temporary files that kills left, and later runs removed.
        again: Files that were begun once more, for no line said that they were done.
        early: Kills before the first file of a run was begun.
    """

    kills: int = 0
    rounds: int = 0
    files: int = 0
    unfinished: int = 0
    again: int = 0
    early: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.rounds} rounds of {self.files} files in all: "
            f"{self.early} before the first file of a run, {self.unfinished} half "
            f"written files found and removed, {self.again} files begun again"
        )


@dataclasses.dataclass(frozen=True)
class Trial:
    """What is run and killed.

    Attributes:
        program: The `egic` command, as words.
        source: Folder of pictures.
        bad: Names of those in it that cannot be compressed.
        workdir: Folder for outputs.
        processes: For `--processes`.
        shards: Runs into one folder at once, each killed for itself.
        rng: Draws the moments.
    """

    program: Sequence[str]
    source: pathlib.Path
    bad: Sequence[str]
    workdir: pathlib.Path
    processes: int
    shards: int
    rng: random.Random

    def start(self, out: pathlib.Path, shard: folders.Shard) -> subprocess.Popen:
        """Starts a run, in a process group of its own; what it says goes to files."""
        words = ["compress", str(self.source), f"--out_dir={out}"]
        words.append(f"--processes={self.processes}")
        if shard.count > 1:
            words.append(f"--shard={shard}")
        said = f"{out}.{shard.number}"
        with open(f"{said}.out", "w") as output, open(f"{said}.err", "w") as errors:
            return subprocess.Popen(
                [*self.program, *words],
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )


def run(trial: Trial, kills: int) -> Tally:
    """Kills runs as often as asked for; raises LostError."""
    whole = trial.workdir / "whole"
    begin = time.monotonic()
    code = trial.start(whole, folders.WHOLE).wait(_SECONDS_AT_MOST)
    seconds = time.monotonic() - begin
    expected = _outputs(whole)
    print(f"uninterrupted: {len(expected)} files in {seconds:.0f} s, exit code {code}")
    _check_reports(trial, whole)
    if not expected:
        raise LostError("nothing was compressed; nothing can be lost")
    tally = Tally()
    shards = [folders.Shard(i + 1, trial.shards) for i in range(trial.shards)]
    while tally.kills < kills:
        out = trial.workdir / f"round-{tally.rounds}"
        one = functools.partial(_round, trial, out, expected, tally, kills, seconds)
        with futures.ThreadPoolExecutor(trial.shards) as pool:
            ended = set(pool.map(one, shards))
        if code not in ended or ended - {0, code}:
            raise LostError(f"exit codes are {ended}, uninterrupted it was {code}")
        tally.again += _check_end(trial, out, expected)
        tally.rounds += 1
        tally.files += len(expected)
        print(f"round {tally.rounds}: {tally}", flush=True)
        shutil.rmtree(out)
    return tally


def _round(trial, out, expected, tally: Tally, kills: int, seconds, shard) -> int:
    """Runs into a folder until a run ends by itself; returns its exit code."""
    while True:
        begun = _begun(out, shard)
        process = trial.start(out, shard)
        try:
            if tally.kills >= kills:
                return process.wait(_SECONDS_AT_MOST)
            _wait(trial, process, out, shard, begun, seconds)
            code = process.poll()
            if code is not None:
                return code
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        tally.kills += 1
        tally.early += _begun(out, shard) == begun
        _check_after_kill(out, expected, tally)


def _wait(trial: Trial, process, out, shard, begun: int, seconds: float) -> None:
    """Waits for a random moment, or the end of the run."""
    draw = trial.rng.random
    kind = draw()
    far = time.monotonic() + _SECONDS_AT_MOST
    end = time.monotonic() + draw() * seconds / 2 if kind < _EARLY else far
    wanted = begun + trial.rng.randrange(1, 4 * trial.processes + 1)
    while process.poll() is None and time.monotonic() < end:
        if end == far and _begun(out, shard) >= wanted:
            if kind >= _EARLY + _WRITING:  # A while after it was begun.
                end = time.monotonic() + draw() ** 2 * seconds / 20
            elif _is_writing(out):
                return
        time.sleep(0.0005)


def _is_writing(out: pathlib.Path) -> bool:
    return any(".tmp-" in name for _, _, names in os.walk(out) for name in names)


def _begun(out: pathlib.Path, shard: folders.Shard) -> int:
    """How many files were begun, those that were begun again more than once."""
    path = journal.path_of(out, shard)
    return path.read_bytes().count(b'"begun"') if path.exists() else 0


def _outputs(out: pathlib.Path) -> dict[str, bytes]:
    found = {}
    for path in out.rglob("*.egic*"):
        with contextlib.suppress(FileNotFoundError):  # Of another shard, renamed.
            found[path.relative_to(out).as_posix()] = path.read_bytes()
    return found


def _check_after_kill(out, expected, tally: Tally) -> None:
    """Compares all files that are there."""
    for name, data in _outputs(out).items():
        if ".tmp-" in name:
            tally.unfinished += 1
            continue
        try:
            bitstream.unpack(data)
        except CodecError as error:
            raise LostError(f"{out / name} is not whole: {error}") from error
        if data != expected.get(name):
            raise LostError(f"{out / name} is not that of the uninterrupted run")


def _check_end(trial: Trial, out: pathlib.Path, expected) -> int:
    """Compares everything, reads the journal, and counts files begun again."""
    there = _outputs(out)
    if there.keys() != expected.keys():
        odd = sorted(there.keys() ^ expected.keys())
        raise LostError(f"{len(odd)} files too few or too many, such as {odd[0]}")
    for name, data in there.items():
        if data != expected[name]:
            raise LostError(f"{out / name} is not that of the uninterrupted run")
    done: set[str] = set()
    begun = 0
    for line in filter(None, journal.entries(out)):
        if line["target"] in done:
            raise LostError(f"{line['target']} is {line['status']} after it was done")
        begun += line["status"] == "begun" and line["target"] in expected
        if line["status"] == "done":
            done.add(line["target"])
    if done != expected.keys():
        raise LostError(f"the journal knows {len(done)} of {len(expected)} files")
    _check_reports(trial, out)
    return begun - len(expected)


def _check_reports(trial: Trial, out: pathlib.Path) -> None:
    reports = "".join(path.read_text() for path in out.parent.glob(f"{out.name}.*.err"))
    for name in trial.bad:
        if f"{trial.source / name}: " not in reports:
            raise LostError(f"{name} was not reported; stderr:\n{reports}")


def make_source(
    folder: pathlib.Path, images: pictures.Pictures, count: int, side: int, seed: int
) -> list[str]:
    """Fills a folder with crops in subfolders, and bad files; returns the bad ones.

    Args:
        folder: Does not exist yet.
        images: Crops are cut from these.
        count: Of good pictures.
        side: Of crops, pixels.
        seed: Of their places.
    """
    rng = random.Random(seed)
    for i, image in enumerate(_crops(images, count, side, rng)):
        path = folder / f"{i % 7}" / f"{i // 7 % 3}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    some = (folder / "0/0/0.png").read_bytes()
    bad = {
        "0/half.png": some[: len(some) // 2],
        "3/text.jpg": b"This is no picture.\n",
        "5/1/empty.png": b"",
    }
    for name, data in bad.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return sorted(bad)


def _crops(images, count, side, rng) -> Iterator[Image.Image]:
    for i in range(count):
        image = Image.fromarray(images.read(i % len(images)))
        left = rng.randrange(max(1, image.width - side))
        top = rng.randrange(max(1, image.height - side))
        yield image.crop((left, top, left + side, top + side))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the trial and returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--images", required=True, help="folder of pictures to cut")
    parser.add_argument("--model", help="default: that of `egic compress`")
    parser.add_argument("--count", type=int, default=120, help="good pictures a round")
    parser.add_argument("--side", type=int, default=128, help="of crops, pixels")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shards", type=int, default=1, help="runs at once")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # What was started is ended.
    if args.model:
        os.environ["EGIC_MODEL"] = args.model
    with tempfile.TemporaryDirectory(prefix="kill_batch-") as name:
        workdir = pathlib.Path(name)
        images = pictures.find_pictures(args.images)
        source = workdir / "source"
        bad = make_source(source, images, args.count, args.side, args.seed)
        rng = random.Random(args.seed)
        shards = args.shards
        trial = Trial(PROGRAM, source, bad, workdir, args.processes, shards, rng)
        try:
            tally = run(trial, args.kills)
        except LostError as error:
            print(f"LOST: {error}", file=sys.stderr)
            return 1
    print(f"{tally}\n{tally.kills} kills, 0 lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
