"""The transforms: paths in; what was made, and letters on what was not, out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.utils.shared import Shared

from egic import batch
from egic.beam import places, storage
from egic.beam.counts import Counts
from egic.beam.finding import FAILED
from egic.beam.letters import letter
from egic.beam.tasks import Compression, Decompression, Task
from hific.errors import CodecError, ModelLoadError


class Outcome(NamedTuple):
    """What became of all files.

    Attributes:
        done: A dict for each file that is done: source, targets, and whether it was
            skipped because they were there; of others also width, height, bytes_in,
            bytes_out and bpp.
        failed: A dict for each that is not: path, error and reason.
    """

    done: PCollection
    failed: PCollection


class Transform(beam.PTransform):
    """Paths of files -> what becomes of each.

    Each output is written under a temporary name and then renamed; what is there and
    whole is not made again. A file that cannot be done is a letter. What would meet
    every file alike, as a full disk or a model that is absent, ends the pipeline.
    """

    def __init__(self, root: str, output: str, task: Task, replace: bool = False):
        """Creates the transform.

        Args:
            root: Folder of the files. Outputs are called by the path below it; what is
                not below it, by the last part of its path.
            output: Folder of the outputs, on any of Beam's file systems.
            task: What is done.
            replace: Make again what is there.
        """
        super().__init__()
        self._root = places.full(root)
        self._code = _Code(places.full(output), task, replace)

    def expand(self, paths):
        outcome = (
            paths
            | "Name" >> beam.Map(_named, self._root).with_output_types(tuple[str, str])
            | "Together" >> beam.GroupByKey()
            | "Code" >> beam.ParDo(self._code).with_outputs(FAILED, main="done")
        )
        return Outcome(outcome["done"], outcome[FAILED])


class CompressPictures(Transform):
    """Paths of pictures -> .egic files; see `Transform`."""

    def __init__(
        self,
        root: str,
        output: str,
        task: Compression | None = None,
        replace: bool = False,
    ):
        """Creates the transform; see `Transform`."""
        super().__init__(root, output, task or Compression(), replace)


class DecompressPictures(Transform):
    """Paths of .egic files -> PNG pictures; see `Transform`."""

    def __init__(
        self,
        root: str,
        output: str,
        task: Decompression | None = None,
        replace: bool = False,
    ):
        """Creates the transform; see `Transform`."""
        super().__init__(root, output, task or Decompression(), replace)


def _named(path: str, root: str) -> tuple[str, str]:
    return places.name_of(path, root), path


class _Code(beam.DoFn):
    """Does the task with the one file of each name."""

    def __init__(self, output: str, task: Task, replace: bool):
        super().__init__()
        self._output, self._task, self._replace = output, task, replace
        self._shared = Shared()
        self._counts = Counts()

    def setup(self):
        # Of several threads of a process, the first makes it for all.
        self._worker = self._shared.acquire(self._task.start)

    def process(self, element: tuple[str, Any]):
        name, paths = element
        sources = sorted(set(paths))
        if len(sources) > 1:
            error = batch.UsageError(
                f"{' and '.join(sources)} would be written to one file; none of them "
                "was. Rename all but one, or give each a pipeline with its output."
            )
            for source in sources:
                yield self._failed(source, error)
            return
        source, targets = sources[0], self._targets(name)
        try:
            yield self._done(source, targets)
        except ModelLoadError:
            raise
        except (CodecError, MemoryError, FileExistsError) as error:
            yield self._failed(source, error)
        except OSError as error:
            if str(error.filename) != source:  # Where outputs are, or on the way.
                raise
            yield self._failed(source, error)

    def _targets(self, name: str) -> list[str]:
        return [
            places.join(self._output, f"{name}{suffix}") for suffix in self._task.writes
        ]

    def _done(self, source: str, targets: Sequence[str]) -> dict[str, Any]:
        record = {"source": source, "targets": list(targets)}
        if not self._replace and self._worker.is_done(targets):
            self._counts.add(skipped=1)
            return record | {"skipped": True}
        made, written = storage.work(source, targets, self._worker.do)
        self._counts.add(
            pictures=1,
            bytes_in=made.source_bytes,
            bytes_out=written,
            pixels=made.width * made.height,
        )
        return record | {
            "skipped": False,
            "width": made.width,
            "height": made.height,
            "bytes_in": made.source_bytes,
            "bytes_out": written,
            "bpp": made.bpp,
        }

    def _failed(self, source: str, error: BaseException) -> TaggedOutput:
        self._counts.add(failed=1)
        return TaggedOutput(FAILED, letter(source, error))
