import json

import pytest

from egic import systems
from egic.stage2_config import KINDS, PRESETS, Stage2Config, get_config
from hific import config as hific_config


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_their_file(name):
    data = json.loads(json.dumps(hific_config.to_dict(PRESETS[name])))
    assert hific_config.from_dict(data, KINDS) == PRESETS[name]


@pytest.mark.parametrize(
    "name, strategy, weights",
    [
        ("egic", "I", (0.075 / 32, 1.0, 0.30)),
        ("hific", "I", (0.075 / 32, 1.0, 0.15)),
        ("hific-cityscapes", "I", (0.075 / 32, 1.0, 0.15)),
        ("egic", "II", (0.0, 0.0, 1.0)),
        ("hific", "II", (0.0, 0.0, 1.0)),
        ("hific-cityscapes", "II", (0.0, 0.0, 1.0)),
    ],
)
def test_a_strategy_is_a_set_of_published_weights(name, strategy, weights):
    config = get_config(name)
    config.strategy = strategy
    chosen = systems.generator_weights(config)
    assert (chosen.distortion, chosen.perceptual, chosen.adversarial) == weights


def test_presets_have_the_published_numbers():
    config: Stage2Config = get_config()
    assert (config.steps, config.batch_size, config.data.crop) == (10**6, 8, (256, 256))
    part = config.optimizer
    assert (part.generator_rate, part.discriminator_rate, part.clip_norm) == (
        1e-5,
        1e-5,
        0.0,
    )
    assert config.consistency_weight == 10.0
    assert config.discriminator.conditioning == "projection"
    assert config.data.autoaugment == ""
    assert part.epsilon == 1e-7
    study = get_config("hific-cityscapes")
    assert (study.steps, study.optimizer.epsilon) == (150_000, 1e-8)


@pytest.mark.parametrize("name", PRESETS)
def test_every_crop_suits_codec_and_discriminator(name):
    config = PRESETS[name]
    stride = 2 ** len(config.discriminator.oasis.down)
    assert all(side % 64 == 0 and side % stride == 0 for side in config.data.crop)


def test_presets_share_nothing_that_can_be_changed():
    get_config("hific").strategy_1.adversarial = 9.0
    assert PRESETS["hific-tiny"].strategy_1.adversarial == 0.15
    assert PRESETS["hific"].strategy_1 is not PRESETS["hific-cityscapes"].strategy_1


def test_an_unknown_preset_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="No preset 'tiny'; there are egic, hific"):
        get_config("tiny")
