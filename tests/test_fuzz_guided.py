"""Tests of the fuzz targets that Atheris leads by coverage."""

import subprocess
import sys

import pytest

from trials import guided, material, parsing


def run(*arguments, code=None):
    program = ["-m", "trials.guided"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)], capture_output=True, text=True
    )


@pytest.mark.parametrize("name", ["container", "sealed", "picture"])
def test_atheris_tries_a_target_from_its_corpus(name, tmp_path):
    pytest.importorskip("atheris", reason="Atheris is not installed")
    corpus = tmp_path / "corpus"
    done = run(name, corpus, "-runs=300")
    assert done.returncode == 0, done.stderr
    assert "Done 300 runs" in done.stderr and "cov: " in done.stderr
    assert len(list(corpus.glob("seed-*"))) == len(guided.TARGETS[name].seeds())
    assert not list((tmp_path / "corpus.found").iterdir())


def test_atheris_finds_and_keeps_what_breaks_a_promise(tmp_path):
    pytest.importorskip("atheris", reason="Atheris is not installed")
    code = (
        "import sys; from trials import guided; "
        "guided.TARGETS['planted'] = guided.Guided('builtins', 'ord', lambda: [b'x']); "
        "guided.main(['planted', sys.argv[1], '-runs=300'])"
    )
    done = run(tmp_path / "corpus", code=code)
    assert done.returncode and "ord() expected a character" in done.stdout
    assert list((tmp_path / "corpus.found").glob("crash-*"))


def test_without_atheris_the_command_says_how_to_get_it(tmp_path):
    code = (
        "import sys; sys.modules['atheris'] = None; from trials import guided; "
        "guided.main(['container', sys.argv[1]])"
    )
    done = run(tmp_path / "corpus", code=code)
    assert done.returncode == 1
    assert done.stderr == "Atheris is not installed; `pip install atheris` gets it.\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [(), ("parsley", "corpus"), ("coder", "-runs=1")])
def test_wrong_usage_is_told(arguments):
    done = run(*arguments)
    assert done.returncode == 1
    assert "targets: container, sealed, coder, picture" in done.stderr


def test_every_file_can_be_made_from_bytes_without_checksums():
    for data in material.containers():
        assert parsing.canonical_once_sealed(parsing.unsealed(data)) == "accepted"


def test_any_bytes_can_be_sealed():
    for size in range(40):
        assert parsing.canonical_once_sealed(bytes(size)) != "accepted"
