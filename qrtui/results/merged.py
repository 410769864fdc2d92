"""Several reports taken together: every cell with the run it is from and the original it was compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from qrtui.models.precisions import PRECISIONS
from qrtui.results.families import KnownAs, known_as
from qrtui.results.provenance import Provenance
from qrtui.results.published import published_table
from qrtui.results.records import RunRecord
from qrtui.results.report import Report, ReportedCondition, corrected, make_report, summarize
from qrtui.results.store import Store

Strength = TypeVar("Strength")


class Part(msgspec.Struct, frozen=True):
    """One report with what it does not say itself: its run's name, and by model and data set the baseline."""

    report: Report
    name: str
    baselines: dict[tuple[str, str], str]

    @property
    def label(self) -> str:
        """`run 3`, or `the paper`."""
        return "the paper" if self.is_paper else f"run {self.report.run}"

    @property
    def title(self) -> str:
        """`run 3 (demo)`, or `the paper`."""
        return self.label if self.is_paper else f"{self.label} ({self.name})"

    @property
    def is_paper(self) -> bool:
        """Whether this is the published table and no run."""
        return self.report.run == "paper"


class Cell(msgspec.Struct, frozen=True):
    """A condition, the part it is from, and the precision of the original that it was compared with."""

    condition: ReportedCondition
    part: Part
    original: str

    @property
    def model(self) -> KnownAs:
        """Family and size."""
        return known_as(self.condition.model)

    @property
    def is_original(self) -> bool:
        """Whether this is the original itself and no quantized model."""
        return self.condition.precision == self.original

    @property
    def key(self) -> tuple[KnownAs, str, str, str, str]:
        """What makes two cells the same: model, precision and that of its original, data set, perturbation."""
        condition = self.condition
        return self.model, condition.precision, self.original, condition.dataset, condition.perturbation


class Merged(msgspec.Struct, frozen=True):
    """Every cell once, in the order of its first appearance, and how many of each part gave way to a later run's."""

    parts: list[Part]
    cells: list[Cell]
    replaced: dict[str, int]

    @property
    def title(self) -> str:
        """The parts by their titles: `run 3 (demo), run 5 (noise)`."""
        return ", ".join(part.title for part in self.parts)

    @property
    def label(self) -> str:
        """The parts in short: `run 3, run 5`."""
        return ", ".join(part.label for part in self.parts)

    @property
    def together(self) -> list[Cell]:
        """The cells as tables list them: those of one model and data set behind one another."""
        places = list(dict.fromkeys((cell.model, cell.condition.dataset) for cell in self.cells))
        return sorted(self.cells, key=lambda cell: places.index((cell.model, cell.condition.dataset)))

    @property
    def rule(self) -> str:
        """One sentence on the cells that several runs hold, empty where none is."""
        if not self.replaced:
            return ""
        counts = ", ".join(f"{count} of {title}" for title, count in self.replaced.items())
        return (
            f"Where runs hold the same cell, the latest run that has results counts; left out are {counts}. Drops and"
            " RRS are from within one run."
        )

    @property
    def how(self) -> dict[str, Any]:
        """How several runs became one report, as plain values: the rule, what it left out, what repeats each run."""
        repeat = msgspec.to_builtins(self.repeat)
        return {"rule": self.rule, "replaced": self.replaced, "repeat": repeat}

    @property
    def repeat(self) -> dict[str, Provenance]:
        """By `run 3`: what it takes to repeat it."""
        return {part.label: part.report.repeat for part in self.parts if part.report.repeat}


def run_part(store: Store, run: RunRecord) -> Part:
    """A run as it stands in the store."""
    report = make_report(store, run)
    return Part(report, run.name, {(c.model, c.dataset): c.precision for c in report.conditions if c.is_baseline})


def paper_part() -> Part:
    """The published Table I."""
    return Part(published_table(), "paper", {})


def merge(parts: Sequence[Part]) -> Merged:
    """The cells of all parts; of the same cell in several runs the latest that has results stays."""
    kept: dict[object, Cell] = {}
    replaced: Counter[str] = Counter()
    for part in sorted(parts, key=_age):
        for cell in _cells(part):
            before = kept.get(cell.key)
            if before is None or cell.condition.n or not before.condition.n:
                kept[cell.key] = cell
            if before is not None:
                replaced[(before if kept[cell.key] is cell else cell).part.title] += 1
    return Merged(list(parts), list(kept.values()), dict(replaced))


def merged_report(merged: Merged) -> Report:
    """The parts as one report in the shape of each; `run` and `status` name them all, and Holm corrects over all rows.

    What it takes to repeat several runs is in their own reports, not in this one.
    """
    if len(merged.parts) == 1:
        return merged.parts[0].report
    reports = [part.report for part in merged.parts]
    latest_last = [part.report for part in sorted(merged.parts, key=_age)]
    conditions = corrected([cell.condition for cell in merged.together])
    return msgspec.structs.replace(
        latest_last[-1],
        run=", ".join(str(report.run) for report in reports),
        status=", ".join(dict.fromkeys(report.status for report in reports)),
        conditions=conditions,
        summary=summarize(conditions),
        attacks=_each_once(
            [row for r in latest_last for row in r.attacks], lambda row: (row.dataset, row.perturbation)
        ),
        noise=_each_once(
            [row for r in latest_last for row in r.noise],
            lambda row: (known_as(row.model), row.precision, row.perturbation),
        ),
        repeat=None,
    )


def precision_place(precision: str) -> int:
    """Where a precision stands among the others: as in the list of recipes, unknown ones last."""
    names = list(PRECISIONS)
    return names.index(precision) if precision in names else len(names)


def _age(part: Part) -> int:
    return part.report.run if isinstance(part.report.run, int) else 0


def _cells(part: Part) -> list[Cell]:
    return [
        Cell(condition, part, part.baselines.get((condition.model, condition.dataset), ""))
        for condition in part.report.conditions
    ]


def _each_once(rows: Sequence[Strength], key: Callable[[Strength], object]) -> list[Strength]:
    """The last row of each key, in the order of first appearance."""
    return list({key(row): row for row in rows}.values())
