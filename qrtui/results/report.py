"""A run's report as data (the JSON contract): the table with its intervals and tests, and how strong what was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from qrtui.results import statistics
from qrtui.results.metrics import MoreRobust
from qrtui.results.records import ConditionRecord, Outcome, RunRecord
from qrtui.results.store import Store
from qrtui.results.strengths import AttackStrength, NoiseStrength, attack_strengths, noise_strengths
from qrtui.results.table import Cells, Row, table


class ReportedCondition(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a report; absent numbers are None. Shares are 0 to 1, `p_value` is McNemar's exact test."""

    model: str
    precision: str
    dataset: str
    perturbation: str
    n: int
    passed: int | None
    pass_at_1: float | None
    pass_at_1_plus: float | None
    drop: float | None
    delta: float | None
    rrs: float | None
    rrs_low: float | None
    rrs_high: float | None
    more_robust: MoreRobust | None
    p_value: float | None
    weights_perturbed: float | None


class Summary(msgspec.Struct, frozen=True):
    """Over all rows with an arrow: how many show either side more robust, and the sign test on them."""

    quantized: int
    original: int
    equal: int
    sign_test_p: float | None


class Report(msgspec.Struct, frozen=True):
    """A whole report, in the shape that `--format json` prints."""

    run: int | str
    status: str
    conditions: list[ReportedCondition]
    summary: Summary
    attacks: list[AttackStrength] = []
    noise: list[NoiseStrength] = []


def make_report(store: Store, run: RunRecord) -> Report:
    """The report of a run as far as it is judged."""
    conditions, outcomes = store.conditions(run.id), store.outcomes(run.id)
    by_condition: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_condition[outcome.condition].append(outcome)
    cells = Cells(conditions, by_condition)
    reported = [_reported(row, cells) for row in table(conditions, outcomes)]
    attacks = attack_strengths(conditions, store.prompts(run.id))
    return Report(run.id, run.status, reported, summarize(reported), attacks, noise_strengths(conditions))


def summarize(conditions: Sequence[ReportedCondition]) -> Summary:
    """The headline of a table: how its arrows point."""
    counts = {
        side: sum(condition.more_robust == side for condition in conditions)
        for side in ("quantized", "original", "equal")
    }
    told = counts["quantized"] + counts["original"]
    p = statistics.sign_test(counts["quantized"], counts["original"]) if told else None
    return Summary(counts["quantized"], counts["original"], counts["equal"], p)


def _reported(row: Row, cells: Cells) -> ReportedCondition:
    condition = row.condition
    low, high = _interval(condition, cells) if row.rrs is not None else (None, None)
    return ReportedCondition(
        model=condition.model,
        precision=condition.precision,
        dataset=condition.dataset,
        perturbation=condition.perturbation,
        n=row.n,
        passed=row.passed,
        pass_at_1=row.pass_at_1,
        pass_at_1_plus=row.pass_at_1_plus,
        drop=row.drop,
        delta=row.delta,
        rrs=row.rrs,
        rrs_low=low,
        rrs_high=high,
        more_robust=row.more_robust,
        p_value=None if condition.is_baseline else _p_value(condition, cells),
        weights_perturbed=condition.weights_perturbed,
    )


def _interval(condition: ConditionRecord, cells: Cells) -> tuple[float | None, float | None]:
    four, common = cells.four(condition)
    return statistics.bootstrap_rrs(*([float(scores[task]) for task in common] for scores in four))


def _p_value(condition: ConditionRecord, cells: Cells) -> float | None:
    """Original against quantized under the same perturbation, task by task; a task passes if all its samples do."""
    own, original = cells.own(condition), cells.original(condition)
    common = [task for task in own if task in original]
    if not common:
        return None
    return statistics.mcnemar([original[task] == 1 for task in common], [own[task] == 1 for task in common])
