"""Where LPIPS weights come from: conversion, checking, fetching.

`python -m hific.lpips` is the command. Importing this module needs no TensorFlow;
reading a frozen graph does.
"""

import argparse
import hashlib
import io
import logging
import os
import pathlib
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

import numpy as np

from hific import state_dicts
from hific.files import write_atomically

Arrays = dict[str, np.ndarray]

SHAPES: Mapping[str, tuple[int, ...]] = {
    "conv1/kernel": (11, 11, 3, 64),
    "conv2/kernel": (5, 5, 64, 192),
    "conv3/kernel": (3, 3, 192, 384),
    "conv4/kernel": (3, 3, 384, 256),
    "conv5/kernel": (3, 3, 256, 256),
    "conv1/bias": (64,),
    "conv2/bias": (192,),
    "conv3/bias": (384,),
    "conv4/bias": (256,),
    "conv5/bias": (256,),
    "lin1/kernel": (64,),
    "lin2/kernel": (192,),
    "lin3/kernel": (384,),
    "lin4/kernel": (256,),
    "lin5/kernel": (256,),
}

# SHA-256 of each array of version 0.1, as little-endian float32 in C order.
DIGESTS: Mapping[str, str] = {
    "conv1/kernel": "ff945f8f7528ce973ced50b96aef2b1e67ac6b1ebbff0e104a54f53e32a8d7a3",
    "conv2/kernel": "ba757fb35383aa286cbb97eee383d2dc722cf3a718743eaf9938aeefe8274eee",
    "conv3/kernel": "74ed5cf55ef2a4d2f629648afaf76727a570633d2940aa89ec30fd4c4e750733",
    "conv4/kernel": "515781d31eb3743915f7770dbac89dc58157cc04c9f09aa04f515a56bb581443",
    "conv5/kernel": "41ce6c8297c5aa57a117c084c908fba14325d75bc3e3ccada362e4599490ffc0",
    "conv1/bias": "1650bc2c61c27bc5c6dd0569b5471133ca074c4c0b5eef1fee85e0a0ba301681",
    "conv2/bias": "32454d8c50c6e8c7d158f9161d968fce7ddb8645a017a3120131db575a1e7b8f",
    "conv3/bias": "d74eb2693a64bcaccc90c26a3acf98c3eda8eadc18d2dffb9e3729a33f31d6fe",
    "conv4/bias": "a3443d4b64a683d1c2d680afc856a3e787ac29363e8def8f61fec9d740582c41",
    "conv5/bias": "a240db2e8beb55fdaa74d3fb13758a0439618eb39833456574dbc3af9b3779ca",
    "lin1/kernel": "1b21ee01e0de563ae9c7d645f8c40534d878fe5fc00b00cc01a29e3887cb8822",
    "lin2/kernel": "96b20e99719b4f1ac74b927546a2418913e87e95adc90a6629587fff450e3306",
    "lin3/kernel": "ba5d4595d966dde9d19855d8e139ef6271f012a945b279cccffed2485e0e5992",
    "lin4/kernel": "51c7dbf1c5c1e31db1baaf2618172ddd8b8240a8cd957a915582e0748cfb2a89",
    "lin5/kernel": "60b6388e7b80292d96b8150f1f12605aa514f148847959ce322453731810029c",
}

# (address, leading hex digits of the file's SHA-256). torchvision puts eight of them in
# the file's name; the arrays are checked by `DIGESTS` besides.
ALEXNET = (
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be79",
)
HEADS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/"
    "lpips/weights/v0.1/alex.pth",
    "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
)
_TIMEOUT_SECONDS = 10
_LOG = logging.getLogger("absl")


def default_path() -> pathlib.Path:
    """Returns the weight file in the user's cache, whether or not it exists."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "hific" / "lpips_alex_v0.1.npz"


def advice(problem: str) -> str:
    """Returns the problem followed by the ways out of it."""
    return (
        f"{problem} Pass --lpips_weights=FILE.npz, which `python -m hific.lpips` makes "
        "from the official files, or train without the term: "
        "--config.perceptual_weight=0."
    )


def read_npz(path: pathlib.Path) -> Arrays:
    """Reads a weight file.

    Raises:
        ValueError: An array is absent or has another shape than AlexNet's.
    """
    with np.load(path) as file:
        arrays = {name: file[name] for name in SHAPES if name in file.files}
    for name, shape in SHAPES.items():
        if name not in arrays or arrays[name].shape != shape:
            got = arrays[name].shape if name in arrays else "nothing"
            raise ValueError(f"{path} should hold {name} {shape}, it holds {got}.")
    return arrays


def write_npz(path: pathlib.Path, arrays: Arrays) -> None:
    """Writes a weight file; it appears whole or not at all."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    write_atomically(path, file.getvalue())


def unofficial(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Returns the names of the arrays that are not those of version 0.1."""
    return [name for name in DIGESTS if _digest(arrays[name]) != DIGESTS[name]]


def check_official(arrays: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError unless every array is that of version 0.1, bit for bit."""
    wrong = unofficial(arrays)
    if wrong:
        raise ValueError(
            f"{', '.join(wrong)}: not the weights of LPIPS-AlexNet 0.1, distances "
            "would not compare with published ones. Pass --allow_other_weights to use "
            "them all the same."
        )


def from_state_dicts(
    alexnet: Mapping[str, np.ndarray], heads: Mapping[str, np.ndarray]
) -> Arrays:
    """Renames and transposes the official PyTorch weights.

    Args:
        alexnet: torchvision's state dict: `features.{0,3,6,8,10}.weight`
            [out, in, h, w] and `.bias`; the classifier is not used.
        heads: The lpips package's: `lin{0..4}.model.1.weight` [1, channels, 1, 1].

    Raises:
        ValueError: A name is absent.
    """
    try:
        arrays = {}
        for i, layer in enumerate((0, 3, 6, 8, 10), 1):
            kernel = alexnet[f"features.{layer}.weight"]
            arrays[f"conv{i}/kernel"] = np.transpose(kernel, (2, 3, 1, 0))
            arrays[f"conv{i}/bias"] = alexnet[f"features.{layer}.bias"]
            arrays[f"lin{i}/kernel"] = np.ravel(heads[f"lin{i - 1}.model.1.weight"])
    except KeyError as error:
        raise ValueError(
            f"The state dicts have no {error}; are the two files the right way round, "
            "--alexnet of torchvision and --heads of lpips v0.1?"
        ) from error
    return arrays


def from_constants(constants: Sequence[np.ndarray]) -> Arrays:
    """Finds the weights among the constants of a frozen graph.

    Names in such graphs say nothing, so shapes decide: kernels are recognised as
    [h, w, in, out] or [out, in, h, w], heads and biases by their length. conv4's and
    conv5's biases and heads are equally long; the checksums tell them apart, and for
    weights without a known checksum the order in the graph does, biases being of rank
    1 and heads of rank 4.

    Raises:
        ValueError: Fewer constants fit than there are weights.
    """
    arrays: Arrays = {}
    used: set[int] = set()
    for name in sorted(SHAPES, key=lambda name: (name.split("/")[1], name)):
        fitting = {
            i: fitted
            for i, constant in enumerate(constants)
            if (fitted := _fit(constant, name)) is not None
        }
        exact = [i for i in fitting if _digest(fitting[i]) == DIGESTS[name]]
        rank = 1 if name.endswith("bias") else 4
        free = [i for i in fitting if i not in used and constants[i].ndim == rank]
        if not exact and not free:
            raise ValueError(
                f"The graph has no constant left that fits {name} {SHAPES[name]}; "
                "is it LPIPS with AlexNet?"
            )
        chosen = (exact + free)[0]
        used.update(
            i for i in fitting if np.array_equal(constants[i], constants[chosen])
        )
        arrays[name] = fitting[chosen]
    return arrays


def read_frozen_graph(path: pathlib.Path) -> list[np.ndarray]:
    """Returns the float32 constants of a serialised GraphDef, in its order."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    return [
        tf.make_ndarray(node.attr["value"].tensor)
        for node in graph.node
        if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum
    ]


def fetch(path: pathlib.Path) -> None:
    """Downloads the official weights (240 MB), checks and converts them.

    Args:
        path: The .npz to write.

    Raises:
        ValueError: No network, or a wrong checksum.
    """
    with tempfile.TemporaryDirectory() as folder:
        alexnet, heads = (pathlib.Path(folder) / name for name in ("alexnet", "heads"))
        _download(*HEADS, heads)
        _LOG.info("Fetching LPIPS weights (240 MB, once) into %s", path)
        _download(*ALEXNET, alexnet)
        arrays = from_state_dicts(state_dicts.read(alexnet), state_dicts.read(heads))
    check_official(arrays)
    write_npz(path, arrays)


def _download(address: str, digest: str, path: pathlib.Path) -> None:
    sha = hashlib.sha256()
    try:
        with (
            urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as response,
            path.open("wb") as file,
        ):
            while block := response.read(1 << 20):
                sha.update(block)
                file.write(block)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ValueError(
            advice(f"LPIPS weights could not be fetched from {address} ({error}).")
        ) from error
    if not sha.hexdigest().startswith(digest):
        raise ValueError(
            advice(
                f"{address} has SHA-256 {sha.hexdigest()}, expected {digest}: not the "
                "official file, or damaged on the way."
            )
        )


def _fit(constant: np.ndarray, name: str) -> np.ndarray | None:
    """Returns the constant in the shape `name` needs, or None if it cannot be it."""
    shape = SHAPES[name]
    if len(shape) == 1:
        fits = constant.size == shape[0] and max(constant.shape) == shape[0]
        return constant.reshape(shape) if fits else None
    if constant.shape == shape:
        return constant
    if constant.ndim == 4 and constant.transpose(2, 3, 1, 0).shape == shape:
        return constant.transpose(2, 3, 1, 0)
    return None


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.asarray(array, "<f4").tobytes()).hexdigest()


def main(argv: Sequence[str] | None = None) -> None:
    """Converts official weights, as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m hific.lpips",
        description="Converts official LPIPS weights for --lpips_weights.",
    )
    file = pathlib.Path
    parser.add_argument("--alexnet", type=file, help="torchvision's AlexNet .pth")
    parser.add_argument("--heads", type=file, help="lpips v0.1 alex.pth")
    parser.add_argument("--frozen_graph", type=file, help="net-lin_alex_v0.1.pb")
    parser.add_argument("--out", type=file, required=True, help=".npz to write")
    parser.add_argument(
        "--allow_other_weights",
        action="store_true",
        help="accept weights that are not those of version 0.1",
    )
    args = parser.parse_args(argv)
    if bool(args.frozen_graph) == bool(args.alexnet and args.heads):
        parser.error("give either --alexnet and --heads, or --frozen_graph")
    try:
        if args.frozen_graph:
            arrays = from_constants(read_frozen_graph(args.frozen_graph))
        else:
            arrays = from_state_dicts(
                state_dicts.read(args.alexnet), state_dicts.read(args.heads)
            )
        if not args.allow_other_weights:
            check_official(arrays)
    except (ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")
    write_npz(args.out, arrays)
    print(f"Wrote {args.out}")
