"""Reads the released networks' outputs, for the weights that a seed reproduces.

Names of the released variables are mapped to ours by role, never by order.
"""

import json
import pathlib
import re

import numpy as np

from hific.names import named_variables

_PARTS = (
    (r"norm(\d)/", r"norm\1."),
    (r"attn/relative_position_bias_table", "position_bias"),
    (r"attn/qkv/", "qkv."),
    (r"attn/proj/", "projection."),
    (r"mlp/fc1/", "mlp_in."),
    (r"mlp/fc2/", "mlp_out."),
)


def _block(role: str) -> str:
    for pattern, ours in _PARTS:
        role = re.sub(pattern, ours, role)
    return role


def transform_name(role: str, stages: dict[str, str]) -> str:
    """Our name of a released transform's variable.

    Args:
        role: Such as "basic_layer_ga_0/block_1/attn/qkv/kernel".
        stages: Released stage -> (our stage, our resampler).
    """
    if role.startswith("patch_embed/"):
        return "embed." + role.split("/")[1]
    layer, rest = role.split("/", 1)
    stage, resample = stages[layer]
    if rest.startswith("block_"):
        block, rest = rest.split("/", 1)
        return f"{stage}.blocks.{block[6:]}.{_block(rest)}"
    rest = rest.split("/", 1)[1]
    return f"{resample}.{rest.replace('reduction/', '').replace('/', '.')}"


class Golden:
    """The folder of golden outputs."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._modules = json.loads((folder / "manifest.json").read_text())["modules"]

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"{name}.npz") as data:
            return dict(data)

    def values(self, module: str):
        """Yields (role, value) of every variable of a released module."""
        for item in self._modules[module]["variables"]:
            rng = np.random.default_rng(item["seed"])
            value = rng.standard_normal(item["shape"]).astype(np.float32)
            value *= np.float32(0.02)
            if item["kind"] in ("gamma", "g"):
                value += np.float32(1.0)
            yield item["role"], value

    def fill_transform(self, network, module: str, stages) -> None:
        """Gives a transform of ours the released weights; each variable is met once."""
        ours = named_variables(network)
        for role, value in self.values(module):
            ours.pop(transform_name(role, stages)).assign(value)
        assert not ours, f"no released counterpart of {sorted(ours)}"

    def fill_slices(self, nets, module: str) -> None:
        """Gives slice nets the released weights: true convolutions, so kernels flip."""
        for role, value in self.values(module):
            net, layer, kind = role.split("/")
            net, layer = nets[int(net.split("_")[-1])], int(layer.split("_")[-1])
            if kind == "kernel":
                net.kernels[layer].assign(value[::-1, ::-1])
            else:
                net.biases[layer].assign(value)


ANALYSIS = {f"basic_layer_ga_{i}": (f"stages.{i}", f"merges.{i}") for i in range(4)}
SYNTHESIS = {
    f"basic_layer_gs_{i}": (f"stages.{i}", f"splits.{i}" if i < 3 else "unpack")
    for i in range(4)
}
HEAD = {"basic_layer_orp_0": ("stages.0", "unpack")}
HYPER_ANALYSIS = {
    "basic_layer_ha_0": ("fine", "merge"),
    "basic_layer_ha_1": ("coarse", ""),
}
HYPER_SYNTHESIS = {
    "basic_layer_hs_0": ("coarse", "split"),
    "basic_layer_hs_1": ("fine", "unpack"),
}
