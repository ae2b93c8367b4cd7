"""What E, G and the entropy path cost, in each precision."""

import functools

import tensorflow as tf
from rich.table import Table

from egic import codec, complexity
from egic.bench import timing
from egic.bench.timing import least, peak
from egic.chunks import TOKENS_AT_ONCE
from egic.config import EgicConfig
from egic.kernels import fastest
from hific.codec import CodecModel
from hific.engines import TensorFlowEngine

PRECISIONS = ("float32", "bfloat16")


def network_table(config: EgicConfig, size: tuple[int, int], repeats: int) -> Table:
    """E and G in each precision, then the entropy path, which is never in bfloat16."""
    table = Table(title="networks", title_justify="left")
    for name in ("network", "precision", "trace s", "s", "GFLOP/s", "of peak"):
        table.add_column(name, justify="right")
    macs = complexity.count(config, *size)
    height, width = size
    for precision in PRECISIONS:
        top = peak(precision, repeats)
        table.add_row(
            f"{timing.PEAK_SIZE}^2 matmul", precision, "", "", f"{top:.0f}", "1.00"
        )
        model = codec.build_egic(
            config, precision, fastest(), tokens_at_once=TOKENS_AT_ONCE
        )
        engine = TensorFlowEngine(model, model.channels, headed=False)
        image = tf.random.stateless_uniform((1, height, width, 3), (0, 1), 0.0, 255.0)
        y = tf.random.stateless_normal(
            (1, height // 16, width // 16, model.channels), (1, 0)
        )
        for name, count, call in (
            ("analysis", macs.analysis, functools.partial(engine.analysis, image)),
            ("synthesis", macs.synthesis, functools.partial(engine.synthesis, y)),
        ):
            _add(table, name, precision, count, top, least(call, repeats))
    _add_entropy_rows(table, config, model, size, macs, repeats)
    return table


def _add(table, name, precision, macs, top, seconds) -> None:
    first, best = seconds
    rate = 2e-9 * macs / best
    share = f"{rate / top:.2f}"
    trace = f"{first - best:.2f}"
    table.add_row(name, precision, trace, f"{best:.3f}", f"{rate:.0f}", share)


def _add_entropy_rows(table, config, model: CodecModel, size, macs, repeats) -> None:
    """h_a in float32, then h_s and the slice nets: float32 trains, float64 codes."""
    twin = codec.SYSTEMS[EgicConfig].coding_prior(config)
    positions = (1, size[0] // 16, size[1] // 16, model.channels)
    y = tf.random.stateless_normal(positions, (1, 1))
    for dtype, prior in (("float32", model.prior), ("float64", twin)):
        top = peak(dtype, repeats)
        table.add_row(
            f"{timing.PEAK_SIZE}^2 matmul", dtype, "", "", f"{top:.0f}", "1.00"
        )
        hyper, walk = _entropy_functions(prior, dtype)
        features = tuple(tf.cast(0.1 * y, dtype) for _ in range(2))
        for name, count, call in (
            ("hyper path", macs.hyper, functools.partial(hyper, y)),
            ("slice walk", macs.walk, functools.partial(walk, features)),
        ):
            _add(table, name, dtype, count, top, least(call, repeats))


def _entropy_functions(prior, dtype: str):
    """y -> features of h_s, and features -> y_hat, as one traced function each."""

    @tf.function(autograph=False)
    def hyper(y):
        return prior.hyper_synthesis(tf.cast(tf.round(prior.hyper_analysis(y)), dtype))

    @tf.function(autograph=False)
    def walk(features):
        return prior.walk(features, lambda i, mean, index: tf.round(mean))

    return hyper, walk
