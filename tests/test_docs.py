"""The documents tell the truth: their commands exist, examples give what they show, links lead somewhere."""

from __future__ import annotations

import contextlib
import doctest
import functools
import importlib
import io
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import pytest

from qrtui.cli import cli
from qrtui.errors import AttackError, PresetError
from qrtui.generate.settings import Generation
from qrtui.presets import load_preset, preset_names
from qrtui.results.exchange.importing import import_run
from qrtui.results.store import Store
from qrtui.spec import Experiment, ModelChoice, NoiseGrid, Precisions, TaskSelection

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

OF_RUNS = frozenset({"chart", "compare", "export", "report", "runs"})
RUN = frozenset({"attack", "plan"}) | OF_RUNS
"""Commands whose examples are run here: the others want a model, a judge, a network or a person.

Those about runs get the runs that the page names in a comment, `<!-- recorded: NAME -->`: the folders of
`tests/recorded/NAME`, written by `qrtui export`, in their order.
"""


class Example(NamedTuple):
    """A command as a page writes it, and the output shown below it (empty where none is shown)."""

    page: Path
    line: int
    command: str
    shown: list[str]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


class Block(NamedTuple):
    """A fenced or indented block: its language, the number of its first line, its lines."""

    language: str
    line: int
    lines: list[str]


def blocks(page: Path) -> Iterator[Block]:
    """The code blocks of a page."""
    lines = page.read_text(encoding="utf-8").split("\n")
    at = 0
    while at < len(lines):
        fence = re.match(r" *```(\w*)$", lines[at])
        start = at + 1
        if fence:
            at = next(end for end in range(start, len(lines)) if lines[end].strip() == "```")
            yield Block(fence[1], start + 1, lines[start:at])
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield Block("", at + 1, [line[4:] for line in lines[at:end]])
            at = end - 1
        at += 1


def examples(page: Path) -> Iterator[Example]:
    """The `qrtui` commands of a page's blocks; one written after `$ ` comes with the output below it."""
    for block in blocks(page):
        if block.language in ("", "console", "sh"):
            yield from _examples(page, block)


def _examples(page: Path, block: Block) -> Iterator[Example]:
    at = 0
    while at < len(block.lines):
        line, number = block.lines[at].rstrip(), block.line + at
        at += 1
        prompt, command = re.fullmatch(r"(\$ )?(.*)", line).groups()
        if not re.match(r"qrtui( |$)", command):
            continue
        while command.endswith("\\"):
            command = command[:-1] + block.lines[at].strip()
            at += 1
        shown = []
        while prompt and at < len(block.lines) and not block.lines[at].startswith("$ "):
            shown.append(block.lines[at].rstrip())
            at += 1
        yield Example(page, number, re.split(r"   +|  # ", command)[0].rstrip(), shown)


def mentions(page: Path) -> Iterator[str]:
    """Every command that a page names, in blocks and in running text, or that a preset's comment names."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".toml":
        for command in re.findall(r"^#\s+(qrtui (?:.*\\\n)*.*)", text, re.MULTILINE):
            yield re.split(r"   +", re.sub(r"\\\n#\s*", "", command))[0]
        return
    for example in examples(page):
        yield example.command
    code = {line for block in blocks(page) for line in range(block.line - 1, block.line + len(block.lines) + 1)}
    lines = [line for number, line in enumerate(text.split("\n"), 1) if number not in code]
    running = "\n".join(lines).replace("\\|", "|")
    for quoted in re.findall(r"`([^`]+)`", running):
        word = quoted.split()[0] if quoted.strip() else ""
        if word == "qrtui" or (" " in quoted and word in cli.commands):
            yield " ".join(quoted.removeprefix("qrtui").split())


EXAMPLES = [example for page in PAGES for example in examples(page)]
SHOWN = [example for example in EXAMPLES if any(example.shown)]
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "qrtui").rglob("*.py"))
    if re.search(r"^ *>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
]
"""The modules in whose docstrings an example stands."""


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "presets").glob("*.toml"))], ids=lambda page: page.name)
def test_every_command_and_option_that_a_page_names_exists(page):
    wrong = [f"{mention}: {problem}" for mention in mentions(page) for problem in _problems(mention)]
    assert wrong == []


def _problems(mention: str) -> Iterator[str]:
    """What is wrong with a command line, which may be written as usage: `qrtui run PRESET [--limit N]`."""
    context = click.Context(cli, info_name="qrtui")
    words = [word for word in re.split(r"[\s\[\]|()]+", mention.removeprefix("qrtui")) if word]
    options = {name for parameter in cli.get_params(context) for name in parameter.opts}
    while words and words[0].startswith("-"):
        if words.pop(0) in ("--db",):
            words.pop(0)
    if words and words[0] != "·":
        command = cli.get_command(context, words[0])
        if command is None:
            yield f"no command {words[0]}"
            return
        options |= {
            name for parameter in command.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)
        }
        if words[0] in ("run", "plan") and words[1:]:
            preset = words[1]
            if preset in preset_names():
                yield from _changes_of(preset, mention)
            elif not (preset.isupper() or preset.endswith(".toml")):
                yield f"no preset {preset}"
    for option in re.findall(r"(?<![\w-])(--[a-z][\w-]*|-[a-z])(?=[\s\]=`]|$)", _unquoted(mention)):
        if option not in options | {"--help"}:
            yield f"no option {option}"


def _changes_of(preset: str, mention: str) -> Iterator[str]:
    """Whether a preset takes the changes that a command line makes to it."""
    if "[--" in mention:
        return
    changes = tuple(change for _, change in re.findall(r"--set ('?)(.+?)\1(?= --|$)", mention))
    try:
        load_preset(preset, changes)
    except PresetError as error:
        yield str(error)


def _unquoted(command: str) -> str:
    return re.sub(r"'[^']*'|\"[^\"]*\"", "''", command)


@pytest.mark.parametrize("example", SHOWN, ids=str)
def test_examples_give_what_the_pages_show(example, databases, tmp_path, monkeypatch):
    arguments = shlex.split(example.command)[1:]
    recorded = re.search(r"<!-- recorded: (\w[\w-]*) -->", example.page.read_text(encoding="utf-8"))
    if arguments[0] not in RUN or (arguments[0] in OF_RUNS and not recorded):
        pytest.skip("wants a model, a judge, or a run that is not recorded")
    monkeypatch.setenv("QRTUI_DB", str(databases(recorded[1])) if recorded and arguments[0] in OF_RUNS else "new.db")
    monkeypatch.setattr("qrtui.models.device.cuda_devices", lambda: 0)
    # As where there is no terminal, whatever the tests themselves run in.
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback=(80, 24): os.terminal_size(fallback))
    monkeypatch.chdir(tmp_path)
    at, printed = 0, run_command(arguments)
    for line in filter(str.strip, example.shown):
        if line.strip() != "...":
            assert line in printed[at:], f"not in the output (after its line {at}): {line!r}\n" + "\n".join(printed)
            at = printed.index(line, at) + 1


def run_command(arguments: list[str]) -> list[str]:
    """The lines that a command prints, as in a pipe."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            cli.main(arguments, prog_name="qrtui", standalone_mode=False)
    except AttackError as error:
        pytest.skip(f"language data is not here: {error}")
    return [line.rstrip() for line in out.getvalue().split("\n")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_hold(page):
    failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings_hold(module):
    tried = doctest.testmod(importlib.import_module(module))
    assert (tried.failed, tried.attempted > 0) == (0, True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_presets_written_out_are_valid(page, tmp_path):
    for at, block in enumerate(blocks(page)):
        if block.language == "toml" and "[[models]]" in block.lines:
            path = tmp_path / f"{at}.toml"
            path.write_text("\n".join(block.lines))
            load_preset(str(path))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_named_files_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        other = page.parent / target if target else page
        assert other.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in _anchors(other), f"{page.name} links to {target}#{anchor}"
    for name in re.findall(r"`((?:qrtui|tests|docs|benchmarks|data|presets)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_table_of_a_presets_keys_has_all_of_them_with_their_defaults():
    rows = re.findall(
        r"^\| `([\w.]+)` \| (.+?) \| .+ \|$", (ROOT / "docs" / "settings.md").read_text(encoding="utf-8"), re.M
    )
    told = dict(rows[[key for key, _ in rows].index("name") :])
    assert list(told) == [*_keys(Experiment)]
    for key, default in _keys(Experiment).items():
        if default not in ((), "", None, msgspec.NODEFAULT):
            assert tomllib.loads(f"value = {told[key].strip('`')}")["value"] in (default, [*_listed(default)]), key
        else:
            assert "`" not in told[key], key


def _keys(table: type, before: str = "") -> dict[str, object]:
    """Every key of a preset with its default, those of its tables included."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(table):
        tables = {"models": ModelChoice, "precisions": Precisions, "tasks": TaskSelection, "noise": NoiseGrid}
        inner = {**tables, "generation": Generation}.get(field.name) if not before else None
        found |= _keys(inner, f"{field.name}.") if inner else {f"{before}{field.name}": field.default}
    return found


def _listed(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def test_every_preset_is_spoken_of():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in preset_names() if f"qrtui run {name}" not in text and f"qrtui {name}" not in text] == []


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A database with the recorded runs of a name. Not to be written to."""

    @functools.cache
    def made(name: str) -> Path:
        path = tmp_path_factory.mktemp(name) / "qrtui.db"
        with Store(path) as store:
            for folder in sorted((ROOT / "tests" / "recorded" / name).iterdir()):
                import_run(store, folder)
        return path

    return made
