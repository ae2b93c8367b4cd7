"""Reads every import of the project and fails on an upward or circular one."""

import ast
import collections
import graphlib
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Package -> the packages of ours it may import. Root scripts and tools may import all
# that is installed, and nothing imports root scripts or tools.
MAY_IMPORT = {
    "deeplab2_tf": {"deeplab2_tf"},
    "hific": {"hific"},
    "egic": {"deeplab2_tf", "egic", "hific"},
    "trials": {"deeplab2_tf", "egic", "hific", "trials"},
    "drawings": {"deeplab2_tf", "drawings", "egic", "hific"},
}
INSTALLED = {"deeplab2_tf", "egic", "hific"}
SAYS_NOTHING = {"base", "common", "helpers", "misc", "utils"}

# Modules that a command without any computing imports.
WITHOUT_TENSORFLOW = (
    "hific",
    "hific.bitstream",
    "hific.bundle",
    "hific.config",
    "hific.errors",
    "egic",
    "egic.cli",
    "egic.config",
    "egic.default_model",
    "egic.doctor",
)


def violations(root: pathlib.Path) -> list[str]:
    """Returns one line per broken rule in the project under `root`."""
    modules = _modules(root)
    found = []
    graph = collections.defaultdict(set)
    for name, path in sorted(modules.items()):
        if name.rpartition(".")[2] in SAYS_NOTHING:
            found.append(f"{name}: the name says nothing about what lives in it")
        tree = ast.parse(path.read_text(), str(path))
        for node in ast.walk(tree):
            for target in _targets(node, modules):
                if target is None:
                    found.append(f"{name}:{node.lineno}: relative import")
                elif not _allowed(name, target, modules):
                    found.append(f"{name}:{node.lineno}: may not import {target}")
        for node in _at_module_level(tree):
            graph[name].update(
                target
                for target in _targets(node, modules)
                if target in modules and target != name
            )
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found.append("circular import: " + " <- ".join(error.args[1]))
    return found


def _modules(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns dotted name -> file of packages, root scripts and tools."""
    files = [*root.glob("*.py"), *root.glob("tools/**/*.py")]
    for package in MAY_IMPORT:
        files += (root / package).rglob("*.py")
    modules = {}
    for path in files:
        parts = path.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def _targets(node: ast.AST, modules) -> list[str | None]:
    """Returns the modules one statement imports; None stands for a relative import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level:
        return [None]
    inside = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name if name in modules else node.module for name in inside]


def _allowed(importer: str, target: str, modules) -> bool:
    room, wanted = importer.split(".")[0], target.split(".")[0]
    ours = set(MAY_IMPORT) | {name.split(".")[0] for name in modules}
    return wanted not in ours or wanted in MAY_IMPORT.get(room, INSTALLED)


def _at_module_level(node: ast.AST):
    """Yields the statements that run while a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _at_module_level(child)


def test_the_project_keeps_its_layers():
    assert violations(ROOT) == []


def test_commands_without_computing_start_without_tensorflow():
    code = f"import sys, {', '.join(WITHOUT_TENSORFLOW)}; print(*sorted(sys.modules))"
    output = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
    heavy = {"tensorflow", "keras", "tensorflow_compression"}
    assert heavy.isdisjoint(output.split())


def _plant(root: pathlib.Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return violations(root)


@pytest.mark.parametrize(
    "files, complaint",
    [
        ({"hific/a.py": "from egic import charm"}, "hific.a:1: may not import egic"),
        ({"hific/a.py": "import egic.charm"}, "hific.a:1: may not import egic.charm"),
        (
            {"hific/a.py": "def late():\n    import egic"},
            "hific.a:2: may not import egic",
        ),
        (
            {"deeplab2_tf/a.py": "import hific"},
            "deeplab2_tf.a:1: may not import hific",
        ),
        (
            {"egic/a.py": "import train", "train.py": ""},
            "egic.a:1: may not import train",
        ),
        (
            {"egic/a.py": "from trials import fuzz"},
            "egic.a:1: may not import trials",
        ),
        (
            {"one.py": "import trials.fuzz"},
            "one:1: may not import trials.fuzz",
        ),
        (
            {"one.py": "import two", "two.py": ""},
            "one:1: may not import two",
        ),
        ({"egic/a.py": "from . import b"}, "egic.a:1: relative import"),
        (
            {"hific/utils.py": ""},
            "hific.utils: the name says nothing about what lives in it",
        ),
        (
            {"hific/a.py": "import hific.b", "hific/b.py": "from hific import a"},
            "circular import: hific.a <- hific.b <- hific.a",
        ),
    ],
)
def test_a_planted_violation_is_found(tmp_path, files, complaint):
    assert _plant(tmp_path, files) == [complaint]


def test_what_is_allowed_is_not_reported(tmp_path):
    files = {
        "hific/__init__.py": "",
        "hific/a.py": "import numpy\nfrom hific import b",
        "hific/b.py": "def late():\n    from hific import a",
        "egic/__init__.py": "from hific.errors import CodecError",
        "egic/c.py": "import egic\nimport hific.a\nimport deeplab2_tf.labels",
        "train.py": "import egic\nimport hific",
        "tools/convert.py": "import hific.a",
        "trials/fuzz.py": "import egic\nimport hific.a\nfrom trials import cases",
        "trials/cases.py": "",
    }
    assert _plant(tmp_path, files) == []


@pytest.mark.parametrize("package", sorted(INSTALLED))
def test_tensorflow_is_quiet_whichever_package_comes_first(package):
    code = f"import os, {package}; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_CPP")}
    output = subprocess.check_output(
        [sys.executable, "-c", code], text=True, cwd=ROOT, env=environment
    )
    assert output == "3\n"
