"""One task of a run, original beside quantized: what `compare` prints and what is exported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from qrtui.counting import counted
from qrtui.perturb.naming import perturbation_name
from qrtui.printable import one_line, printable
from qrtui.results.columns import deciding
from qrtui.results.differences import changed_words
from qrtui.results.grid import markdown_row
from qrtui.results.records import Case, RunRecord
from qrtui.tasks.datasets import scored_by_plus

_MOST_WORDS = 12
_LONGEST_STEM = 80
_CLEAN = "clean"


def case_markdown(run: RunRecord, task: str, cases: Sequence[Case]) -> str:
    """A task as Markdown: the verdicts in a table, then prompts, programs, and what failed."""
    parts = [f"# {_heading(run, task)}", ""]
    for model, mine in _by_model(cases):
        head, *rows = _overview(model, mine)
        parts += [markdown_row(head), markdown_row(["---"] * len(head)), *map(markdown_row, rows), ""]
    for kinds, sharing in _by_prompt(cases):
        parts += [f"## Prompt: {kinds}", "", *_fenced(sharing[0].prompt), ""]
        changed = _changes_in_words(sharing[0], cases, shown=_inline_code)
        parts += [changed, ""] if changed else []
        for case in sharing:
            parts += [f"### {_title(case)}", "", *_verdict_lines(case), *_program(case), ""]
    return printable("\n".join(parts).rstrip() + "\n")


def case_text(run: RunRecord, task: str, cases: Sequence[Case]) -> str:
    """The same as plain text for a terminal."""
    parts = [_heading(run, task), ""]
    for model, mine in _by_model(cases):
        table = _overview(model, mine)
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        parts += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        parts.append("")
    for kinds, sharing in _by_prompt(cases):
        changed = _changes_in_words(sharing[0], cases, shown=str)
        parts += [f"Prompt: {kinds}", *_indented(sharing[0].prompt), *_indented(changed), ""]
        for case in sharing:
            parts += [
                _title(case),
                *_indented("\n".join(_verdict_lines(case, code=False))),
                *_indented(case.solution or "(no completion yet)"),
                "",
            ]
    return printable("\n".join(parts).rstrip() + "\n")


def case_json(run: RunRecord, task: str, cases: Sequence[Case]) -> dict[str, Any]:
    """The same as plain values; `changed` has, by perturbation, the words before and after."""
    clean = _clean_prompts(cases)
    changed = {
        case.condition.perturbation: changed_words(clean[case.condition.dataset], case.prompt)
        for case in cases
        if case.condition.dataset in clean
    }
    return {
        "run": run.id,
        "task": task,
        "changed": {kind: [list(words) for words in found] for kind, found in changed.items()},
        "cases": [msgspec.to_builtins(case) for case in cases],
    }


def case_file_stem(run: int, task: str) -> str:
    """A file's name without its ending, whatever the task's id holds: letters, digits, `-`, `_` and inner dots.

    >>> case_file_stem(7, "../../etc/passwd"), case_file_stem(7, "HumanEval/53")
    ('qrtui-run7-etc-passwd', 'qrtui-run7-HumanEval-53')
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", task)
    safe = re.sub(r"\.{2,}", ".", safe).strip(".-")
    return f"qrtui-run{run}-{safe or 'task'}"[:_LONGEST_STEM]


def deciding_status(case: Case) -> str | None:
    """The status that decides whether the task counts as passed."""
    return deciding(case.base, case.plus, plus=scored_by_plus(case.condition.dataset))


def samples_in_words(case: Case, samples: Sequence[Case]) -> str:
    """Which of several samples this is and how they fared: `sample 2 of 5, 3 passed`."""
    passed = sum(deciding_status(sample) == "passed" for sample in samples)
    unjudged = sum(sample.base is None for sample in samples)
    waiting = f", {unjudged} not judged yet" if unjudged else ""
    return f"sample {case.sample + 1} of {len(samples)}, {passed} passed{waiting}"


_MARKS = {"passed": "✓", None: "·"}


def _heading(run: RunRecord, task: str) -> str:
    return one_line(f"{task} in run {run.id} ({run.name})")


def _by_model(cases: Sequence[Case]) -> list[tuple[str, list[Case]]]:
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.condition.model, case.condition.dataset), []).append(case)
    several = len({dataset for _, dataset in groups}) > 1
    return [(f"{model}, {dataset}" if several else model, found) for (model, dataset), found in groups.items()]


def _overview(model: str, cases: Sequence[Case]) -> list[list[str]]:
    """A head and a row for each perturbation: a verdict under each precision, and what became of the prompt."""
    precisions = {c.condition.precision: c.condition.is_baseline for c in cases}
    cells: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        cells.setdefault((case.condition.perturbation, case.condition.precision), []).append(case)
    kinds = {case.condition.perturbation: case for case in cases}
    head = [model, *(f"{name} ({'original' if base else 'quantized'})" for name, base in precisions.items()), "prompt"]
    return [
        head,
        *(
            [
                perturbation_name(kind),
                *(_verdict(cells.get((kind, precision), [])) for precision in precisions),
                _fate(case, cases),
            ]
            for kind, case in kinds.items()
        ),
    ]


def _verdict(samples: Sequence[Case]) -> str:
    if len(samples) > 1:
        return f"{sum(deciding_status(sample) == 'passed' for sample in samples)} of {len(samples)} passed"
    status = deciding_status(samples[0]) if samples else None
    return f"{_MARKS.get(status, '✗')} {status or 'not judged yet'}"


def _fate(case: Case, cases: Sequence[Case]) -> str:
    clean = _clean_prompts(cases).get(case.condition.dataset)
    if clean is None or case.condition.perturbation == _CLEAN:
        return ""
    return "unchanged" if clean == case.prompt else "changed"


def _clean_prompts(cases: Sequence[Case]) -> dict[str, str]:
    return {case.condition.dataset: case.prompt for case in cases if case.condition.perturbation == _CLEAN}


def _changes_in_words(case: Case, cases: Sequence[Case], *, shown: Any) -> str:
    """`Changed: vowels → voweLs, a removed`; nothing where nothing is, or where there is no clean prompt."""
    clean = _clean_prompts(cases).get(case.condition.dataset)
    found = changed_words(clean, case.prompt) if clean is not None else []
    words = []
    for before, after in found[:_MOST_WORDS]:
        old, new = (shown(" ".join(text.split())) for text in (before, after))
        words.append(f"{old} → {new}" if before and after else f"{old} removed" if before else f"{new} added")
    more = f" and {len(found) - _MOST_WORDS} more" if len(found) > _MOST_WORDS else ""
    return f"Changed: {', '.join(words)}{more}" if words else ""


def _by_prompt(cases: Sequence[Case]) -> list[tuple[str, list[Case]]]:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.prompt, []).append(case)
    return [
        (", ".join(dict.fromkeys(perturbation_name(case.condition.perturbation) for case in sharing)), sharing)
        for sharing in groups.values()
    ]


def _title(case: Case) -> str:
    kind = "original" if case.condition.is_baseline else "quantized"
    sample = f", sample {case.sample + 1}" if case.sample else ""
    perturbation = perturbation_name(case.condition.perturbation)
    return one_line(f"{case.condition.model} {case.condition.precision} ({kind}), {perturbation}{sample}")


def _verdict_lines(case: Case, *, code: bool = True) -> list[str]:
    shown = _inline_code if code else str
    verdict = f"{_MARKS.get(case.base, '✗')} {case.base or 'not judged yet'}"
    if case.plus is not None:
        verdict += f", with the added tests {'too' if case.plus == case.base else case.plus}"
    cost = ""
    if case.tokens is not None and case.seconds is not None:
        cost = f", {counted(case.tokens, 'token')}, {case.seconds:.1f} s"
    ended = {"length": ", cut off at the token limit", "nan": ", the model gave no finite numbers"}
    lines = [verdict + cost + ended.get(case.finish or "", "")]
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
    line = " ".join(text.splitlines())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", line)), default=0) + 1)
    pad = " " if "`" in line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _fenced(code: str) -> list[str]:
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}python", code.strip("\n"), fence]


def _indented(text: str) -> list[str]:
    return [f"    {line}".rstrip() for line in text.strip("\n").splitlines()]
