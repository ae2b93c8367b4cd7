"""The matrix of `trials`, with few configurations; all of them take minutes."""

import pytest

from egic import codec
from egic.configurations import CONFIGURATIONS, REFERENCE, Comparison
from hific import conformance
from hific.images import write_png
from tests import flipping_decoder, micro_codec
from trials import matrix

FLIPPING = flipping_decoder.__name__
AXES = {
    "threads": ("1 thread", "2 threads", "8 threads"),
    "oneDNN": ("oneDNN off",),
    "instructions": ("SSE4.1", "AVX2", "AVX-512"),
    "execution": ("eager", "XLA, clusters", "XLA, one function"),
    "batch": ("batch 4",),
}


@pytest.fixture(scope="module")
def micro(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "micro"
    codec.save(micro_codec.CONFIG, micro_codec.model(), folder)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(100):
        write_png(folder / f"{i:02}.png", micro_codec.picture(20 + i % 7, 30 + i % 11))
    return f"{folder}/*.png"


def test_every_axis_has_its_configurations():
    for names in AXES.values():
        assert set(names) <= set(CONFIGURATIONS)
    assert next(iter(CONFIGURATIONS)) == REFERENCE
    assert sum("," in name for name in CONFIGURATIONS) >= 4  # Of several axes.
    environments = [
        (tuple(sorted(each.environment.items())), each.mode)
        for each in CONFIGURATIONS.values()
    ]
    assert len(set(environments)) == len(environments)


def test_configurations_that_agree_give_a_table_and_code_0(
    micro, pictures, tmp_path, capsys
):
    flags = [f"--model={micro}", f"--images={pictures}", "--limit=3"]
    out = tmp_path / "table.md"
    assert matrix.main([*flags, "--only=oneDNN off", f"--out={out}"]) == 0
    assert out.read_text() in capsys.readouterr().out
    assert "3 files in 2 configurations: 6 tried, 0 mismatches." in out.read_text()
    assert "| oneDNN off | 3 | 0 | 0 | 0 | 0 | 3 | 0 | " in out.read_text()


def test_a_hundred_flipped_indexes_of_a_hundred_are_reported(
    micro, pictures, monkeypatch, capsys
):
    files = matrix.compress(micro, pictures)
    monkeypatch.setenv("FLIP", "decode")
    chosen = {name: CONFIGURATIONS[name] for name in (REFERENCE, "2 threads")}
    found = matrix.run(micro, files, (), chosen, FLIPPING)
    assert found[REFERENCE].mismatches == 0
    assert found["2 threads"].failed == found["2 threads"].mismatches == 100
    assert matrix.report(found, 100, None) == 1
    assert "200 tried, 100 mismatches." in capsys.readouterr().out


def test_each_kind_of_difference_is_a_mismatch():
    expected = conformance.Digest("i", "s", "v")
    row = Comparison()
    for name in conformance.Digest._fields:
        other = expected._replace(**{name: "other"})
        row.add(matrix.File(name, other), expected, {})
    assert (row.indexes, row.symbols, row.values, row.mismatches) == (1, 1, 1, 3)
    assert row.complaints[2] == "values: other values"
    row.add(matrix.File("same", expected), expected, {})
    row.add(matrix.File("none", error="CorruptError: x"), expected, {})
    assert (row.files, row.failed, row.mismatches) == (5, 1, 4)
