"""A run's report as data (the JSON contract): the table, its intervals and tests, how strong what was, its origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from qrtui.results import statistics, words
from qrtui.results.contrast import DropContrast, PassContrast, drop_contrast, drop_interval, pass_contrast
from qrtui.results.metrics import MoreRobust, mean_pass_at_k
from qrtui.results.provenance import Provenance, provenance
from qrtui.results.records import Outcome, RunRecord
from qrtui.results.store import Store
from qrtui.results.strengths import AttackStrength, NoiseStrength, attack_strengths, noise_strengths
from qrtui.results.table import Cells, Row, by_condition_of, judged_samples, table
from qrtui.tasks.datasets import scored_by_plus

Shown = Literal["quantized", "original", "neither"]
"""Which side is shown to be the more robust: `neither` where these tasks show no difference."""


class ReportedCondition(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a report; absent numbers are None, shares are 0 to 1. Intervals (`_low`, `_high`) are of 95 %.

    A `_high` that is None beside a `_low` that is not is infinite.

    - `passed`, `pass_at_1` (mean over samples) are by the data set's own tests, `pass_at_1_base` by the base tests,
      `pass_at_1_plus` by base and added tests. `pass_at_k` is the unbiased estimate for each k that the samples allow.
    - `drop` is the share of tasks lost to the perturbation, `delta` that as a share of the clean pass@1 (Eq. 1).
    - `rrs` and `more_robust` are Eq. 2 and its arrow.
    - `p_value` is McNemar's exact test of the row's passes against the original's under the same perturbation, `p_holm`
      the same corrected over the report; `only_original` and `only_quantized` count the tasks that one passes alone,
      `odds_ratio` is their quotient (None with `only_quantized` above 0: infinite), and `passes_tasks_needed` how many
      tasks it takes to tell the observed difference of pass rates.
    - `drop_difference` is the original's drop less this one's, over the `n_compared` tasks judged in all four cells;
      `drop_difference_p` the permutation test that it is zero, `drop_difference_p_holm` that corrected over the report.
      `shown` follows from it alone (at 5 %), and `says` puts it into words. `tasks_needed` is how many tasks would tell
      the observed difference, `smallest_difference` what `n_compared` tasks can tell, both by a single test at 5 % with
      a chance of 80 %.
    """

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
    is_baseline: bool | None = None
    pass_at_1_base: float | None = None
    pass_at_k: dict[str, float] = {}
    drop_low: float | None = None
    drop_high: float | None = None
    n_compared: int | None = None
    drop_difference: float | None = None
    drop_difference_low: float | None = None
    drop_difference_high: float | None = None
    drop_difference_p: float | None = None
    drop_difference_p_holm: float | None = None
    shown: Shown | None = None
    says: str | None = None
    tasks_needed: int | None = None
    smallest_difference: float | None = None
    p_holm: float | None = None
    only_original: int | None = None
    only_quantized: int | None = None
    odds_ratio: float | None = None
    odds_ratio_low: float | None = None
    odds_ratio_high: float | None = None
    passes_tasks_needed: int | None = None


class Summary(msgspec.Struct, frozen=True):
    """The headline. Over all rows with an arrow: how many show either side more robust, and the sign test on them.

    Over all rows whose difference of drops was tested: how many show a side more robust, and how many neither. `says`
    is all of it in words.
    """

    quantized: int
    original: int
    equal: int
    sign_test_p: float | None
    shown_quantized: int = 0
    shown_original: int = 0
    shown_neither: int = 0
    says: str = ""


class Report(msgspec.Struct, frozen=True):
    """A whole report, in the shape that `--format json` prints.

    The `conditions` of one model and data set follow one another. `repeat` is what it takes to repeat the run.
    """

    run: int | str
    status: str
    conditions: list[ReportedCondition]
    summary: Summary
    attacks: list[AttackStrength] = []
    noise: list[NoiseStrength] = []
    repeat: Provenance | None = None

    def results_alone(self) -> Report:
        """The report without what the perturbations were and how to repeat the run."""
        return msgspec.structs.replace(self, attacks=[], noise=[], repeat=None)


def make_report(store: Store, run: RunRecord) -> Report:
    """The report of a run as far as it is judged."""
    conditions, outcomes = store.conditions(run.id), store.outcomes(run.id)
    by_condition = by_condition_of(outcomes)
    cells = Cells(conditions, by_condition)
    rows = _together(table(conditions, outcomes))
    reported = corrected([_reported(row, by_condition[row.condition.id], cells) for row in rows])
    return Report(
        run=run.id,
        status=run.status,
        conditions=reported,
        summary=summarize(reported),
        attacks=attack_strengths(conditions, store.prompts(run.id)),
        noise=noise_strengths(conditions),
        repeat=provenance(store, run),
    )


def _together(rows: Sequence[Row]) -> list[Row]:
    """The rows of one model and data set behind one another: what is compared stands in one block."""
    places = list(dict.fromkeys((row.condition.model, row.condition.dataset) for row in rows))
    return sorted(rows, key=lambda row: places.index((row.condition.model, row.condition.dataset)))


def summarize(conditions: Sequence[ReportedCondition]) -> Summary:
    """The headline of a table: how its arrows point, and what its tests show."""
    arrows = [condition.more_robust for condition in conditions]
    quantized, original, equal = (arrows.count(side) for side in ("quantized", "original", "equal"))
    shown = [condition.shown for condition in conditions]
    summary = Summary(
        quantized,
        original,
        equal,
        statistics.sign_test(quantized, original) if quantized + original else None,
        shown.count("quantized"),
        shown.count("original"),
        shown.count("neither"),
    )
    return msgspec.structs.replace(summary, says=words.in_words(summary, conditions))


def corrected(conditions: Sequence[ReportedCondition]) -> list[ReportedCondition]:
    """The rows with Holm's correction over all of them, each of the two tests by itself, and with what they show."""
    p_holm = statistics.holm([condition.p_value for condition in conditions])
    difference_p_holm = statistics.holm([condition.drop_difference_p for condition in conditions])
    return [
        _with_finding(msgspec.structs.replace(condition, p_holm=p, drop_difference_p_holm=difference_p))
        for condition, p, difference_p in zip(conditions, p_holm, difference_p_holm, strict=True)
    ]


def _with_finding(condition: ReportedCondition) -> ReportedCondition:
    if condition.drop_difference is None or condition.n_compared is None:
        return condition
    p, shown = condition.drop_difference_p_holm, None
    if p is not None:
        winner: Shown = "quantized" if condition.drop_difference > 0 else "original"
        shown = winner if p <= statistics.ALPHA else "neither"
    return msgspec.structs.replace(condition, shown=shown, says=words.says(shown, condition.n_compared))


def _reported(row: Row, outcomes: Sequence[Outcome], cells: Cells) -> ReportedCondition:
    condition = row.condition
    samples = judged_samples(outcomes, plus=scored_by_plus(condition.dataset))
    low, high = drop_interval(condition, cells)
    return ReportedCondition(
        model=condition.model,
        precision=condition.precision,
        dataset=condition.dataset,
        perturbation=condition.perturbation,
        is_baseline=condition.is_baseline,
        n=row.n,
        passed=row.passed,
        pass_at_1=row.pass_at_1,
        pass_at_1_base=row.pass_at_1_base,
        pass_at_1_plus=row.pass_at_1_plus,
        pass_at_k={str(k): value for k, value in mean_pass_at_k(samples.values()).items()},
        drop=row.drop,
        drop_low=low,
        drop_high=high,
        delta=row.delta,
        rrs=row.rrs,
        more_robust=row.more_robust,
        weights_perturbed=condition.weights_perturbed,
        **_drops(drop_contrast(condition, cells)),
        **_passes(pass_contrast(condition, cells)),
    )


def _drops(found: DropContrast | None) -> dict[str, Any]:
    if found is None:
        return {"rrs_low": None, "rrs_high": None}
    return {
        "rrs_low": found.rrs.low,
        "rrs_high": found.rrs.high,
        "n_compared": found.tasks,
        "drop_difference": found.difference,
        "drop_difference_low": found.interval.low,
        "drop_difference_high": found.interval.high,
        "drop_difference_p": found.p,
        "tasks_needed": found.tasks_needed,
        "smallest_difference": found.smallest_difference,
    }


def _passes(found: PassContrast | None) -> dict[str, Any]:
    if found is None:
        return {"p_value": None}
    return {
        "p_value": found.p,
        "only_original": found.only_original,
        "only_quantized": found.only_quantized,
        "odds_ratio": found.odds.value,
        "odds_ratio_low": found.odds.low,
        "odds_ratio_high": found.odds.high,
        "passes_tasks_needed": found.tasks_needed,
    }
