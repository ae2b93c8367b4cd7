"""What setup.cfg promises is what the code imports and constraints.txt pins."""

import ast
import configparser
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from egic import default_model

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Where the name to import is not that of the distribution.
DISTRIBUTION = {
    "PIL": "pillow",
    "absl": "absl-py",
    "apache_beam": "apache-beam",
    "google": "protobuf",
    "skimage": "scikit-image",
}


def _names(requirements: str) -> set[str]:
    """Returns the distributions of a list of requirements, one a line."""
    found = re.findall(r"^([A-Za-z][\w.-]*)", requirements, re.MULTILINE)
    return {name.lower().replace("_", "-") for name in found}


def _setup() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def _required_by_importing() -> set[str]:
    """Returns the distributions that importing any of our modules needs."""
    ours = {"deeplab2_tf", "egic", "hific"}
    files = list(ROOT.glob("*.py"))
    for package in ours:
        files += (ROOT / package).rglob("*.py")
    found = set()
    for path in files:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    found -= ours | set(sys.stdlib_module_names) | {path.stem for path in files}
    return {DISTRIBUTION.get(name, name).replace("_", "-") for name in found}


def test_what_modules_import_at_once_is_a_core_dependency():
    core = _names(_setup()["options"]["install_requires"])
    dev = _names(_setup()["options.extras_require"]["dev"])
    # demo.py shows a picture that ships with scikit-image, egic.page.app needs [demo],
    # egic.beam, egic.cluster and hific.openvino_engine what their extras have.
    later = dev & {"apache-beam", "gradio", "openvino", "scikit-image", "submitit"}
    assert _required_by_importing() - core - later == set()


def test_core_and_dev_are_pinned_exactly():
    pinned = _names((ROOT / "constraints.txt").read_text())
    setup = _setup()
    wanted = _names(setup["options"]["install_requires"])
    wanted |= _names(setup["options.extras_require"]["dev"])
    assert wanted - pinned == set()
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line), line


def test_every_package_is_found_by_setup():
    patterns = _setup()["options.packages.find"]["include"].split()
    for path in ROOT.glob("*/__init__.py"):
        package = path.parent.name
        assert package in ("drawings", "tests", "trials") or f"{package}*" in patterns


def test_data_of_packages_is_named_where_it_lies_in_folders():
    data = _setup()["options.package_data"]
    for package in ("egic", "hific", "deeplab2_tf"):
        patterns = f"{data['*']} {data.get(package, '')}".replace(",", " ").split()
        named = {
            path for pattern in patterns for path in (ROOT / package).glob(pattern)
        }
        for path in (ROOT / package).rglob("*"):
            data_file = path.is_file() and path.suffix not in (".py", ".pyc")
            subpackage = (path.parent / "__init__.py").exists()
            beside = {
                found
                for pattern in data["*"].split(", ")
                for found in path.parent.glob(pattern)
            }
            assert not data_file or path in named or (subpackage and path in beside)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Names in a wheel of a copy of this tree, with a small model to be shipped."""
    copy = tmp_path_factory.mktemp("wheel") / "copy"
    kept = shutil.ignore_patterns("__pycache__", "shipped")
    for package in ("deeplab2_tf", "egic", "hific"):
        shutil.copytree(ROOT / package, copy / package, ignore=kept)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    model = copy / "egic" / "shipped" / default_model.PATH.name
    for name in ("manifest.json", "weights.safetensors", "conformance/a.png"):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text("{}")
    build = "from setuptools import build_meta; build_meta.build_wheel('.')"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", build],
        check=True,
        cwd=copy,
        capture_output=True,
    )
    (path,) = copy.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return copy, set(archive.namelist())


def test_a_wheel_holds_the_model_and_all_other_data(wheel):
    copy, names = wheel
    own = f"egic/shipped/{default_model.PATH.name}"
    assert f"{own}/weights.safetensors" in names
    assert f"{own}/conformance/a.png" in names
    for package in ("deeplab2_tf", "egic", "hific"):
        wanted = {
            path.relative_to(copy).as_posix()
            for path in (copy / package).rglob("*")
            if path.is_file()
        }
        assert wanted - names == set()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if "dist-info" not in name} == {
        "deeplab2_tf",
        "egic",
        "hific",
    }
