"""A run seen task by task: which conditions passed, and where original and quantized diverge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from qrtui.results.records import ConditionRecord, Outcome
from qrtui.results.table import has_passed
from qrtui.tasks.datasets import scored_by_plus

Filter = Literal["all", "diverging", "quantized wins", "original wins"]
FILTERS: tuple[Filter, ...] = get_args(Filter)


class TaskKey(NamedTuple):
    """A task of a run; the same id may be in two data sets."""

    dataset: str
    task: str


class Pair(NamedTuple):
    """The two conditions that are compared: the baseline's and a quantized precision's, under one perturbation."""

    model: str
    quantized: str
    perturbation: str


class Cell(NamedTuple):
    """One task under one condition: the status that decides, and whether it counts as passed (None: not judged)."""

    status: str | None
    passed: bool | None


_UNKNOWN = Cell(None, None)


class Comparison:
    """The grid of a run: tasks x conditions, with the questions that the Compare screen asks of it."""

    def __init__(self, conditions: Sequence[ConditionRecord], outcomes: Iterable[Outcome]) -> None:
        self.models = _distinct(condition.model for condition in conditions)
        self.perturbations = _distinct(condition.perturbation for condition in conditions)
        self.baselines = {c.model: c.precision for c in conditions if c.is_baseline}
        self._quantized = {
            model: _distinct(c.precision for c in conditions if c.model == model and not c.is_baseline)
            for model in self.models
        }
        self._cells: dict[tuple[TaskKey, str, str, str], Cell] = {}
        by_id = {condition.id: condition for condition in conditions}
        tasks: dict[TaskKey, None] = {}
        for outcome in outcomes:
            condition = by_id[outcome.condition]
            key = TaskKey(condition.dataset, outcome.task)
            tasks.setdefault(key)
            place = (key, condition.model, condition.precision, condition.perturbation)
            self._cells[place] = _merged(self._cells.get(place), _cell(outcome, condition.dataset))
        self.tasks = list(tasks)

    def quantized(self, model: str) -> list[str]:
        """The precisions of a model that are compared with its baseline."""
        return self._quantized.get(model, [])

    def pairs(self) -> list[Pair]:
        """Every pair that can be compared, in the run's order."""
        return [
            Pair(model, quantized, perturbation)
            for model in self.models
            for perturbation in self.perturbations
            for quantized in self.quantized(model)
        ]

    def first_pair(self) -> Pair | None:
        """Where to begin: the first pair with a divergence, perturbed ones before clean ones; else the first of all."""
        pairs = self.pairs()
        perturbed_first = sorted(pairs, key=lambda pair: pair.perturbation == "clean")
        found = next((pair for pair in perturbed_first if any(self.diverges(task, pair) for task in self.tasks)), None)
        return found or next(iter(perturbed_first), None)

    def cell(self, task: TaskKey, model: str, precision: str, perturbation: str) -> Cell:
        """One task under one condition."""
        return self._cells.get((task, model, precision, perturbation), _UNKNOWN)

    def both(self, task: TaskKey, pair: Pair) -> tuple[Cell, Cell]:
        """A task's original and quantized cell."""
        baseline = self.baselines.get(pair.model, "")
        return (
            self.cell(task, pair.model, baseline, pair.perturbation),
            self.cell(task, pair.model, pair.quantized, pair.perturbation),
        )

    def diverges(self, task: TaskKey, pair: Pair) -> bool:
        """Whether one of the two passed and the other did not."""
        original, quantized = self.both(task, pair)
        return None not in (original.passed, quantized.passed) and original.passed != quantized.passed

    def keeps(self, task: TaskKey, pair: Pair, which: Filter) -> bool:
        """Whether a filter lets a task through."""
        if which == "all":
            return True
        if not self.diverges(task, pair):
            return False
        return which == "diverging" or (which == "quantized wins") == bool(self.both(task, pair)[1].passed)

    def listed(self, pair: Pair, which: Filter, search: str = "") -> list[TaskKey]:
        """The tasks that a filter and a search for part of their ids leave, in the run's order."""
        wanted = search.lower()
        return [task for task in self.tasks if wanted in task.task.lower() and self.keeps(task, pair, which)]

    def next_divergence(self, listed: Sequence[TaskKey], at: int, pair: Pair, step: int) -> int | None:
        """The index of the next (`step` 1) or previous (-1) task in `listed` that diverges, going round the end."""
        for distance in range(1, len(listed) + 1):
            index = (at + step * distance) % len(listed)
            if self.diverges(listed[index], pair):
                return index
        return None


def _cell(outcome: Outcome, dataset: str) -> Cell:
    if outcome.base is None:
        return _UNKNOWN
    plus = scored_by_plus(dataset)
    decides = outcome.plus if plus and outcome.base == "passed" and outcome.plus is not None else outcome.base
    return Cell(decides, has_passed(outcome, plus=plus))


def _merged(before: Cell | None, cell: Cell) -> Cell:
    # Of several samples, the first is the one shown; the task counts as passed where all of them did.
    if before is None or before.passed is None:
        return cell
    return before if not before.passed or cell.passed is None else cell


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
