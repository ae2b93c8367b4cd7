"""What a pipeline counts, and what is told of it at its end."""

from collections.abc import Mapping

from apache_beam.metrics import Metrics, MetricsFilter

_NAMESPACE = "egic"
NAMES = ("pictures", "skipped", "failed", "bytes_in", "bytes_out", "pixels")


class Counts:
    """The counters, inside of a DoFn.

    pictures: Made by this run. bytes_in, bytes_out and pixels are of these alone.
    skipped: There already. failed: Dead letters.
    """

    def __init__(self):
        self._counters = {name: Metrics.counter(_NAMESPACE, name) for name in NAMES}

    def add(self, **amounts: int) -> None:
        """Adds to counters by their names."""
        for name, amount in amounts.items():
            self._counters[name].inc(amount)


def counted(result) -> dict[str, int]:
    """The counters of a pipeline's result; 0 for what was never counted."""
    found = dict.fromkeys(NAMES, 0)
    query = MetricsFilter().with_namespace(_NAMESPACE)
    for counter in result.metrics().query(query)["counters"]:
        found[counter.key.metric.name] += counter.result
    return found


def summary(counts: Mapping[str, int], coded: str, seconds: float) -> str:
    """One line: what was done, how fast, and how small.

    Args:
        counts: See `counted`.
        coded: Which counter has the bytes of compressed files.
        seconds: From the start of the pipeline to its end.
    """
    pictures, pixels = counts["pictures"], counts["pixels"]
    words = [f"{pictures:,} made in {seconds:.1f} s"]
    if pictures:
        words.append(
            f"{pictures / seconds:.2f} pictures/s, {pixels / 1e6:.2f} MP, "
            f"{pixels / 1e6 / seconds:.3f} MP/s, {counts['bytes_in']:,} bytes in, "
            f"{counts['bytes_out']:,} out, {8 * counts[coded] / pixels:.4f} bpp"
        )
    words.append(f"{counts['skipped']:,} skipped")
    words.append(f"{counts['failed']:,} failed")
    return "; ".join(words)
