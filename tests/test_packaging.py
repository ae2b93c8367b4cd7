"""What setup.cfg promises is what the code imports and constraints.txt pins."""

import ast
import configparser
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Where the name to import is not that of the distribution.
DISTRIBUTION = {
    "PIL": "pillow",
    "absl": "absl-py",
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
    # demo.py shows a picture that ships with scikit-image.
    assert _required_by_importing() - core - (dev & {"scikit-image"}) == set()


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
        assert package in ("tests", "trials") or f"{package}*" in patterns


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
