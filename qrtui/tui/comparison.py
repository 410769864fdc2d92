"""A run seen task by task: which conditions passed, and where original and quantized diverge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Literal, NamedTuple, get_args

from qrtui.results.columns import UNKNOWN, Cell, Column, column_of
from qrtui.results.records import ConditionRecord, Outcome

Filter = Literal["all", "diverging", "quantized wins", "original wins", "errors", "unchanged prompts"]
FILTERS: tuple[Filter, ...] = get_args(Filter)
CLEAN = "clean"
Side = Literal["original", "quantized"]


class TaskKey(NamedTuple):
    """A task of a run; the same id may be in two data sets."""

    dataset: str
    task: str


class Pair(NamedTuple):
    """The two conditions that are compared: the baseline's and a quantized precision's, under one perturbation."""

    model: str
    quantized: str
    perturbation: str


class Comparison:
    """The grid of a run: tasks x conditions, with the questions that the Compare screen asks of it.

    It may be asked while columns are still missing: their cells are unknown.
    """

    def __init__(self, conditions: Sequence[ConditionRecord], outcomes: Iterable[Outcome] = ()) -> None:
        self.conditions = list(conditions)
        self.models = _distinct(condition.model for condition in conditions)
        self.perturbations = _distinct(condition.perturbation for condition in conditions)
        self.baselines = {c.model: c.precision for c in conditions if c.is_baseline}
        self.datasets = _distinct(condition.dataset for condition in conditions)
        self._quantized = {
            model: _distinct(c.precision for c in conditions if c.model == model and not c.is_baseline)
            for model in self.models
        }
        self._by_place = {(c.dataset, c.model, c.precision, c.perturbation): c.id for c in conditions}
        self._columns: dict[int, Column] = {}
        self._tasks: dict[TaskKey, None] = {}
        self._ids_are_unique = True
        self._better: dict[Pair, dict[TaskKey, Side]] = {}
        self._counts: dict[Pair, dict[Filter, int]] = {}
        self._take_outcomes(outcomes)

    def _take_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        rows = defaultdict(list)
        for outcome in outcomes:
            rows[outcome.condition].append((outcome.task, "", outcome.base, outcome.plus, None))
        self.take(column_of(condition, rows[condition.id]) for condition in self.conditions if condition.id in rows)

    # Reading

    def take(self, columns: Iterable[Column]) -> None:
        """Take in columns that were read, for the first time or again."""
        for column in columns:
            self._columns[column.condition.id] = column
            dataset = column.condition.dataset
            self._tasks.update(dict.fromkeys(TaskKey(dataset, task) for task in column.cells))
        self._ids_are_unique = len({task.task for task in self._tasks}) == len(self._tasks)
        self._better.clear()
        self._counts.clear()

    def to_read(self) -> list[ConditionRecord]:
        """The conditions whose columns are missing or may still change: first what a person looks at first."""
        order = {perturbation: at for at, perturbation in enumerate(self.perturbations)}
        waiting = [c for c in self.conditions if c.id not in self._columns or not self._columns[c.id].complete]
        return sorted(waiting, key=lambda c: (self.models.index(c.model), order[c.perturbation] > 1, not c.is_baseline))

    @property
    def is_read(self) -> bool:
        """Whether every column is there."""
        return len(self._columns) == len(self.conditions)

    # What there is

    @property
    def tasks(self) -> list[TaskKey]:
        """The tasks in the run's order."""
        return list(self._tasks)

    @property
    def ids_are_unique(self) -> bool:
        """Whether a task's id alone says which it is: no two data sets have one of the same id."""
        return self._ids_are_unique

    def quantized(self, model: str) -> list[str]:
        """The precisions of a model that are compared with its baseline."""
        return self._quantized.get(model, [])

    def precisions(self, model: str) -> list[str]:
        """A model's baseline and its quantized precisions."""
        return [*filter(None, [self.baselines.get(model)]), *self.quantized(model)]

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
        perturbed_first = sorted(self.pairs(), key=lambda pair: pair.perturbation == CLEAN)
        found = next((pair for pair in perturbed_first if self.knows(pair) and self.better(pair)), None)
        return found or next(iter(perturbed_first), None)

    def perturbed(self, pair: Pair) -> Pair:
        """The pair, or the first perturbed one beside it where it is clean (and there is one)."""
        others = [perturbation for perturbation in self.perturbations if perturbation != CLEAN]
        return pair._replace(perturbation=others[0]) if pair.perturbation == CLEAN and others else pair

    def sides(self, pair: Pair, dataset: str) -> list[ConditionRecord]:
        """The conditions of a case: original and quantized, clean and perturbed, as far as the run has them."""
        wanted = [
            (dataset, pair.model, precision, perturbation)
            for perturbation in dict.fromkeys((CLEAN, pair.perturbation))
            for precision in (self.baselines.get(pair.model, ""), pair.quantized)
        ]
        by_id = {condition.id: condition for condition in self.conditions}
        return [by_id[self._by_place[place]] for place in wanted if place in self._by_place]

    # What became of the tasks

    def cell(self, task: TaskKey, model: str, precision: str, perturbation: str) -> Cell:
        """One task under one condition."""
        column = self._column(task.dataset, model, precision, perturbation)
        return column.cells.get(task.task, UNKNOWN) if column else UNKNOWN

    def both(self, task: TaskKey, pair: Pair) -> tuple[Cell, Cell]:
        """A task's original and quantized cell."""
        baseline = self.baselines.get(pair.model, "")
        return (
            self.cell(task, pair.model, baseline, pair.perturbation),
            self.cell(task, pair.model, pair.quantized, pair.perturbation),
        )

    def better(self, pair: Pair) -> dict[TaskKey, Side]:
        """Of which side a larger share of the samples passed, for the tasks that diverge; asked once, then known."""
        if pair not in self._better:
            self._better[pair] = {
                TaskKey(dataset, task): side
                for dataset, original, quantized in self._columns_of(pair)
                for task, cell in original.cells.items()
                if (side := _better(cell, quantized.cells.get(task, UNKNOWN)))
            }
        return self._better[pair]

    def diverges(self, task: TaskKey, pair: Pair) -> bool:
        """Whether more samples of one side passed than of the other; with one sample: one passed, the other not."""
        return task in self.better(pair)

    def faulty(self, pair: Pair) -> set[TaskKey]:
        """The tasks of which a completion of either side ended otherwise than by passing or failing its tests."""
        return {
            TaskKey(dataset, task)
            for dataset, original, quantized in self._columns_of(pair)
            for task in original.faulty | quantized.faulty
        }

    def unchanged(self, pair: Pair) -> set[TaskKey]:
        """The tasks whose prompts an attack left as they were. Noise and clean conditions change no prompt at all."""
        baseline = self.baselines.get(pair.model, "")
        found: set[TaskKey] = set()
        for dataset in self.datasets:
            attacked = self._column(dataset, pair.model, baseline, pair.perturbation)
            clean = self._column(dataset, pair.model, baseline, CLEAN)
            if attacked and clean and attacked.condition.is_attacked:
                same = attacked.prompts.items() & clean.prompts.items()
                found.update(TaskKey(dataset, task) for task, _ in same)
        return found

    # Lists

    def listed(
        self, pair: Pair, which: Filter, search: str = "", mentioned: Set[tuple[str, str]] = frozenset()
    ) -> list[TaskKey]:
        """The tasks that a filter leaves, and a search: those `mentioned`, and those with the words in their ids."""
        tasks = self.tasks
        if search:
            wanted = search.lower()
            tasks = [task for task in tasks if task in mentioned or wanted in task.task.lower()]
        if which == "all":
            return tasks
        kept = self._kept(pair, which)
        return [task for task in tasks if task in kept]

    def counts(self, pair: Pair) -> dict[Filter, int]:
        """How many tasks each filter leaves; asked once, then known."""
        if pair not in self._counts:
            self._counts[pair] = {
                which: len(self._tasks) if which == "all" else len(self._kept(pair, which)) for which in FILTERS
            }
        return self._counts[pair]

    def _kept(self, pair: Pair, which: Filter) -> Set[TaskKey]:
        if which == "errors":
            return self.faulty(pair)
        if which == "unchanged prompts":
            return self.unchanged(pair)
        better = self.better(pair)
        return better.keys() if which == "diverging" else {task for task in better if which == f"{better[task]} wins"}

    def next_divergence(self, listed: Sequence[TaskKey], at: int, pair: Pair, step: int) -> int | None:
        """The index of the next (`step` 1) or previous (-1) task in `listed` that diverges, going round the end."""
        better = self.better(pair)
        for distance in range(1, len(listed) + 1):
            index = (at + step * distance) % len(listed)
            if listed[index] in better:
                return index
        return None

    def knows(self, pair: Pair) -> bool:
        """Whether every column of a pair is there."""
        precisions = (self.baselines.get(pair.model, ""), pair.quantized)
        places = [place for place in self._by_place if place[1] == pair.model and place[3] == pair.perturbation]
        return all(self._by_place[place] in self._columns for place in places if place[2] in precisions)

    def _columns_of(self, pair: Pair) -> Iterator[tuple[str, Column, Column]]:
        """By data set: the original's column and the quantized model's, where both are read."""
        baseline = self.baselines.get(pair.model, "")
        for dataset in self.datasets:
            original = self._column(dataset, pair.model, baseline, pair.perturbation)
            quantized = self._column(dataset, pair.model, pair.quantized, pair.perturbation)
            if original and quantized:
                yield dataset, original, quantized

    def _column(self, dataset: str, model: str, precision: str, perturbation: str) -> Column | None:
        return self._columns.get(self._by_place.get((dataset, model, precision, perturbation), -1))


def _better(original: Cell, quantized: Cell) -> Side | None:
    if not original.judged or not quantized.judged:
        return None
    ours, theirs = original.passes * quantized.judged, quantized.passes * original.judged
    return None if ours == theirs else "original" if ours > theirs else "quantized"


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
