import pytest

from egic import cli, commands
from hific import engine_names, memory
from hific.engine_choice import Candidate, fitting
from hific.engine_names import EngineError, resolve
from hific.engines import ENGINES
from hific.errors import LimitExceededError
from hific.memory import Footprint

NOTHING, EVERYTHING = (lambda module: False), (lambda module: True)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(engine_names, "has_gpu", lambda: False)


def test_auto_is_openvino_where_that_is_installed_and_else_tensorflow(no_gpu):
    assert resolve("auto", EVERYTHING) == "openvino"
    assert resolve("auto", NOTHING) == "tensorflow"


def test_auto_leaves_a_gpu_to_tensorflow(monkeypatch):
    monkeypatch.setattr(engine_names, "has_gpu", lambda: True)
    assert resolve("auto", EVERYTHING) == "tensorflow"


def test_the_environment_counts_where_nobody_asks_and_auto_where_it_says_nothing(
    monkeypatch, no_gpu
):
    monkeypatch.setenv("EGIC_ENGINE", "openvino-float32")
    assert resolve(None, EVERYTHING) == "openvino-float32"
    assert resolve("tensorflow", EVERYTHING) == "tensorflow"
    monkeypatch.setenv("EGIC_ENGINE", "")
    assert resolve(None, NOTHING) == "tensorflow"


def test_what_is_not_installed_is_refused_with_the_command_that_installs_it():
    with pytest.raises(EngineError, match=r"needs OpenVINO: pip install 'egic\[fast\]"):
        resolve("openvino-float32", NOTHING)


def test_an_unknown_engine_is_refused_with_those_there_are():
    with pytest.raises(EngineError, match="No engine 'onnx'; there are auto, tensorf"):
        resolve("onnx", EVERYTHING)


def test_names_and_what_makes_engines_are_of_one_accord():
    assert list(engine_names.NEEDS) == list(ENGINES)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("flags : fpu amx_bf16\n", True), ("flags : fpu avx512f\n", False)],
)
def test_bfloat16_is_used_where_the_processor_multiplies_it(
    flags, expected, tmp_path, monkeypatch
):
    (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(engine_names, "_CPUINFO", tmp_path / "cpuinfo")
    assert engine_names.has_bfloat16() is expected
    said = "openvino (bfloat16)" if expected else "openvino (float32)"
    assert engine_names.described("openvino") == said
    assert engine_names.described("tensorflow") == "tensorflow (float32)"


def test_a_command_says_what_auto_took_and_nothing_where_it_was_told(
    monkeypatch, no_gpu, capsys, tmp_path
):
    monkeypatch.setenv("EGIC_ENGINE", "auto")
    monkeypatch.setattr(engine_names, "_installed", NOTHING)
    absent = str(tmp_path / "absent.png")
    cli.main(["compress", absent])
    assert "egic: engine tensorflow (float32)\n" in capsys.readouterr().err
    cli.main(["compress", absent, "--engine=tensorflow"])
    assert "engine" not in capsys.readouterr().err


def test_a_command_refuses_an_engine_that_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(engine_names, "_installed", NOTHING)
    monkeypatch.setenv("EGIC_ENGINE", "tensorflow")
    assert cli.main(["decompress", "x.egic", "--engine=openvino"]) == 2
    assert "pip install 'egic[fast]'" in capsys.readouterr().err


def test_processes_that_a_command_starts_inherit_its_engine(monkeypatch):
    monkeypatch.setenv("EGIC_ENGINE", "auto")
    args = cli._parser().parse_args(["compress", "x.png", "--engine=tensorflow"])
    commands.choose_engine(args)
    assert engine_names.default() == "tensorflow"


def test_a_model_is_refused_by_what_it_takes_in_its_engine(monkeypatch):
    of_model = Footprint(1000, 100)
    expected = {True: (1_100_001_000, 320), False: (1_600_001_000, 650)}
    for bfloat16 in expected:
        monkeypatch.setattr(engine_names, "has_bfloat16", lambda: bfloat16)  # noqa: B023
        here = of_model.with_engine(engine_names.memory_of("openvino"))
        assert here == expected[bfloat16]
    assert of_model.with_engine(engine_names.memory_of("tensorflow")) == of_model


def test_isolated_decoding_is_tensorflows_and_no_other_engine_can_be_asked_for(
    monkeypatch, capsys
):
    monkeypatch.setenv("EGIC_ENGINE", "openvino")
    monkeypatch.setattr(engine_names, "_installed", EVERYTHING)
    flags = ["decompress", "absent.egic", "--isolated"]
    assert cli.main([*flags, "--engine=openvino"]) == 2
    assert "--isolated decodes with TensorFlow" in capsys.readouterr().err
    cli.main(flags)
    assert engine_names.default() == "tensorflow"


def test_auto_has_tensorflow_to_spare_and_what_is_asked_for_stands_alone(
    monkeypatch, no_gpu
):
    monkeypatch.setattr(engine_names, "_installed", EVERYTHING)
    assert engine_names.candidates("auto") == ("openvino", "tensorflow")
    assert engine_names.candidates("openvino") == ("openvino",)
    monkeypatch.setattr(engine_names, "_installed", NOTHING)
    assert engine_names.candidates("auto") == ("tensorflow",)


def test_pictures_of_a_folder_count_as_they_do_in_the_engine_in_use(monkeypatch):
    monkeypatch.setattr(engine_names, "_installed", EVERYTHING)
    monkeypatch.setenv("EGIC_ENGINE", "tensorflow")
    assert memory.largest_here() == memory.LARGEST
    here = memory.beside(640, 640)
    monkeypatch.setattr(memory, "available", lambda: memory.LARGEST.at_start + here)
    monkeypatch.setattr(memory, "_resident", lambda: 0)
    assert memory.fits(here)
    monkeypatch.setenv("EGIC_ENGINE", "openvino")
    assert memory.beside(640, 640) > 2 * here
    assert not memory.fits(here)


class _Engine:
    released = 0

    def __init__(self, name):
        self.name = name

    def release(self):
        self.released += 1


def test_a_picture_is_coded_by_the_first_engine_that_has_the_memory():
    large, small = Footprint(10, 7), Footprint(9, 1)
    fast, spare = _Engine("openvino"), _Engine("tensorflow")
    both = [Candidate(fast, large), Candidate(spare, small)]

    def within(budget):
        return lambda model: memory.check(64, 64, budget, model=model)

    assert fitting(both, within(10 + 7 * 64**2)) is fast
    assert fast.released == 0
    assert fitting(both, within(9 + 7 * 64**2)) is spare
    assert fast.released == 1
    with pytest.raises(LimitExceededError) as refused:
        fitting(both, within(8 + 64**2))
    assert "--engine" not in str(refused.value)
    with pytest.raises(LimitExceededError, match="--engine=tensorflow takes less"):
        fitting(both[:1], within(9 + 7 * 64**2))
