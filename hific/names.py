"""Stable names for the variables of a network."""

import collections
import re

import tensorflow as tf


def named_variables(module: tf.Module) -> dict[str, tf.Variable]:
    """Names every variable by the shortest path of attributes that leads to it.

    Names are those of attributes (of Keras' `add_weight`: the name given there), list
    indexes and dictionary keys, joined by dots: "analysis.blocks.0.kernel". Leading
    underscores are dropped. They do not depend on how many layers were made before, as
    Keras' own names do. A variable that is reachable twice is named once, by the path
    with fewer steps, then by the first in the order of names.

    Args:
        module: Any tf.Module, Keras layer or model, or a nest of them.

    Returns:
        Name -> variable, sorted by name.

    Raises:
        ValueError: Two variables would have the same name.
    """
    view = tf.train.TrackableView(module)
    found: dict[str, tf.Variable] = {}
    seen = {id(module)}
    queue: collections.deque = collections.deque([((), module)])
    while queue:
        path, node = queue.popleft()
        for name, child in sorted(_children(view, node), key=lambda pair: pair[0]):
            if id(child) in seen:
                continue
            seen.add(id(child))
            if isinstance(child, tf.Variable):
                _insert(found, ".".join((*path, name)), child)
            else:
                queue.append(((*path, name), child))
    return dict(sorted(found.items()))


def copy_variables(source: tf.Module, target: tf.Module) -> None:
    """Copies values between two networks of the same structure, casting them.

    Args:
        source, target: tf.Modules or Keras layers.
    """
    values = named_variables(source)
    for name, variable in named_variables(target).items():
        variable.assign(tf.cast(values[name], variable.dtype))


def _children(view: tf.train.TrackableView, node):
    for name, child in view.children(node).items():
        # A Sequential model lists each layer twice, once by its place among the
        # layers that have weights; its place among all layers is the stabler one.
        if name.startswith("layer_with_weights-") or name == "keras_api":
            continue
        yield re.sub(r"^layer-(\d+)$", r"\1", name).lstrip("_"), child


def _insert(found: dict[str, tf.Variable], name: str, variable: tf.Variable) -> None:
    if name in found:
        raise ValueError(
            f"Two variables would be called {name!r}; attributes must differ by more "
            "than a leading underscore."
        )
    found[name] = variable
