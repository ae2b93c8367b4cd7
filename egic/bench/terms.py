"""What the terms of stage 2 cost, each as a function of its own; prints JSON.

    python -m egic.bench.terms --precision=bfloat16

A backward pass is the seconds of both passes less those of the forward one, so the
terms do not add up to a step exactly, which overlaps them.
"""

import argparse
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from egic.bench.stages import (
    Size,
    add_size,
    critic_of,
    lpips_of,
    model_of,
    picture,
)
from egic.bench.timing import least
from egic.frozen import frozen
from egic.systems import coded
from hific import training


def main(argv: list[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    add_size(parser)
    arguments = vars(parser.parse_args(argv))
    repeats = arguments.pop("repeats")
    print(json.dumps(measure(Size(**arguments), repeats)))


def measure(size: Size, repeats: int) -> dict[str, float]:
    """Name of a term -> seconds for one image."""
    training.set_seeds(0)
    return _codec_terms(size, repeats) | _critic_terms(size, repeats)


def _codec_terms(size: Size, repeats: int) -> dict[str, float]:
    model, image, lpips = model_of(size), picture(size), lpips_of(size)[0]
    still = frozen(model)
    y_hat, _ = coded(model, image)
    synthesis: Any = model.synthesis
    weights = synthesis.trainable_variables
    found = {
        "E and P, frozen": _seconds(lambda: coded(still, image), repeats),
        "G forward, frozen": _seconds(lambda: still.synthesis(y_hat), repeats),
    }
    found |= _both("G", lambda: model.synthesis(y_hat), weights, repeats)
    other = image[:, ::-1]
    return found | _both("LPIPS", lambda: lpips(image, other), [image], repeats)


def _critic_terms(size: Size, repeats: int) -> dict[str, float]:
    image, channels = picture(size), model_of(size).channels
    critic = critic_of(size, channels)
    y_hat = tf.round(
        2.0 * tf.random.stateless_normal((1, *_latent(image), channels), (4, 4))
    )
    fake = tf.clip_by_value(1.5 * image - 60.0, 0.0, 255.0)
    pictures: Mapping[str, tf.Tensor] = {
        "real": image,
        "fake": fake,
        "mixed": tf.concat([image[:, :, ::2], fake[:, :, 1::2]], 2),
    }
    found = {
        f"D on {name}, forward": _seconds(
            functools.partial(critic, one, y_hat, training=False), repeats
        )
        for name, one in pictures.items()
    }
    three, latents = tf.concat(list(pictures.values()), 0), tf.repeat(y_hat, 3, 0)
    weights = critic.trainable_variables
    found |= _both(
        "D on all three",
        lambda: critic(three, latents, training=False),
        weights,
        repeats,
    )
    passed_on = _both(
        "D to the fake", lambda: critic(fake, y_hat, training=False), [fake], repeats
    )
    found["D to the fake, backward"] = passed_on["D to the fake, backward"]
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build(weights)
    slopes = [tf.zeros_like(weight) for weight in weights]
    found["D's optimizer"] = _seconds(
        lambda: optimizer.apply_gradients(zip(slopes, weights, strict=True)), repeats
    )
    return found


def _latent(image: tf.Tensor) -> Sequence[int]:
    return [side // 16 for side in image.shape[1:3]]


def _both(
    name: str, network: Callable[[], tf.Tensor], watched: Sequence[Any], repeats: int
) -> dict[str, float]:
    """The forward pass, and what a gradient to some tensors takes on top."""

    def gradients():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            loss = tf.reduce_sum(tf.square(network()))
        return tape.gradient(loss, watched)

    forward = _seconds(network, repeats)
    return {
        f"{name}, forward": forward,
        f"{name}, backward": max(_seconds(gradients, repeats) - forward, 0.0),
    }


def _seconds(function: Callable[[], Any], repeats: int) -> float:
    """Of a traced call, the least of some."""

    def whole():
        return tf.nest.flatten(function())

    return least(tf.function(whole, autograph=False), repeats)[1]


if __name__ == "__main__":
    main()
