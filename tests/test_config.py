"""Overrides are parsed by ml_collections; these tests hold it to what we rely on."""

import copy
import json
import pathlib

import pytest
from absl import flags
from ml_collections import config_flags

from hific import config
from hific.config import PRESETS, HificConfig

# ml_collections loads the file in a way that Python 3.12 drops.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

KINDS = {"HificConfig": HificConfig}
PATH = pathlib.Path(config.__file__)


def parse(*arguments, preset="hific-lo"):
    values, line = flags.FlagValues(), ["program", *arguments]
    holder = config_flags.DEFINE_config_file(
        "config", f"{PATH}:{preset}", flag_values=values, sys_argv=line
    )
    values(line)
    return holder.value


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_survives_its_json(preset, tmp_path):
    config.save(PRESETS[preset], tmp_path / "run" / "config.json")
    data = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config.from_dict(data, KINDS) == PRESETS[preset]


def test_the_flag_gives_the_class_the_program_knows():
    parsed = parse(preset="hific-tiny")
    assert type(parsed) is HificConfig
    assert parsed == PRESETS["hific-tiny"]


def test_the_flag_gives_a_copy():
    before = copy.deepcopy(PRESETS["hific-lo"])
    parse("--config.rate.target_bpp=9")
    assert PRESETS["hific-lo"] == before


def test_overrides_have_the_types_of_their_fields():
    parsed = parse(
        "--config.rate.kind=fixed",
        "--config.rate.weight=2",
        "--config.decoder.filters=16",
        "--config.encoder.filters=(8, 8, 8, 8, 8)",
        "--config.data.flip=true",
    )
    assert (parsed.rate.kind, parsed.rate.weight) == ("fixed", 2.0)
    assert isinstance(parsed.rate.weight, float)
    assert parsed.decoder.filters == 16
    assert parsed.encoder.filters == (8, 8, 8, 8, 8)
    assert parsed.data.flip is True


def test_a_preset_is_chosen_on_the_command_line():
    assert parse(f"--config={PATH}:hific-hi").rate.target_bpp == 0.45


def test_a_mistyped_override_is_answered():
    with pytest.raises((KeyError, AttributeError), match="wieght"):
        parse("--config.rate.wieght=2")


def test_a_value_of_the_wrong_type_is_answered():
    with pytest.raises(flags.IllegalFlagValueError, match="config.rate.weight=heavy"):
        parse("--config.rate.weight=heavy")


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="No preset 'hific-xl'; there are hific-lo"):
        config.get_config("hific-xl")


def test_the_paper_presets_differ_by_the_lower_weight_alone():
    for point in ("lo", "mi", "hi"):
        ours = copy.deepcopy(PRESETS[f"hific-{point}"])
        assert ours.rate.weight_below == 2.0**-6
        ours.rate.weight_below = 2.0**-4
        assert ours == PRESETS[f"hific-{point}-paper"]


def test_the_weights_of_the_paper():
    low = PRESETS["hific-lo"]
    assert low.distortion_weight == 0.00234375
    assert (low.perceptual_weight, low.adversarial_weight) == (1.0, 0.15)


def test_a_config_of_a_newer_version_is_refused():
    data = config.to_dict(PRESETS["hific-lo"])
    with pytest.raises(ValueError, match="has no field colour_space"):
        config.from_dict({**data, "colour_space": "lab"}, KINDS)


def test_fields_that_came_later_are_written_only_where_they_say_something():
    """Configs are compared, and hashed with a model: old ones stay what they were."""
    changed = copy.deepcopy(PRESETS["hific-lo"])
    plain = config.to_dict(changed)
    changed.perceptual_start, changed.rate.hyper_factors = 9, (0.5,)
    data = config.to_dict(changed)
    assert data == {
        **plain,
        "perceptual_start": 9,
        "rate": {**plain["rate"], "hyper_factors": (0.5,)},
    }
    assert not {"hyper_factors", "hyper_boundaries"} & set(plain["rate"])
    assert config.from_dict(json.loads(json.dumps(data)), KINDS) == changed


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="No config kind 'Crdr'; there are Hific"):
        config.from_dict({"kind": "Crdr"}, KINDS)
