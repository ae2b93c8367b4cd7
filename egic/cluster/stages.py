"""What can be a job: the trainings, and what is done in parts."""

import dataclasses
import pathlib
import sys
from collections.abc import Mapping, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Stage:
    """A program and what it is given before the flags of whoever starts it.

    Attributes:
        program: What Python runs: a script of the root folder, or -m and a module.
        flags: Given first, so that later ones of the same name count.
        in_parts: Whether it takes --shard=I/N.
        afterwards: Flag -> the flag whose value it gets, of the same program, when all
            parts are done.
    """

    program: Sequence[str]
    flags: Sequence[str] = ()
    in_parts: bool = False
    afterwards: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def arguments(self, given: Sequence[str], shard: str = "") -> list[str]:
        """The command of a job.

        Args:
            given: Flags of whoever starts it.
            shard: I/N where it is a part.

        Raises:
            ValueError: The script is not there: this is no checkout.
        """
        part = [f"--shard={shard}"] if shard else []
        return [*self._python(), *self.flags, *part, *given]

    def last(self, given: Sequence[str]) -> list[str]:
        """The command that comes after all parts; none where there is no such.

        Raises:
            ValueError: A flag is not given as --NAME=VALUE.
        """
        flags = [
            f"--{flag}={_value(given, source)}"
            for flag, source in self.afterwards.items()
        ]
        return [*self._python(), *flags] if flags else []

    def _python(self) -> list[str]:
        first, *others = self.program
        if first == "-m":
            return [sys.executable, first, *others]
        script = ROOT / first
        if not script.is_file():
            raise ValueError(f"{script} is not there; jobs need a checkout of all.")
        return [sys.executable, str(script), *others]


def _value(given: Sequence[str], name: str) -> str:
    for flag in given:
        if flag.startswith(f"--{name}="):
            return flag.partition("=")[2]
    raise ValueError(f"--{name}=... is needed after the --, with its equals sign.")


_DEVICES = ("--strategy_devices=all",)

STAGES: Mapping[str, Stage] = {
    "0": Stage(("pretrain_discriminator.py",), _DEVICES),
    "1": Stage(("train_stage1.py",), _DEVICES),
    "2": Stage(("train_stage2.py",), _DEVICES),
    "3": Stage(("train_orp.py",), _DEVICES),
    "evaluate": Stage(
        ("evaluate.py",), in_parts=True, afterwards={"merge": "out", "out": "out"}
    ),
    "compress": Stage(("-m", "egic.cli", "compress"), in_parts=True),
    "decompress": Stage(("-m", "egic.cli", "decompress"), in_parts=True),
}
