"""What a run says while it trains: metrics.jsonl, TensorBoard and the terminal."""

import datetime
import json
import math
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rich.console
import rich.progress
import tensorflow as tf

from hific.files import write_atomically

# What a line of metrics.jsonl says of the machine and not of the training.
CLOCK = ("seconds", "steps_per_second", "data/wait")


class Report:
    """Writes a run's log files and shows its progress.

    metrics.jsonl gets one JSON object a line, with `step`, `seconds` since the start
    of this process and every metric; values that are not finite are null. When a run
    resumes, lines after the restored step are removed, as those steps are done again.

    Args:
        workdir: The run directory.
        start: Steps already done.
        steps: Steps in all.
        stop_if_asked: Called now and then by whatever takes long; raises where the run
            is to stop.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        start: int,
        steps: int,
        stop_if_asked: Callable[[], None] = lambda: None,
    ):
        self.stop_if_asked = stop_if_asked
        workdir = pathlib.Path(workdir)
        workdir.mkdir(parents=True, exist_ok=True)
        path = workdir / "metrics.jsonl"
        _forget_after(path, start)
        self._lines = path.open("a")
        _forget_events_after(workdir / "logs", start)
        self._events = tf.summary.create_file_writer(str(workdir / "logs"))
        self._start, self._steps = start, steps
        self._began = self._logged_at = time.monotonic()
        self._logged = start
        self._counts: dict[str, int] = {}
        self._bar = _bar(start, steps)

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, *_) -> None:
        self._lines.close()
        self._events.close()
        if self._bar:
            self._bar.stop()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Logs the means of the steps since the last call."""
        now = time.monotonic()
        rate = (step - self._logged) / max(now - self._logged_at, 1e-9)
        self._logged, self._logged_at = step, now
        record: dict[str, Any] = {"step": step, "seconds": round(now - self._began, 3)}
        self._write(record, {**values, "steps_per_second": rate})
        self._show(step, rate, values)

    def counts(self, **counts: int) -> None:
        """Shows counts of trouble once they change."""
        changed = {k: v for k, v in counts.items() if v != self._counts.get(k, 0)}
        self._counts |= counts
        for name, value in changed.items():
            self.say(f"{value} steps {name}: loss or gradient was not finite.")

    def say(self, line: str) -> None:
        """Prints a line, above the bar where there is one."""
        if self._bar:
            self._bar.console.print(line)
        else:
            print(line, flush=True)

    def measured(self, step: int, values: Mapping[str, float]) -> None:
        """Logs what was measured now and then, a validation score for instance."""
        self._write({"step": step}, values)
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.say(f"step {step}/{self._steps}  {shown}")

    def images(self, step: int, title: str, panels: Sequence[tf.Tensor]) -> None:
        """Shows images side by side in TensorBoard.

        Args:
            step: Completed steps.
            title: Names the panels, left to right.
            panels: Each [B, H, W, 3] in [0, 255].
        """
        row = tf.concat([tf.cast(panel, tf.float32) for panel in panels], axis=2)
        row = tf.cast(tf.clip_by_value(tf.round(row), 0.0, 255.0), tf.uint8)
        with self._events.as_default(step):
            tf.summary.image(title, row, max_outputs=len(row))
        self._events.flush()

    def _write(self, record: dict[str, Any], values: Mapping[str, float]) -> None:
        for name, value in values.items():
            record[name] = value if math.isfinite(value) else None
        self._lines.write(json.dumps(record) + "\n")
        self._lines.flush()
        with self._events.as_default(record["step"]):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def _show(self, step: int, rate: float, values: Mapping[str, float]) -> None:
        shown = "  ".join(
            f"{name.rpartition('/')[2]} {values[name]:.4g}"
            for name in values
            if name.endswith(("/total", "/bpp", "/psnr", "/lpips"))
        )
        if self._bar:
            self._bar.update(
                self._bar.task_ids[0], completed=step, rate=rate, shown=shown
            )
            return
        overall = (step - self._start) / max(time.monotonic() - self._began, 1e-9)
        left = datetime.timedelta(seconds=round((self._steps - step) / overall))
        self.say(f"step {step}/{self._steps}  {shown}  {rate:.2f} steps/s  {left} left")


class Silence:
    """What workers other than the chief report: nothing. See `Report`."""

    def __init__(
        self,
        workdir: pathlib.Path,
        start: int,
        steps: int,
        stop_if_asked: Callable[[], None] = lambda: None,
    ):
        del workdir, start, steps
        self.stop_if_asked = stop_if_asked

    def __enter__(self) -> "Silence":
        return self

    def __exit__(self, *_) -> None:
        pass

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def counts(self, **counts: int) -> None: ...

    def say(self, line: str) -> None: ...

    def measured(self, step: int, values: Mapping[str, float]) -> None: ...

    def images(self, step: int, title: str, panels: Sequence[tf.Tensor]) -> None: ...


# Whether a process is the chief -> what it makes of what there is to say.
REPORTS: Mapping[bool, Callable[..., Any]] = {True: Report, False: Silence}


def _bar(start: int, steps: int) -> rich.progress.Progress | None:
    if not rich.console.Console().is_terminal:
        return None
    progress = rich.progress.Progress(
        rich.progress.MofNCompleteColumn(),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.TextColumn("{task.fields[shown]}"),
        rich.progress.TextColumn("{task.fields[rate]:.2f} steps/s"),
        rich.progress.TimeRemainingColumn(),
    )
    progress.add_task("training", total=steps, completed=start, rate=0.0, shown="")
    progress.start()
    return progress


def _forget_events_after(logs: pathlib.Path, step: int) -> None:
    """Tells TensorBoard that what was logged after a step is done again from here.

    It takes the first such mark for the start of the run, and the others for restarts.
    """
    event = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    with tf.Graph().as_default():
        writer = tf.compat.v1.summary.FileWriter(str(logs))
    writer.add_session_log(event, step + 1)
    writer.close()


def _forget_after(path: pathlib.Path, step: int) -> None:
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            done = json.loads(line)["step"]
        except (ValueError, KeyError):  # Cut off when the run was killed.
            continue
        if done <= step:
            kept.append(line + "\n")
    write_atomically(path, "".join(kept).encode())
