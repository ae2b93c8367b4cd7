r"""Submits trainings, and evaluations in parts, with submitit.

    python -m egic.cluster --executor=slurm --stage=1 --nodes=2 --gpus=4 -- \
        --config=egic/config.py:egic-0.5 --images=/data/train --workdir=/runs/stage1
    python -m egic.cluster --executor=local --stage=evaluate --parts=4 -- \
        --images=/data/kodak --out=/results

What follows the -- are flags of the program. Jobs are begun again when they are
preempted, or when their time is up; docs/clusters.md.
"""

import argparse
import os
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Any

import submitit

from egic import flags
from egic.cluster.command import Command
from egic.cluster.stages import STAGES, Stage

EXECUTORS = ("slurm", "local", "debug")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    ours, theirs = _apart(given)
    parser = _parser()
    args = parser.parse_args(ours)
    stage = STAGES[args.stage]
    if args.parts is not None and not stage.in_parts:
        parser.error(f"--parts={args.parts}: stage {args.stage} is not done in parts")
    try:
        commands = _commands(stage, theirs, args.parts)
        last = stage.last(theirs) if args.parts else []
        executor = _executor(args)
    except ValueError as error:
        parser.error(str(error))
    jobs = _submit(executor, commands)
    if args.executor == "slurm":
        if last:
            number = jobs[0].job_id.partition("_")[0]
            executor.update_parameters(slurm_dependency=f"afterok:{number}")
            _submit(executor, [last])
        return 0
    failed = _failed(jobs)
    return failed if failed or not last else _failed(_submit(executor, [last]))


def _apart(given: list[str]) -> tuple[list[str], list[str]]:
    """What is before the first --, and what is after it."""
    end = given.index("--") if "--" in given else len(given)
    return given[:end], given[end + 1 :]


def _commands(stage: Stage, given: Sequence[str], parts: int | None) -> list[list[str]]:
    if parts is None:
        return [stage.arguments(given)]
    return [stage.arguments(given, f"{i}/{parts}") for i in range(1, parts + 1)]


def _executor(args: argparse.Namespace) -> submitit.AutoExecutor:
    executor = submitit.AutoExecutor(
        folder=args.folder, cluster=args.executor, **_requeues(args)
    )
    wanted: dict[str, Any] = {
        "name": f"egic-{args.stage}",
        "timeout_min": round(60 * args.hours),
        "nodes": args.nodes,
        "tasks_per_node": 1,
        "gpus_per_node": args.gpus,
        "cpus_per_task": args.cpus,
        "slurm_signal_delay_s": args.seconds_to_save,
        "slurm_srun_args": ["--kill-on-bad-exit=0"],
        "slurm_additional_parameters": dict(args.sbatch) | {"requeue": True},
    }
    executor.update_parameters(**wanted)
    return executor


def _requeues(args: argparse.Namespace) -> dict[str, int]:
    if args.executor == "debug":
        return {}
    return {f"{args.executor}_max_num_timeout": args.requeues}


def _submit(executor, commands: Sequence[Sequence[str]]) -> list[submitit.Job]:
    folder = os.getcwd()
    made = [Command(tuple(arguments), folder) for arguments in commands]
    if len(made) == 1:
        jobs = [executor.submit(made[0])]
    else:
        with executor.batch():
            jobs = [executor.submit(command) for command in made]
    for job, command in zip(jobs, made, strict=True):
        print(f"{job.job_id}: {' '.join(command.arguments)}", flush=True)
        print(f"  says what it does in {job.paths.stdout}", flush=True)
    return jobs


def _failed(jobs: Sequence[submitit.Job]) -> int:
    """Waits for jobs of this machine; 1 if one of them failed."""
    failed = 0
    for job in jobs:
        error = job.exception()
        if error is not None:
            print(f"{job.job_id} failed: {_last_line(error)}", file=sys.stderr)
            failed = 1
    return failed


def _last_line(error: BaseException) -> str:
    """What a job raised, without the traceback and advice around it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Failed): ", line)]
    return (raised or lines)[-1]


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"NAME=VALUE is needed, got {text}")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m egic.cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="slurm",
        help="slurm submits and ends; local and debug wait for the jobs, debug works "
        "in this process (default: slurm)",
    )
    parser.add_argument("--stage", choices=list(STAGES), required=True)
    parser.add_argument(
        "--folder",
        type=pathlib.Path,
        default=pathlib.Path("runs/jobs"),
        help="for what submitit writes, seen by all machines (default: runs/jobs)",
    )
    parser.add_argument(
        "--parts",
        type=flags.count,
        metavar="N",
        help="of an evaluation or a folder: N jobs at once, with --shard=I/N each",
    )
    parser.add_argument("--nodes", type=flags.count, default=1)
    parser.add_argument("--gpus", type=int, default=0, help="of each node")
    parser.add_argument("--cpus", type=flags.count, default=8, help="of each node")
    parser.add_argument(
        "--hours", type=float, default=24.0, help="until it is begun again"
    )
    parser.add_argument(
        "--seconds_to_save",
        type=flags.count,
        default=120,
        help="before the time is up, for a step and a save (default: 120)",
    )
    parser.add_argument(
        "--requeues",
        type=flags.count,
        default=1000,
        help="how often the time may be up (default: 1000)",
    )
    parser.add_argument(
        "--sbatch",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="more for Slurm, as partition=gpu; may be given several times",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
