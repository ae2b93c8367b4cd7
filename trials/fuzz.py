"""Tries to break the codec: every fuzz target, for minutes or hours.

    python -m trials.fuzz --minutes=30 --processes=2
    python -m trials.fuzz --target=coder --seed=7 --case=123     repeats one case

Prints a table, and for each broken promise what was seen and the command that repeats
it; then the exit code is 1. `trials.targets` lists the targets.
"""

import argparse
import collections
import concurrent.futures
import math
import queue
import secrets
import sys
from collections.abc import Mapping, Sequence

from trials import targets, watch

_SECONDS_WORTH_A_START = 20.0  # TensorFlow takes some of them to load.


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the targets that are asked for; returns the exit code."""
    args = _arguments(argv)
    names = args.target or list(targets.TARGETS)
    seed = secrets.randbelow(2**32) if args.seed is None else args.seed
    reports = {}
    if args.case is not None or args.cases is not None:
        first, count = args.case or 0, args.cases or 1
        for name in names:
            reports[name] = watch.run(name, seed, math.inf, first, count)
    else:
        print(f"seed {seed}, {args.minutes:g} minutes, {len(names)} targets")
        reports = fuzz(names, seed, 60 * args.minutes, args.processes)
    print(table(reports), flush=True)
    broken = violations(reports, seed)
    print("\n".join(broken) or "no promise was broken", flush=True)
    return 1 if broken else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m trials.fuzz", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--target", action="append", help="a name; may be repeated (default: all)"
    )
    parser.add_argument("--seed", type=int, help="of all cases (default: a new one)")
    parser.add_argument("--minutes", type=float, default=5.0, help="(default: 5)")
    parser.add_argument(
        "--processes", type=int, default=1, help="at the same time (default: 1)"
    )
    parser.add_argument("--case", type=int, help="try this case of each target only")
    parser.add_argument("--cases", type=int, help="try the first ones of each target")
    args = parser.parse_args(argv)
    if args.case is not None and args.seed is None:
        parser.error("--case needs the --seed that it was found with")
    unknown = [
        name
        for name in args.target or ()
        if ":" not in name and name not in targets.TARGETS
    ]
    if unknown:
        parser.error(f"no target {unknown[0]}; there are {', '.join(targets.TARGETS)}")
    return args


def fuzz(
    names: Sequence[str], seed: int, seconds: float, processes: int
) -> dict[str, watch.Report]:
    """Tries targets until the time is over; returns what was found, by name.

    Each gets its share of the time. What those leave that try all of something, and are
    done before, goes to the others. What it takes to prepare targets comes on top.

    Args:
        names: Of targets.
        seed: Of all cases.
        seconds: In all.
        processes: That try targets at the same time.
    """
    reports = {name: watch.Report() for name in names}
    left = seconds * processes
    while left >= _SECONDS_WORTH_A_START or not any(r.tried for r in reports.values()):
        shares = {name: _share(name) for name in _unfinished(reports)}
        if not shares:
            break
        jobs: queue.SimpleQueue = queue.SimpleQueue()
        for name, share in shares.items():
            jobs.put((name, share * left / sum(shares.values())))
        with concurrent.futures.ThreadPoolExecutor(processes) as pool:
            work = [pool.submit(_work, jobs, reports, seed) for _ in range(processes)]
            for future in work:
                future.result()
        left = seconds * processes - sum(r.seconds for r in reports.values())
    return reports


def _work(jobs: queue.SimpleQueue, reports, seed: int) -> None:
    """Takes targets from the queue until none is left."""
    while True:
        try:
            name, seconds = jobs.get_nowait()
        except queue.Empty:
            return
        report = reports[name]
        watch.run(name, seed, seconds, report.next_case, report=report)
        print(f"{name}: {report.tried:,} tried, {len(report.found)} lost", flush=True)


def _unfinished(reports: Mapping[str, watch.Report]) -> list[str]:
    return [name for name, report in reports.items() if report.goes_on]


def _share(name: str) -> float:
    return targets.TARGETS[name].share if name in targets.TARGETS else 1.0


def table(reports: Mapping[str, watch.Report]) -> str:
    """What was tried and found, a line for each target."""
    rows = [("target", "tried", "lost", "below", "slowest", "memory", "outcomes")]
    for name, report in reports.items():
        outcomes = ", ".join(f"{n:,} {o}" for o, n in report.outcomes.most_common())
        rows.append(
            (
                name,
                f"{report.tried:,}",
                f"{len(report.found)}",
                _bound(report),
                f"{report.slowest:.3f} s",
                f"{report.grown:.0f} MiB",
                outcomes,
            )
        )
    total: collections.Counter = collections.Counter()
    for report in reports.values():
        total.update(tried=report.tried, lost=len(report.found))
    rows.append(("all", f"{total['tried']:,}", f"{total['lost']}", "", "", "", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ("<", ">", ">", ">", ">", ">", "<")
    return "\n".join(
        "  ".join(
            f"{cell:{side}{width}}"
            for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _bound(report: watch.Report) -> str:
    """The rule of three: with 0 of N lost, the rate is below 3 / N, at 95 %."""
    if report.found or not report.tried:
        return ""
    return f"{3 / report.tried:.1e}"


def violations(reports: Mapping[str, watch.Report], seed: int) -> list[str]:
    """Each broken promise, with the command that repeats it."""
    return [
        f"\n{name}, case {found.case}: {found.kind}: {found.text}\n{found.trace}"
        f"repeat: python -m trials.fuzz --target={name} --seed={seed} "
        f"--case={found.case}"
        for name, report in reports.items()
        for found in report.found
    ]


if __name__ == "__main__":
    sys.exit(main())
