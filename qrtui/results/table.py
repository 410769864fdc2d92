"""The table of a run: for each condition what passed, what was lost to the perturbation, and the RRS."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec

from qrtui.results.metrics import MoreRobust, drop, relative_drop, relative_robustness
from qrtui.results.records import Case, ConditionRecord, Outcome
from qrtui.tasks.datasets import scored_by_plus


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One condition in numbers.

    `total` results are planned, `n` tasks judged; `passed` of them and `pass_at_1` (a share, the mean over samples) are
    by the data set's own tests, `pass_at_1_base` by the base tests alone, `pass_at_1_plus` by base and added tests
    (None where the data set has no added ones). `drop` (share of tasks), `delta` (Eq. 1) and `rrs` (Eq. 2) compare with
    the clean condition over the tasks judged in both (for `rrs`: in all four cells), so that a table of a run under way
    compares like with like. A model that writes nothing at all for a data set is left out of that comparison, as in the
    paper. `tokens_per_second` is the rate of generating.
    """

    condition: ConditionRecord
    total: int
    n: int
    passed: int
    pass_at_1: float | None
    pass_at_1_base: float | None
    pass_at_1_plus: float | None
    drop: float | None
    delta: float | None
    rrs: float | None
    more_robust: MoreRobust | None
    tokens_per_second: float | None


Score = Fraction | int
"""The share of a task's judged samples that passed. 0 and 1, which most are, are whole numbers: those are quick."""

Scores = Mapping[str, Score]
"""By task: its score."""


def table(conditions: Sequence[ConditionRecord], outcomes: Iterable[Outcome]) -> list[Row]:
    """A row for each condition, in the given order."""
    by_condition = by_condition_of(outcomes)
    cells = Cells(conditions, by_condition)
    return [_row(condition, by_condition[condition.id], cells) for condition in conditions]


def by_condition_of(outcomes: Iterable[Outcome]) -> defaultdict[int, list[Outcome]]:
    """The outcomes of each condition, by its id."""
    by_condition: defaultdict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_condition[outcome.condition].append(outcome)
    return by_condition


class Cells:
    """The scores of a run's conditions, and how to find the ones that a condition is compared with."""

    def __init__(self, conditions: Sequence[ConditionRecord], outcomes: Mapping[int, Sequence[Outcome]]) -> None:
        self._scores = {
            (c.model, c.dataset, c.precision, c.perturbation): task_scores(
                outcomes[c.id], plus=scored_by_plus(c.dataset)
            )
            for c in conditions
        }
        self._baseline = {(c.model, c.dataset): c.precision for c in conditions if c.is_baseline}
        self._silent = {
            (c.model, c.dataset, c.precision)
            for c in conditions
            if c.perturbation == "clean" and _wrote_nothing(outcomes[c.id])
        }
        self._means: dict[int, Fraction] = {}

    def mean(self, scores: Scores, tasks: Sequence[str]) -> Fraction:
        """The mean over `tasks` (one at least) of a cell's scores. That over all its tasks, which many ask, is kept."""
        if len(tasks) < len(scores):
            return mean(scores, tasks)
        # The cells live as long as this does, and so do their identities.
        if id(scores) not in self._means:
            self._means[id(scores)] = mean(scores, tasks)
        return self._means[id(scores)]

    def own(self, condition: ConditionRecord) -> Scores:
        """The condition's own scores."""
        return self._cell(condition, condition.precision, condition.perturbation)

    def clean(self, condition: ConditionRecord) -> Scores:
        """The scores of the same precision without perturbation."""
        return self._cell(condition, condition.precision, "clean")

    def original(self, condition: ConditionRecord) -> Scores:
        """The baseline's scores under the same perturbation."""
        return self._cell(
            condition, self._baseline.get((condition.model, condition.dataset), ""), condition.perturbation
        )

    def original_clean(self, condition: ConditionRecord) -> Scores:
        """The baseline's scores without perturbation."""
        return self._cell(condition, self._baseline.get((condition.model, condition.dataset), ""), "clean")

    def two(self, condition: ConditionRecord) -> tuple[list[Scores], list[str]]:
        """What a drop is made of: own clean and perturbed, and the tasks in both; none for a model without output."""
        cells = [self.clean(condition), self.own(condition)]
        return cells, [] if self._is_silent(condition, condition.precision) else in_all(cells)

    def four(self, condition: ConditionRecord) -> tuple[list[Scores], list[str]]:
        """What an RRS is made of: original clean and perturbed, own clean and perturbed, and the tasks in all four;
        none where one of the two models has no output."""
        cells = [self.original_clean(condition), self.original(condition), self.clean(condition), self.own(condition)]
        baseline = self._baseline.get((condition.model, condition.dataset), "")
        silent = any(self._is_silent(condition, precision) for precision in (baseline, condition.precision))
        return cells, [] if silent else in_all(cells)

    def _is_silent(self, condition: ConditionRecord, precision: str) -> bool:
        return (condition.model, condition.dataset, precision) in self._silent

    def _cell(self, condition: ConditionRecord, precision: str, perturbation: str) -> Scores:
        return self._scores.get((condition.model, condition.dataset, precision, perturbation), {})


def in_all(cells: Sequence[Scores]) -> list[str]:
    """The tasks that every cell has, in the first one's order."""
    first, *others = cells
    if all(first.keys() == scores.keys() for scores in others):
        return [*first]
    return [task for task in first if all(task in scores for scores in others)]


def task_scores(outcomes: Sequence[Outcome], *, plus: bool) -> dict[str, Score]:
    """For each judged task the share of its samples that passed, by the base tests or by base and plus."""
    judged = [outcome for outcome in outcomes if outcome.base is not None]
    if plus:
        scores: dict[str, Score] = {outcome.task: int(has_passed(outcome, plus=True)) for outcome in judged}
    else:
        scores = {outcome.task: int(outcome.base == "passed") for outcome in judged}
    if len(scores) == len(judged):
        return scores
    return {task: share(sum(passes), len(passes)) for task, passes in judged_samples(outcomes, plus=plus).items()}


def judged_samples(outcomes: Iterable[Outcome], *, plus: bool) -> dict[str, list[bool]]:
    """For each judged task whether each of its samples passed."""
    samples: dict[str, list[bool]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.base is not None:
            samples[outcome.task].append(has_passed(outcome, plus=plus))
    return dict(samples)


def has_passed(outcome: Outcome | Case, *, plus: bool) -> bool:
    """Whether a judged result passed its base tests, or its base and plus tests."""
    return outcome.base == "passed" and (not plus or outcome.plus in (None, "passed"))


def mean(scores: Scores, tasks: Iterable[str]) -> Fraction:
    """The mean score over `tasks`, which must not be empty."""
    tasks = list(tasks)
    chosen = [scores[task] for task in tasks]
    if set(map(type, chosen)) == {int}:
        return Fraction(sum(chosen), len(chosen))
    steps, (values,) = in_steps([scores], tasks)
    return Fraction(sum(values), steps * len(values))


def in_steps(cells: Sequence[Scores], tasks: Sequence[str]) -> tuple[int, list[list[int]]]:
    """The scores as whole multiples of 1/steps, cell by cell in the tasks' order: exact, and far quicker to add up."""
    shares = [[scores[task] for task in tasks] for scores in cells]
    steps = math.lcm(*{score.denominator for cell in shares for score in cell})
    return steps, [[score.numerator * (steps // score.denominator) for score in cell] for cell in shares]


@functools.lru_cache(maxsize=4096)
def share(part: int, whole: int) -> Score:
    """A part of a whole. Few different ones are asked for many times, and making a fraction is slow."""
    return part // whole if part % whole == 0 else Fraction(part, whole)


def _wrote_nothing(outcomes: Iterable[Outcome]) -> bool:
    written = [outcome.tokens for outcome in outcomes if outcome.tokens is not None]
    return bool(written) and not any(written)


def _row(condition: ConditionRecord, outcomes: Sequence[Outcome], cells: Cells) -> Row:
    own = cells.own(condition)
    base = task_scores(outcomes, plus=False) if scored_by_plus(condition.dataset) else own
    plus = task_scores(outcomes, plus=True) if any(outcome.plus is not None for outcome in outcomes) else {}
    dropped, delta = _drops(condition, cells)
    rrs, more_robust = _robustness(condition, cells)
    timed = [outcome for outcome in outcomes if outcome.seconds]
    seconds = sum(outcome.seconds or 0 for outcome in timed)
    return Row(
        condition=condition,
        total=len(outcomes),
        n=len(own),
        passed=list(own.values()).count(1),
        pass_at_1=float(cells.mean(own, [*own])) if own else None,
        pass_at_1_base=_pass_at_1(base),
        pass_at_1_plus=_pass_at_1(plus),
        drop=_float(dropped),
        delta=_float(delta),
        rrs=rrs,
        more_robust=more_robust,
        tokens_per_second=sum(outcome.tokens or 0 for outcome in timed) / seconds if seconds else None,
    )


def _pass_at_1(scores: Scores) -> float | None:
    return float(mean(scores, scores)) if scores else None


def _drops(condition: ConditionRecord, cells: Cells) -> tuple[Fraction | None, Fraction | None]:
    two, common = cells.two(condition)
    if condition.perturbation == "clean" or not common:
        return None, None
    before, after = (cells.mean(scores, common) for scores in two)
    return drop(before, after), relative_drop(before, after)


def _robustness(condition: ConditionRecord, cells: Cells) -> tuple[float | None, MoreRobust | None]:
    if condition.is_baseline or condition.perturbation == "clean":
        return None, None
    four, common = cells.four(condition)
    if not common:
        return None, None
    original_clean, original, quantized_clean, quantized = (cells.mean(scores, common) for scores in four)
    result = relative_robustness(drop(original_clean, original), drop(quantized_clean, quantized))
    return result.value, result.more_robust


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
