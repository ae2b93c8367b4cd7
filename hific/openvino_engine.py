"""E, G and its head in OpenVINO, in float32 or, where the CPU has it, in bfloat16.

One compiled model serves every height and width; it is kept on the disk, and where it
is found there TensorFlow never sees the network. Windows of a huge picture are as any
other picture.
"""

import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import platform
import threading
from collections.abc import Callable, Iterator

import numpy as np
import openvino
import tensorflow as tf

from hific.engine_cache import Cache, folder
from hific.engine_names import EngineError
from hific.engines import Source, Transforms
from hific.errors import CodecError

_DEVICE = "CPU"
_CPUINFO = pathlib.Path("/proc/cpuinfo")
# Of larger pictures, in pixels, a network keeps nothing for the next one.
LARGE = 2**19
_LATENT = 16 * 16  # Pixels that one position of y stands for.
# What OpenVINO says when memory is short, where it does not say std::bad_alloc.
_OUT_OF_MEMORY = ("bad_alloc", "allocate", "out of memory", "Not enough memory")


class OpenVinoEngine:
    """See `hific.engines.Engine`. Features are OpenVINO's tensors.

    Attributes:
        bfloat16: Whether it computes so, and not in float32.
    """

    def __init__(self, name: str, source: Source, bfloat16: bool):
        """Creates it; networks are compiled, or read, when they are first needed.

        Args:
            name: A key of `hific.engines.ENGINES`.
            source: See there.
            bfloat16: See above.

        Raises:
            EngineError: OpenVINO has no device here.
        """
        self.name, self.bfloat16 = name, bfloat16
        try:
            core = openvino.Core()
            processor = core.get_property(_DEVICE, "FULL_DEVICE_NAME")
        except RuntimeError as error:
            raise EngineError(f"OpenVINO does not run here: {_first(error)}") from error
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        made_from = {
            "key": source.key,
            "openvino": openvino.__version__,
            "tensorflow": tf.__version__,
            "processor": f"{processor} {platform.machine()} {_flags()}",
            **settings,
        }
        maker = _Maker(core, settings, Cache(folder() if source.key else None))
        exact = openvino.Type.f32
        between = openvino.Type.bf16 if bfloat16 else exact

        def network(part, pick, takes=exact, gives=exact, scale=1) -> "_Network":
            def convert() -> openvino.Model:
                function, channels = pick(source.portable(), source.channels)
                return _converted(function, channels, takes, gives)

            return _Network(maker, {"part": part, **made_from}, convert, scale)

        self.analysis = self._analysis = network("analysis", _analysis)
        self.synthesis = network("synthesis", _synthesis, scale=_LATENT)
        self._networks = [self.analysis, self.synthesis]
        self.ends = None
        if source.headed:
            self.ends = _Ends(network, between)
            self._networks += self.ends.networks
        self._first = self.synthesis if self.ends is None else self.ends.features
        drawing = [self._first] if self.ends is None else self.ends.networks[:2]
        kept = [each for each in (self._analysis, *drawing) if each.kept()]
        _in_a_thread(*(each.ready for each in kept))  # While the codec is made.

    def trace_analysis(self) -> None:
        """Compiles E, if that was not done before."""
        self._analysis.ready()

    def prepare_drawing(self) -> None:
        """Begins to compile what any picture needs first; does not wait."""
        self._first.prepare()

    def release(self) -> None:
        """Gives back the memory that was kept for the next picture."""
        for network in self._networks:
            network.release()


class _Ends:
    """See `hific.engines.Ends`."""

    def __init__(self, network, between: openvino.Type):
        self.features = network("features", _features, gives=between, scale=_LATENT)
        self.features.keeps = True
        self.realistic = network("realistic", _realistic, takes=between)
        self.faithful = network("faithful", _faithful, takes=between)
        self.networks = [self.features, self.realistic, self.faithful]


# (model, channels of y) -> a network of one tensor, and that tensor's channels.
def _analysis(model: Transforms, latents: int):
    return model.analysis, 3


def _synthesis(model: Transforms, latents: int):
    return model.synthesis, latents


def _features(model: Transforms, latents: int):
    head = model.head
    assert head is not None
    return lambda y_hat: model.synthesis.features(y_hat, head.depth), latents


def _realistic(model: Transforms, latents: int):
    head = model.head
    assert head is not None
    return lambda seen: model.synthesis.render(seen, head.depth), head.channels


def _faithful(model: Transforms, latents: int):
    assert model.head is not None
    return model.head, model.head.channels


class _Maker:
    """Makes compiled models: from the disk, else from TensorFlow."""

    def __init__(self, core: openvino.Core, settings: dict[str, str], cache: Cache):
        self._core = core
        # Several processes side by side would all be pinned to the first cores.
        self._settings = {
            **settings,
            "INFERENCE_NUM_THREADS": threads(),
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        self._cache = cache

    def keeps(self, made_from: dict[str, str]) -> bool:
        """Whether the network may be on the disk."""
        return self._cache.holds(made_from)

    def make(self, made_from, convert) -> openvino.CompiledModel:
        kept = self._cache.read(made_from)
        if kept is not None:
            with contextlib.suppress(RuntimeError):
                return self._core.import_model(kept, _DEVICE, self._settings)
        compiled = self._core.compile_model(convert(), _DEVICE, self._settings)
        self._cache.write(made_from, compiled.export_model().getvalue())
        return compiled


class _Network:
    """One network, compiled once, for several threads."""

    def __init__(self, maker: _Maker, made_from: dict[str, str], convert, scale: int):
        self._scale = scale  # Pixels, for each position of the input.
        self.keeps = False  # Whether its output stays a tensor of OpenVINO's.
        self._maker, self._made_from, self._convert = maker, made_from, convert
        self._lock = threading.Lock()
        self._compiled: openvino.CompiledModel | None = None
        self._idle: list[openvino.InferRequest] = []
        self._running = 0  # Calls.

    def ready(self) -> openvino.CompiledModel:
        """Compiles it, if that was not done before; others wait meanwhile."""
        with self._lock:
            if self._compiled is None:
                with _translated():
                    made = self._maker.make(self._made_from, self._convert)
                self._compiled = made
            return self._compiled

    def kept(self) -> bool:
        """Whether it is on the disk."""
        return self._maker.keeps(self._made_from)

    def prepare(self) -> None:
        """Begins to compile it in another thread, if that was not done before."""
        if self._compiled is None:
            _in_a_thread(self.ready)

    def __call__(self, x):
        compiled, large = self.ready(), True
        with self._lock:
            self._running += 1
        try:
            out, large = self._inferred(compiled, x)
        finally:
            with self._lock:
                self._running -= 1
            if large:
                self.release()
        return out

    def _inferred(self, compiled: openvino.CompiledModel, x):
        """The output, and whether it is that of a large picture."""
        with _translated():
            try:
                request = self._idle.pop()
            except IndexError:
                request = compiled.create_infer_request()
            request.set_input_tensor(_tensor(x))
            request.infer()
            out = request.get_output_tensor()
            if self.keeps:
                kept = openvino.Tensor(out.get_element_type(), out.get_shape())
                out.copy_to(kept)
            else:
                kept = tf.constant(np.array(out.data))  # It is written over.
            large = self._is_large(request)
            if not large:
                self._idle.append(request)
            return kept, large

    def _is_large(self, request: openvino.InferRequest) -> bool:
        """By what goes in or, where that is features, what comes out."""
        taken, given = request.get_input_tensor(), request.get_output_tensor()
        pixels = (
            self._scale * taken.shape[1] * taken.shape[2],
            given.shape[1] * given.shape[2],
        )
        return max(pixels) > LARGE

    def release(self) -> None:
        """Gives back what is kept for the next call, unless one is running."""
        with self._lock:
            if self._compiled is not None and not self._running:
                self._idle.clear()
                self._compiled.release_memory()


def _in_a_thread(*calls: Callable[[], object]) -> None:
    """Begins to call them, one after the other; what fails is left to later calls."""
    thread = concurrent.futures.ThreadPoolExecutor(1, "compiling")
    with contextlib.suppress(RuntimeError):  # No thread to be had.
        for call in calls:
            thread.submit(call)
        thread.shutdown(wait=False)


def _tensor(x) -> openvino.Tensor:
    if isinstance(x, openvino.Tensor):
        return x
    return openvino.Tensor(np.ascontiguousarray(x, np.float32))


def _converted(network, channels: int, takes, gives) -> openvino.Model:
    from hific.openvino_conversion import converted  # TensorFlow's front end.

    return converted(network, channels, takes, gives)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turns what OpenVINO raises into what `hific.border` knows."""
    try:
        yield
    except RuntimeError as error:
        if any(words in str(error) for words in _OUT_OF_MEMORY):
            raise MemoryError(_first(error)) from error
        raise CodecError(
            f"OpenVINO gives up: {_first(error)}. Does --engine=tensorflow do it?"
        ) from error


def _first(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def threads() -> int:
    """How many threads a network may have: OMP_NUM_THREADS, at most the cores."""
    cores = len(os.sched_getaffinity(0))
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return max(1, min(int(asked), cores)) if asked.isdigit() else cores


def _flags() -> str:
    """A digest of what the processor can do, by which compiled models differ."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return ""
    found = next((line for line in lines if line.startswith("flags")), "")
    return hashlib.sha256(found.encode()).hexdigest()[:16]
