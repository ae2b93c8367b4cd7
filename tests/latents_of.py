"""Encodes or decodes in a process of its own and prints what the latents were.

    python -m tests.latents_of MODEL encode OUT_DIR PICTURE...
    python -m tests.latents_of MODEL decode [--xla] FILE...

One JSON line for each file: its name, the fingerprint of indexes and symbols, and the
SHA-256 of the values of y_hat. How TensorFlow computes is set by environment variables.
"""

import hashlib
import json
import pathlib
import sys

import tensorflow as tf

import egic
from hific.images import read_image


def main(model: str, verb: str, *arguments: str) -> None:
    """Prints a line for every file."""
    if "--xla" in arguments:
        tf.config.optimizer.set_jit("autoclustering")
    paths = [pathlib.Path(name) for name in arguments if name != "--xla"]
    codec = egic.load(model)
    out = paths.pop(0) if verb == "encode" else None
    for path in paths:
        if out is None:
            data = path.read_bytes()
        else:
            data = codec.compress(read_image(path))
            (out / f"{path.stem}.egic").write_bytes(data)
        _, (coded,) = codec.decode_latents(data)
        values = hashlib.sha256(coded.y_hat.tobytes()).hexdigest()
        print(json.dumps([path.stem, coded.crc(), values]))


if __name__ == "__main__":
    main(*sys.argv[1:])
