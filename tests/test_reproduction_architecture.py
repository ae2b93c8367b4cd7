import pytest

from egic import codec, complexity
from egic.config import PRESETS
from egic.discriminators import build
from egic.pretraining_config import DiscriminatorConfig
from egic.reproduction import architecture, costs, makers
from egic.reproduction.counting import forward_flops
from egic.reproduction.registry import EXPERIMENTS
from hific import lpips
from hific.discriminator import build_discriminator
from hific.network_config import HeadConfig

# Blocks of OASIS-C: channels in, output for a crop of 256x256, parameters.
TABLE3 = {
    "d1": (3, (128, 128, 128), 152_064),
    "d2": (128, (64, 64, 128), 295_424),
    "d3": (128, (32, 32, 256), 919_040),
    "d4": (256, (16, 16, 256), 1_180_672),
    "d5": (256, (8, 8, 512), 3_673_088),
    "d6": (512, (4, 4, 512), 4_720_640),
    "u1": (512, (8, 8, 512), 4_720_640),
    "u2": (1024, (16, 16, 256), 3_212_800),
    "u3": (512, (32, 32, 256), 1_902_080),
    "u4": (512, (64, 64, 128), 803_584),
    "u5": (256, (128, 128, 128), 475_904),
    "u6": (256, (256, 256, 64), 201_088),
    "out": (64, (256, 256, 135), 65 * 135),
    "latent": (320, (256, 256, 64), 184_448),
    "body": (3, (256, 256, 64), 22_257_024),
    "total": (3, (256, 256, 135), 22_450_247),
    "total-134": (3, (256, 256, 134), 22_450_182),
    "total-20": (3, (256, 256, 20), 22_442_772),
}


def test_table_3_comes_out_layer_by_layer_at_full_size():
    assert architecture.oasis_c() == TABLE3
    found = makers.oasis_c(EXPERIMENTS["table3"])
    assert not found.differs
    rows = found.data["rows"]
    assert list(rows) == list(TABLE3)
    for key, (_, _, parameters) in TABLE3.items():
        assert rows[key]["parameters"]["published"] == parameters
        assert rows[key]["parameters"]["ours"] == parameters
        assert rows[key]["parameters"]["verdict"] == "equal"


def test_table_7_comes_out_at_full_size_and_its_prior_is_not_what_is_printed():
    found = makers.parameters(EXPERIMENTS["table7"])
    assert found.data["counted"] == {
        "hific": {"E": 7_423_420, "G": 156_774_683, "conditioning": 0, "P": 17_277_240},
        "egic": {
            "E": 9_139_416,
            "G": 9_139_300,
            "conditioning": 399_892,
            "P": 14_277_524,
        },
    }
    assert not found.differs
    rows = found.data["rows"]
    verdicts = {
        (row, column): rows[row][column]["verdict"]
        for row in ("hific", "egic")
        for column in ("E", "G", "P", "total")
    }
    assert verdicts.pop(("egic", "P")) == "differs"
    assert set(verdicts.values()) == {"equal"}
    assert rows["egic"]["total"]["ours"] == 32.956132
    assert rows["egic"]["conditioning"]["verdict"] == "equal"
    sums = {row[0]: row[1:] for row in found.blocks[-1].rows}
    assert sums["DIRAC"] == ["136.7", "136.8", "off by +0.1"]
    assert {cells[2] for name, cells in sums.items() if name != "DIRAC"} == {""}
    ratios = found.blocks[-1].notes[0]
    for ratio in ("MS-ILLM: 0.18", "DIRAC: 0.24", "DDPM: 0.03", "MRIC: 0.55", ": 0.15"):
        assert ratio in ratios


def test_a_changed_network_is_noticed(monkeypatch):
    facts = architecture.COUNTED["egic"]
    changed = {**architecture.COUNTED, "egic": facts._replace(E=facts.E + 1)}
    monkeypatch.setattr(architecture, "systems", lambda: changed)
    assert makers.parameters(EXPERIMENTS["table7"]).differs


def test_the_operations_of_swint_charm_agree_with_those_counted_by_formula():
    config = PRESETS["egic"]
    formula = complexity.count(config, 256, 256)
    assert costs.FORWARD["SwinT-ChARM E"] == 2 * formula.analysis
    assert costs.FORWARD["SwinT-ChARM G"] == 2 * formula.synthesis
    prior = 2 * (formula.hyper + formula.walk)
    assert costs.FORWARD["SwinT-ChARM P"] == pytest.approx(prior, rel=1e-3)


CROP, Y = (1, 256, 256, 3), (1, 16, 16, 220)


@pytest.mark.slow
def test_the_stored_operations_are_those_of_the_full_size_networks():
    chosen = {name: PRESETS[name] for name in ("egic", "hific-lo")}
    egic = codec.build_egic(chosen["egic"])
    head = codec.transforms.Head(
        chosen["egic"].transform,
        HeadConfig(1).stages,
        codec.Initialiser(),
        codec.KERNELS["trainable"],
        "float32",
    )
    hific = codec.build_model(chosen["hific-lo"])
    oasis, deeplab = (
        build.build(DiscriminatorConfig(kind=kind), 135)
        for kind in ("oasis", "deeplab")
    )
    y = (1, 16, 16, 320)
    counted = {
        "SwinT-ChARM E": forward_flops(egic.analysis, CROP),
        "SwinT-ChARM G": forward_flops(egic.synthesis, y),
        "SwinT-ChARM P": forward_flops(egic.prior.rate, y),
        "ORP": forward_flops(head, (1, 128, 128, 128)),
        "HiFiC E": forward_flops(hific.analysis, CROP),
        "HiFiC G": forward_flops(hific.synthesis, Y),
        "HiFiC P": forward_flops(hific.prior.rate, Y),
        "PatchGAN": forward_flops(build_discriminator(chosen["hific-lo"]), CROP, Y),
        "OASIS": forward_flops(lambda x: oasis(x, None), CROP),
        "DeepLab": forward_flops(lambda x: deeplab(x, None), CROP),
    }
    assert counted == {name: costs.FORWARD[name] for name in counted}


def test_the_stored_operations_of_lpips(shared):
    distance = lpips.load(shared / "data" / "lpips" / "alex_v0.1.npz")
    counted = forward_flops(lambda x: distance.activations(x)[-1], CROP)
    assert counted == costs.FORWARD["LPIPS"]
