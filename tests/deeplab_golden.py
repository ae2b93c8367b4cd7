"""Reads DeepLab2's outputs and gives our networks its weights.

Names of its variables are mapped to ours by role, never by order.
"""

import re

from hific.names import named_variables

# Applied in order to a name without its prefix and ":0".
_ROLES = (
    (r"^resnet50/", "encoder."),
    (r"stage(\d)/block(\d)/", lambda m: f"stages.{int(m[1]) - 2}.{int(m[2]) - 1}."),
    (r"\bconv([123])_bn(_act)?/(?=conv/|batch)", r"conv\1."),
    (r"^PanopticDeepLab/semantic_decoder/", "decoder."),
    (r"^DeepLabv3Plus/ASPP/", "decoder.aspp."),
    (r"^DeepLabv3Plus/", "decoder."),
    (r"aspp[./]aspp_conv(\d)/conv_bn_act/", r"aspp.branches.\1."),
    (r"aspp[./]aspp_pool/conv_bn_act/", "aspp.pooled."),
    (r"aspp[./]proj_conv_bn_act/", "aspp.project."),
    (r"aspp[./]conv_bn_act/", "aspp.branches.0."),
    (r"low_level_conv(\d)/", lambda m: f"fusions.{int(m[1]) - 1}.project."),
    (r"fusion_conv(\d)/", lambda m: f"fusions.{int(m[1]) - 1}.stack/"),
    (r"project_conv_bn_act/", "fusions.0.project."),
    (r"\bfuse/", "fusions.0.stack/"),
    (r"^PanopticDeepLab/semantic_head/conv_block/", "decoder.head/"),
    (r"^PanopticDeepLab/semantic_head/final_conv/", "decoder.to_logits."),
    (r"final_conv/conv/", "to_logits."),
    (r"/conv(\d)_bn_act/", lambda m: f".convs.{int(m[1]) - 1}."),
    (r"depthwise_conv/", "conv."),
    (r"batch_norm/", "norm."),
    (r"/", "."),
)


def our_name(upstream: str) -> str:
    """Our name of a variable, such as "DeepLab/resnet50/stem/conv/kernel:0"."""
    name = upstream.removesuffix(":0").removeprefix("DeepLab/")
    for pattern, ours in _ROLES:
        name = re.sub(pattern, ours, name)
    return name


def with_prefix(arrays, prefix: str) -> dict:
    """The arrays of an .npz whose keys start with a prefix, by our names."""
    return {
        our_name(key.removeprefix(prefix)): arrays[key]
        for key in arrays.files
        if key.startswith(prefix)
    }


def fill(network, values: dict) -> None:
    """Gives a network values by our names; every variable is met exactly once."""
    ours = named_variables(network)
    for name, value in values.items():
        ours.pop(name).assign(value)
    assert not ours, f"no upstream counterpart of {sorted(ours)}"
