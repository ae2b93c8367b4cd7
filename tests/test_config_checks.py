import copy
import dataclasses

import pytest

from egic.config import PRESETS
from hific.config_checks import CHOICES, check


def changed(path, value):
    config = copy.deepcopy(PRESETS["hific-lo"])
    *holders, name = path.split(".")
    holder = config
    for part in holders:
        holder = getattr(holder, part)
    setattr(holder, name, value)
    return config


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_what_exists(preset):
    config = copy.deepcopy(PRESETS[preset])
    config.optimizer.horizon = 100  # A run fills it in.
    check(config)


@pytest.mark.parametrize("path", CHOICES)
def test_an_unknown_name_is_answered_with_the_field_and_the_choices(path):
    with pytest.raises(ValueError, match=f"No {path} 'pid'; there are ") as error:
        check(changed(path, "pid"))
    assert all(name in str(error.value) for name in CHOICES[path])


def test_numbers_that_contradict_each_other_are_found():
    with pytest.raises(ValueError, match="separate 2 factors"):
        check(changed("optimizer.factors", (1.0,)))


@pytest.mark.parametrize("crop", [0, 100, -64])
def test_a_crop_that_the_networks_cannot_divide_is_found(crop):
    with pytest.raises(ValueError, match=f"multiple of 64.* got {crop}"):
        check(changed("data.crop", crop))


def test_every_name_in_a_config_is_checked():
    def names(config, path=""):
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if isinstance(value, str):
                yield path + field.name
            elif dataclasses.is_dataclass(value):
                yield from names(value, f"{path}{field.name}.")

    found = {name for config in PRESETS.values() for name in names(config)}
    assert found == set(CHOICES)


def test_a_codec_is_not_trained_with_a_head():
    with pytest.raises(
        ValueError, match=r"head.stages \(=1\) must be 0 here: train_orp"
    ):
        check(changed("head.stages", 1))
