"""The table of a run: for each condition what passed, what was lost to the perturbation, and the RRS."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec

from qrtui.results.metrics import MoreRobust, drop, relative_drop, relative_robustness
from qrtui.results.records import ConditionRecord, Outcome
from qrtui.tasks.datasets import scored_by_plus


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One condition in numbers.

    `total` results are planned, `n` tasks judged; `passed` of them and `pass_at_1` (a share, the mean over samples) are
    by the data set's own tests, `pass_at_1_plus` by base and added tests (None where the data set has no added ones).
    `drop` (share of tasks), `delta` (Eq. 1) and `rrs` (Eq. 2) compare with the clean condition over the tasks judged in
    both (for `rrs`: in all four cells), so that a table of a run under way compares like with like. `tokens_per_second`
    is the rate of generating.
    """

    condition: ConditionRecord
    total: int
    n: int
    passed: int
    pass_at_1: float | None
    pass_at_1_plus: float | None
    drop: float | None
    delta: float | None
    rrs: float | None
    more_robust: MoreRobust | None
    tokens_per_second: float | None

    @property
    def is_clean(self) -> bool:
        """Whether this is an unperturbed condition."""
        return self.condition.perturbation == "clean"


Scores = Mapping[str, Fraction]
"""By task: the share of its judged samples that passed."""


def table(conditions: Sequence[ConditionRecord], outcomes: Iterable[Outcome]) -> list[Row]:
    """A row for each condition, in the given order."""
    by_condition: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_condition[outcome.condition].append(outcome)
    cells = Cells(conditions, by_condition)
    return [_row(condition, by_condition[condition.id], cells) for condition in conditions]


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

    def four(self, condition: ConditionRecord) -> tuple[list[Scores], list[str]]:
        """What an RRS is made of: original clean and perturbed, own clean and perturbed, and the tasks in all four."""
        cells = [self.original_clean(condition), self.original(condition), self.clean(condition), self.own(condition)]
        return cells, [task for task in cells[0] if all(task in scores for scores in cells[1:])]

    def _cell(self, condition: ConditionRecord, precision: str, perturbation: str) -> Scores:
        return self._scores.get((condition.model, condition.dataset, precision, perturbation), {})


def task_scores(outcomes: Iterable[Outcome], *, plus: bool) -> dict[str, Fraction]:
    """For each judged task the share of its samples that passed, by the base tests or by base and plus."""
    samples: dict[str, list[bool]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.base is not None:
            samples[outcome.task].append(has_passed(outcome, plus=plus))
    return {task: Fraction(sum(passes), len(passes)) for task, passes in samples.items()}


def has_passed(outcome: Outcome, *, plus: bool) -> bool:
    """Whether a judged result passed its base tests, or its base and plus tests."""
    return outcome.base == "passed" and (not plus or outcome.plus in (None, "passed"))


def mean(scores: Scores, tasks: Iterable[str]) -> Fraction:
    """The mean score over `tasks`, which must not be empty."""
    values = [scores[task] for task in tasks]
    return sum(values, Fraction()) / len(values)


def _row(condition: ConditionRecord, outcomes: Sequence[Outcome], cells: Cells) -> Row:
    own = cells.own(condition)
    plus = task_scores(outcomes, plus=True) if any(outcome.plus is not None for outcome in outcomes) else {}
    dropped, delta = _drops(own, cells.clean(condition)) if condition.perturbation != "clean" else (None, None)
    rrs, more_robust = _robustness(condition, cells)
    timed = [outcome for outcome in outcomes if outcome.seconds]
    seconds = sum(outcome.seconds or 0 for outcome in timed)
    return Row(
        condition=condition,
        total=len(outcomes),
        n=len(own),
        passed=sum(score == 1 for score in own.values()),
        pass_at_1=_float(mean(own, own) if own else None),
        pass_at_1_plus=_float(mean(plus, plus) if plus else None),
        drop=_float(dropped),
        delta=_float(delta),
        rrs=rrs,
        more_robust=more_robust,
        tokens_per_second=sum(outcome.tokens or 0 for outcome in timed) / seconds if seconds else None,
    )


def _drops(own: Scores, clean: Scores) -> tuple[Fraction | None, Fraction | None]:
    common = [task for task in own if task in clean]
    if not common:
        return None, None
    before, after = mean(clean, common), mean(own, common)
    return drop(before, after), relative_drop(before, after)


def _robustness(condition: ConditionRecord, cells: Cells) -> tuple[float | None, MoreRobust | None]:
    if condition.is_baseline or condition.perturbation == "clean":
        return None, None
    four, common = cells.four(condition)
    if not common:
        return None, None
    original_clean, original, quantized_clean, quantized = (mean(scores, common) for scores in four)
    result = relative_robustness(drop(original_clean, original), drop(quantized_clean, quantized))
    return result.value, result.more_robust


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
