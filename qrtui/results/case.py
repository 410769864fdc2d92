"""One task of a run, original beside quantized: what `compare` prints and what is exported."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from qrtui.results.records import Case, RunRecord


def case_markdown(run: RunRecord, task: str, cases: Sequence[Case]) -> str:
    """All that a run holds of a task, as Markdown: prompts, programs, verdicts, and what failed."""
    parts = [f"# {task} in run {run.id} ({run.name})", ""]
    for prompt, sharing in _by_prompt(cases):
        kinds = list(dict.fromkeys(case.condition.perturbation for case in sharing))
        parts += [f"## Prompt: {', '.join(kinds)}", "", *_fenced(prompt), ""]
        for case in sharing:
            parts += [f"### {_title(case)}", "", *_verdict_lines(case), *_program(case), ""]
    return printable("\n".join(parts).rstrip() + "\n")


def case_text(run: RunRecord, task: str, cases: Sequence[Case]) -> str:
    """The same as plain text for a terminal."""
    parts = [f"{task} in run {run.id} ({run.name})", ""]
    for prompt, sharing in _by_prompt(cases):
        kinds = list(dict.fromkeys(case.condition.perturbation for case in sharing))
        parts += [f"Prompt: {', '.join(kinds)}", *_indented(prompt), ""]
        for case in sharing:
            parts += [
                _title(case),
                *_indented("\n".join(_verdict_lines(case, code=False))),
                *_indented(case.solution or "(no completion yet)"),
                "",
            ]
    return printable("\n".join(parts).rstrip() + "\n")


def case_json(run: RunRecord, task: str, cases: Sequence[Case]) -> dict[str, Any]:
    """The same as plain values."""
    return {"run": run.id, "task": task, "cases": [msgspec.to_builtins(case) for case in cases]}


def differing_lines(original: str, quantized: str) -> tuple[set[int], set[int]]:
    """The 0-based lines of each text that the other does not have in that place."""
    left, right = original.splitlines(), quantized.splitlines()
    ours: set[int] = set()
    theirs: set[int] = set()
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag != "equal":
            ours.update(range(a, b))
            theirs.update(range(c, d))
    return ours, theirs


def printable(text: str) -> str:
    """The text with control characters made visible: what a model wrote must not drive the terminal.

    >>> printable("a\\x1b[31mb")
    'a␛[31mb'
    """
    return _CONTROL.sub(lambda match: chr(0x2400 + ord(match.group())) if ord(match.group()) < 0x20 else "\ufffd", text)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MARKS = {"passed": "✓", None: "·"}


def _by_prompt(cases: Sequence[Case]) -> list[tuple[str, list[Case]]]:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.prompt, []).append(case)
    return list(groups.items())


def _title(case: Case) -> str:
    kind = "original" if case.condition.is_baseline else "quantized"
    sample = f", sample {case.sample}" if case.sample else ""
    return f"{case.condition.model} {case.condition.precision} ({kind}), {case.condition.perturbation}{sample}"


def _verdict_lines(case: Case, *, code: bool = True) -> list[str]:
    shown = _inline_code if code else str
    verdict = f"{_MARKS.get(case.base, '✗')} {case.base or 'not judged yet'}"
    if case.plus is not None:
        verdict += f", with the added tests {case.plus}"
    cost = (
        f", {case.tokens} tokens, {case.seconds:.1f} s" if case.tokens is not None and case.seconds is not None else ""
    )
    lines = [verdict + cost]
    if case.failing_input:
        got = case.got if case.got is not None else case.error or "nothing"
        lines += [
            "",
            f"{shown(case.failing_input)}: expected {shown(case.expected or '')}, got {shown(got)}",
        ]
    elif case.error:
        lines += ["", shown(case.error)]
    return [*lines, ""] if code else [line for line in lines if line]


def _program(case: Case) -> list[str]:
    return _fenced(case.solution) if case.solution is not None else ["(no completion yet)"]


def _inline_code(text: str) -> str:
    """Markdown for a piece of code in a line, whatever backticks it holds."""
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _fenced(code: str) -> list[str]:
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}python", code.strip("\n"), fence]


def _indented(text: str) -> list[str]:
    return ["    " + line for line in text.strip("\n").splitlines()]
