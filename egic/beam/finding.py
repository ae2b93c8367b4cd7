"""The files of a place, found by a worker."""

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from egic.beam import storage
from egic.beam.counts import Counts
from egic.beam.letters import letter
from egic.beam.places import Place
from egic.beam.tasks import Task
from egic.folders import Problem

FAILED = "failed"
LETTERS = ".jsonl"


class FindPictures(beam.PTransform):
    """The start of a pipeline -> paths, and letters on what stands in their way.

    First removes what killed runs left half-written in the folder of the outputs, so
    that only one pipeline at a time may write there.
    """

    def __init__(self, place: Place, output: str, task: Task):
        """Creates the transform.

        Args:
            place: Of the sources.
            output: Folder of the outputs; left out of `place` if it is in there.
            task: What is to be done; says which files are meant.
        """
        super().__init__()
        self._place = place
        self._find = _Find(output, tuple(task.reads), (*task.writes, LETTERS))

    def expand(self, start):
        found = (
            start
            | beam.Create([self._place])
            | beam.ParDo(self._find).with_outputs(FAILED, main="paths")
        )
        return found["paths"], found[FAILED]


class _Find(beam.DoFn):
    def __init__(self, output, reads, writes):
        super().__init__()
        self._output, self._reads, self._writes = output, reads, writes
        self._counts = Counts()

    def process(self, place: Place):
        for path in list(storage.leftovers(self._output, self._writes)):
            storage.remove(path)
        for each in place.files(self._reads, self._output):
            if isinstance(each, Problem):
                yield self._failed(each.path, each.error)
            elif _is_text(each):
                yield each
            else:
                yield self._failed(each, ValueError("its name is no UTF-8"))

    def _failed(self, path, error):
        self._counts.add(failed=1)
        return TaggedOutput(FAILED, letter(path, error))


def _is_text(path: str) -> bool:
    """Whether a name can leave this process: it may hold bytes that are no UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
