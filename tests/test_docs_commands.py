"""Commands in the documents have flags, presets and fields that exist."""

import functools
import importlib
import pathlib
import re
import shlex

import pytest

from egic.cluster.stages import STAGES

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
PROGRAM = re.compile(r"python \S+\.py|python -m \S+|(\.venv/bin/)?egic [a-z]")


@functools.cache
def text_of(path):
    return path.read_text()


def commands(page):
    """The program and the arguments of every command in code, lines joined."""
    text = text_of(page)
    blocks = re.findall(r"^```(?:bash)?\n(.*?)^```$", text, re.S | re.M)
    blocks += re.findall(r"(?:^(?: {4}.*)?\n)+", text, re.M)
    for block in blocks:
        for line in re.sub(r"\\\n", " ", block).splitlines():
            line = line.strip()
            if PROGRAM.match(line):
                words = shlex.split(re.sub(r"(^| )#.*| [&>|].*|\[.*", "", line))
                yield from _with_the_program_of_a_job(words)


def _with_the_program_of_a_job(words):
    """A command, and where it makes a job of another one, that one."""
    end = words.index("--") if "--" in words else len(words)
    yield words[:end]
    stages = [word.partition("=")[2] for word in words if word.startswith("--stage=")]
    if end < len(words) and stages:
        yield ["python", *STAGES[stages[0]].program, *words[end + 1 :]]


@functools.cache
def flags_in(path, follow=True):
    """Flags that a file defines, and those of the modules of ours it imports."""
    text = text_of(path)
    found = set(re.findall(r"DEFINE_\w+\(\s*f?\"(?:{prefix})?(\w+)\"", text))
    found |= set(re.findall(r"\"--([\w-]+)\"", text))
    for package, names in re.findall(
        r"^from ((?:egic|hific|deeplab2_tf)[\w.]*) import ([^(\n]+|\([^)]+)", text, re.M
    ):
        for name in ["", *re.findall(r"\w+", names)]:
            module = ROOT / f"{package}.{name}".rstrip(".").replace(".", "/")
            if follow and module.with_suffix(".py").exists():
                found |= flags_in(module.with_suffix(".py"), follow=False)
    return found


def source_of(arguments):
    """The file whose flags a command takes."""
    if arguments[0].endswith("egic"):
        return ROOT / "egic" / "cli.py"
    if arguments[1] == "-m":
        module = ROOT / arguments[2].replace(".", "/")
        return module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
    return ROOT / arguments[1]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_in_the_documents_have_flags_that_exist(page):
    for arguments in commands(page):
        source = source_of(arguments)
        assert source.exists(), arguments
        for argument in arguments:
            flag = re.match(r"--(\w+)", argument)
            if flag and not argument.startswith("--config."):
                known = flags_in(source)
                name = flag.group(1)
                plain = re.sub("^(no|val_)", "", name)
                assert {name, plain} & known, f"{page.name}: {argument}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_presets_and_fields_in_commands_exist(page):
    for arguments in commands(page):
        config = None
        for argument in arguments:
            if preset := re.fullmatch(r"--config=(\S+)\.py:([\w.-]+)", argument):
                module = importlib.import_module(preset.group(1).replace("/", "."))
                config = module.get_config(preset.group(2))
            field = re.match(r"--config\.([\w.]+)=", argument)
            if field and config is not None and "pyramid" not in argument:
                functools.reduce(getattr, field.group(1).split("."), config)
