"""Where original and quantized part ways: every task that one of the two passes alone, with what each wrote."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from qrtui.perturb.naming import perturbation_name
from qrtui.printable import json_text
from qrtui.results.case import case_markdown, case_text
from qrtui.results.records import Case, ConditionRecord, RunRecord
from qrtui.results.store import Store
from qrtui.results.table import Cells, by_condition_of, has_passed
from qrtui.tasks.datasets import scored_by_plus

CaseForm = Literal["text", "md", "json"]


class PartedCase(msgspec.Struct, frozen=True, kw_only=True):
    """One task that `wins` passes, under one perturbation, and the other does not.

    `original` and `quantized` hold prompt, completion and verdict of each: the first sample that passes of the winner
    and the first that does not of the other. Where there are several samples, the winner is who passes more of them.
    """

    wins: Literal["original", "quantized"]
    original: Case
    quantized: Case

    @property
    def condition(self) -> ConditionRecord:
        """The quantized model's condition."""
        return self.quantized.condition


def case_list(store: Store, run: RunRecord) -> list[PartedCase]:
    """All such cases of a run, clean ones too, in the order of its conditions and, in each, of its tasks."""
    conditions = store.conditions(run.id)
    cells = Cells(conditions, by_condition_of(store.outcomes(run.id)))
    wins = [(condition, task, winner) for condition in conditions for task, winner in _wins(condition, cells)]
    known = {task: store.cases(run.id, task) for task in dict.fromkeys(task for _, task, _ in wins)}
    return [_parted(condition, known[task], winner) for condition, task, winner in wins]


def write_case_list(run: RunRecord, cases: Sequence[PartedCase], form: CaseForm, most: int | None = None) -> str:
    """The cases as text, Markdown or JSON, ending in a newline: first how many there are and where, then each.

    All are counted; with `most`, no more than so many are written out.
    """
    if form == "json":
        listed = {"run": run.id, "name": run.name, "cases": [_plain(case) for case in cases[:most]]}
        return json_text(listed)
    parts = [f"{'# ' if form == 'md' else ''}Where original and quantized part ways: run {run.id} ({run.name})"]
    if not cases:
        parts.append("Nowhere: there is no task that one of the two passes and the other does not.")
    parts.append("\n".join(("- " if form == "md" else "") + line for line in _counts(cases)))
    if most is not None and most < len(cases):
        parts.append(f"The first {most} of {len(cases)} cases:")
    parts += [_written(run, case, form) for case in cases[:most]]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _wins(condition: ConditionRecord, cells: Cells) -> Iterator[tuple[str, Literal["original", "quantized"]]]:
    """The tasks on which a quantized model's condition and the original's differ, and who passes."""
    if condition.is_baseline:
        return
    own, original = cells.own(condition), cells.original(condition)
    for task, score in own.items():
        if task in original and original[task] != score:
            yield task, "quantized" if score > original[task] else "original"


def _parted(condition: ConditionRecord, cases: Sequence[Case], wins: Literal["original", "quantized"]) -> PartedCase:
    where = (condition.model, condition.dataset, condition.perturbation)
    same = [c for c in cases if (c.condition.model, c.condition.dataset, c.condition.perturbation) == where]
    original = [case for case in same if case.condition.is_baseline]
    quantized = [case for case in same if case.condition.id == condition.id]
    return PartedCase(
        wins=wins,
        original=_first(original, passed=wins == "original"),
        quantized=_first(quantized, passed=wins == "quantized"),
    )


def _first(samples: Sequence[Case], *, passed: bool) -> Case:
    """The first judged sample that passed, or that did not."""
    return next(
        case
        for case in samples
        if case.base is not None and has_passed(case, plus=scored_by_plus(case.condition.dataset)) == passed
    )


def _counts(cases: Sequence[PartedCase]) -> list[str]:
    """A line for each condition: who passes how many tasks alone."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        c = case.condition
        found[f"{c.model} {c.precision}, {c.dataset}, {perturbation_name(c.perturbation)}"][case.wins] += 1
    return [
        f"{where}: {sides['original']} only the original passes, {sides['quantized']} only the quantized"
        for where, sides in found.items()
    ]


def _written(run: RunRecord, case: PartedCase, form: CaseForm) -> str:
    both = [case.original, case.quantized]
    perturbation = perturbation_name(case.condition.perturbation)
    said = f"{case.condition.precision}, {perturbation}: only the {case.wins} model passes"
    if form == "md":
        return f"## {said}\n\n{_deeper(case_markdown(run, case.quantized.task, both))}"
    return f"{said}\n{case_text(run, case.quantized.task, both)}"


def _deeper(markdown: str) -> str:
    """The text with every heading two levels deeper; a `#` within code is none."""
    lines, fence = [], ""
    for line in markdown.splitlines():
        opened = _FENCE.match(line)
        if fence:
            fence = "" if line == fence else fence
        elif opened:
            fence = opened.group()
        elif line.startswith("#"):
            line = "##" + line
        lines.append(line)
    return "\n".join(lines)


_FENCE = re.compile("`{3,}")


def _plain(case: PartedCase) -> dict[str, Any]:
    condition = case.condition
    return {
        "model": condition.model,
        "dataset": condition.dataset,
        "baseline": case.original.condition.precision,
        "precision": condition.precision,
        "perturbation": condition.perturbation,
        "task": case.quantized.task,
        "wins": case.wins,
        "prompt": case.quantized.prompt,
        "original": _side(case.original),
        "quantized": _side(case.quantized),
    }


def _side(case: Case) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(case)
    return {key: value for key, value in fields.items() if key not in ("condition", "task", "prompt")}
