"""The quantized model against the original under the same perturbation, task by task: sizes, intervals, tests.

Two questions are kept apart. *Do they pass unequally?* compares their passes under one perturbation (McNemar's test,
odds ratio). *Do they lose unequally?* compares their drops, which is what robustness means and what the arrow of an RRS
points at; its size is the difference of drops, its test the permutation test on each task's difference of drops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from qrtui.results.power import smallest_difference, tasks_needed
from qrtui.results.records import ConditionRecord
from qrtui.results.statistics import (
    UNTOLD,
    Interval,
    OddsRatio,
    bootstrap_mean,
    bootstrap_rrs,
    discordant,
    odds_ratio,
    sign_flip_test,
    sign_test,
)
from qrtui.results.table import Cells, in_steps, share


class PassContrast(msgspec.Struct, frozen=True, kw_only=True):
    """Passes under one perturbation; a task passes if all its samples do.

    `only_original` and `only_quantized` count the tasks that one passes and the other does not; `p` is McNemar's exact
    test of them, `odds` their odds ratio. `tasks_needed` is for telling the observed difference of pass rates.
    """

    only_original: int
    only_quantized: int
    p: float
    odds: OddsRatio
    tasks_needed: int | None


class DropContrast(msgspec.Struct, frozen=True, kw_only=True):
    """Drops under one perturbation, over the `tasks` judged in all four cells (original, quantized; clean, perturbed).

    `difference` is the original's drop less the quantized model's, in shares of tasks: above 0 the quantized model lost
    less. `interval` is its paired bootstrap interval, `p` the permutation test that it is zero, `rrs` the interval of
    the RRS, empty where the ratio has no meaning. `p` and what follows it are None where one of the models passes
    nothing unperturbed: it has nothing to lose, and to say that it withstood better would be wrong.
    """

    tasks: int
    difference: float
    interval: Interval
    rrs: Interval
    p: float | None
    tasks_needed: int | None
    smallest_difference: float | None


def drop_interval(condition: ConditionRecord, cells: Cells) -> Interval:
    """The paired bootstrap interval of the condition's own drop."""
    scores, tasks = cells.two(condition)
    if condition.perturbation == "clean" or not tasks:
        return UNTOLD
    steps, (clean, own) = in_steps(scores, tasks)
    return bootstrap_mean([(before - after) / steps for before, after in zip(clean, own, strict=True)])


def pass_contrast(condition: ConditionRecord, cells: Cells) -> PassContrast | None:
    """Original against quantized by their passes; None for the original itself, and without common tasks."""
    own, original = cells.own(condition), cells.original(condition)
    common = [task for task in own if task in original]
    if condition.is_baseline or not common:
        return None
    lost, gained = discordant([original[task] == 1 for task in common], [own[task] == 1 for task in common])
    return PassContrast(
        only_original=lost,
        only_quantized=gained,
        p=sign_test(gained, lost),
        odds=odds_ratio(gained, lost),
        tasks_needed=tasks_needed((gained - lost) / len(common), (gained + lost) / len(common)),
    )


def drop_contrast(condition: ConditionRecord, cells: Cells) -> DropContrast | None:
    """Original against quantized by their drops; None for clean and baseline conditions, and without common tasks."""
    scores, tasks = cells.four(condition)
    if condition.is_baseline or condition.perturbation == "clean" or not tasks:
        return None
    steps, four = in_steps(scores, tasks)
    lost = [(a - b) - (c - d) for a, b, c, d in zip(*four, strict=True)]
    difference = sum(lost) / steps / len(tasks)
    mean_square = sum(value * value for value in lost) / steps**2 / len(tasks)
    testable = any(four[0]) and any(four[2])
    return DropContrast(
        tasks=len(tasks),
        difference=difference,
        interval=bootstrap_mean([value / steps for value in lost]),
        rrs=_rrs_interval([[value / steps for value in cell] for cell in four]),
        p=sign_flip_test([share(value, steps) for value in lost]) if testable else None,
        tasks_needed=tasks_needed(difference, mean_square) if testable else None,
        smallest_difference=smallest_difference(len(tasks), mean_square) if testable else None,
    )


def _rrs_interval(four: Sequence[Sequence[float]]) -> Interval:
    original_clean, original, quantized_clean, quantized = map(math.fsum, four)
    if original_clean <= original or quantized_clean <= quantized:
        return UNTOLD
    return bootstrap_rrs(*four)
