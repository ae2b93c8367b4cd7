"""What docs/discriminator.md says is done: code put in place, tested and trained."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "discriminator.md").read_text()


def fences(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.S | re.M)


def insert(text, diff):
    """Adds a diff's + lines where its other lines stand, which must be once."""
    lines = diff.splitlines()
    old = "\n".join(line[1:] for line in lines if line.startswith(" "))
    new = "\n".join(line[1:] for line in lines)
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A copy of the project in which the page was followed."""
    root = tmp_path_factory.mktemp("recipe")
    for package in ("deeplab2_tf", "egic", "hific"):
        shutil.copytree(
            ROOT / package,
            root / package,
            ignore=shutil.ignore_patterns("__pycache__", "shipped"),
        )
    shutil.copy(ROOT / "pretrain_discriminator.py", root)
    network, test = fences("python")
    (root / "egic/discriminators/pyramid.py").write_text(network)
    (root / "test_pyramid.py").write_text(test)
    diffs = fences("diff")
    for name, some in (
        ("egic/pretraining_config.py", diffs[:3]),
        ("egic/discriminators/build.py", diffs[3:]),
    ):
        text = (root / name).read_text()
        for diff in some:
            text = insert(text, diff)
        (root / name).write_text(text)
    return root


def run(root, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_tests_of_the_page_pass(recipe):
    run(recipe, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_pyramid.py")


@pytest.mark.slow
def test_the_discriminator_of_the_page_trains(recipe):
    run(
        recipe,
        "pretrain_discriminator.py",
        "--config=egic/pretraining_config.py:synthetic-tiny",
        "--config.discriminator.kind=pyramid",
        "--config.discriminator.pyramid.widths=(8,8)",
        "--config.data.crop=(64,64)",
        "--config.optimizer.warmup_steps=1",
        "--synthetic=4",
        "--steps=2",
        "--workdir=run",
    )
    assert (recipe / "run/checkpoints/ckpt-2.ok").exists()


def test_the_page_imports_and_formats_as_the_project_does():
    for code in fences("python"):
        compile(code, "docs/discriminator.md", "exec")
        ruff = [sys.executable, "-m", "ruff"]
        for action in (["check"], ["format", "--diff"]):
            done = subprocess.run(
                [*ruff, *action, "--stdin-filename=egic/page.py", "-"],
                input=code,
                capture_output=True,
                text=True,
                cwd=ROOT,
            )
            assert done.returncode == 0, done.stdout + done.stderr
