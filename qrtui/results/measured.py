"""What was measured under each condition, of one run or of several: what charts are made of."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, get_args

import msgspec

from qrtui.perturb.noise import NoiseKind, Protocol
from qrtui.printable import one_line
from qrtui.results.metrics import MoreRobust
from qrtui.results.records import ConditionRecord, Outcome
from qrtui.results.statistics import Interval, bootstrap_rrs
from qrtui.results.table import Cells, Row, by_condition_of, table

if TYPE_CHECKING:
    from qrtui.results.merged import Part
    from qrtui.results.report import Report
    from qrtui.results.store import Store


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One condition in numbers, with the run it is from; absent numbers are None.

    `n` of `planned` tasks are judged; `pass_at_1`, `drop` (share of tasks), `delta` (Eq. 1) and `rrs`
    (Eq. 2) with its 95 % interval are those of the report: a `rrs_high` of None beside a number in `rrs_low` is
    infinite. `weights_perturbed` is the share of the weights that noise reached.
    """

    run: str
    model: str
    precision: str
    is_baseline: bool
    dataset: str
    perturbation: str
    n: int
    planned: int
    pass_at_1: float | None
    drop: float | None
    delta: float | None
    rrs: float | None
    rrs_low: float | None = None
    rrs_high: float | None = None
    more_robust: MoreRobust | None
    weights_perturbed: float | None

    @property
    def kind(self) -> str:
        """The perturbation without its parameters: `clean`, `char`, `gaussian`."""
        return self.perturbation.partition(" ")[0]

    @property
    def noise(self) -> NoiseName | None:
        """Which noise this is; None for clean and attacked conditions."""
        return noise_of(self.perturbation)


class NoiseName(NamedTuple):
    """A noise as its label names it."""

    kind: str
    level: float
    protocol: str


@functools.lru_cache(maxsize=4096)
def noise_of(perturbation: str) -> NoiseName | None:
    """The noise that a perturbation's label names, or None where it names none.

    >>> noise_of("gaussian 0.003 published")
    NoiseName(kind='gaussian', level=0.003, protocol='published')
    """
    words = perturbation.split()
    if len(words) != 3 or words[0] not in get_args(NoiseKind) or words[2] not in get_args(Protocol):
        return None
    return NoiseName(words[0], float(words[1]), words[2])


def measured_rows(
    rows: Iterable[Row],
    run: int | str = "",
    intervals: Mapping[int, Interval] | None = None,
    planned: Mapping[int, int] | None = None,
) -> list[Measured]:
    """A run's rows; by a condition's id the interval of its RRS, and its number of tasks where not all are judged."""
    found = []
    for row in rows:
        condition = row.condition
        low, high = (intervals or {}).get(condition.id, (None, None))
        found.append(
            Measured(
                run=str(run),
                model=one_line(condition.model),
                precision=condition.precision,
                is_baseline=condition.is_baseline,
                dataset=one_line(condition.dataset),
                perturbation=one_line(condition.perturbation),
                n=row.n,
                planned=(planned or {}).get(condition.id, row.n),
                pass_at_1=row.pass_at_1,
                drop=row.drop,
                delta=row.delta,
                rrs=row.rrs,
                rrs_low=low,
                rrs_high=high,
                more_robust=row.more_robust,
                weights_perturbed=condition.weights_perturbed,
            )
        )
    return found


def measured_report(report: Report) -> list[Measured]:
    """A report's conditions."""
    return [
        Measured(
            run=str(report.run),
            model=one_line(row.model),
            precision=row.precision,
            is_baseline=bool(row.is_baseline),
            dataset=one_line(row.dataset),
            perturbation=one_line(row.perturbation),
            n=row.n,
            planned=row.n,
            pass_at_1=row.pass_at_1,
            drop=row.drop,
            delta=row.delta,
            rrs=row.rrs,
            rrs_low=row.rrs_low,
            rrs_high=row.rrs_high,
            more_robust=row.more_robust,
            weights_perturbed=row.weights_perturbed,
        )
        for row in report.conditions
    ]


class Intervals:
    """The intervals of the RRS of a run under way: one is made again only if a score that it rests on has changed."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, Interval]] = {}

    def of(self, rows: Sequence[Row], outcomes: Iterable[Outcome]) -> dict[int, Interval]:
        """By condition: the bootstrap interval of each RRS that is a number."""
        ratios = [row.condition for row in rows if row.rrs is not None]
        if not ratios:
            return {}
        cells = Cells([row.condition for row in rows], by_condition_of(outcomes))
        return {condition.id: self._interval(condition, cells) for condition in ratios}

    def _interval(self, condition: ConditionRecord, cells: Cells) -> Interval:
        four, common = cells.four(condition)
        scores = tuple(tuple(float(cell[task]) for task in common) for cell in four)
        before, interval = self._known.get(condition.id, (None, None))
        if interval is None or before != scores:
            interval = bootstrap_rrs(*scores)
            self._known[condition.id] = (scores, interval)
        return interval


class MeasuredRun:
    """A run as far as it is judged: the numbers at once, the intervals when there is time for them."""

    def __init__(self, run: int, conditions: Sequence[ConditionRecord], outcomes: Sequence[Outcome]) -> None:
        self._run, self._outcomes = run, outcomes
        self._rows = table(conditions, outcomes)
        self._planned = {id: len({one.task for one in mine}) for id, mine in by_condition_of(outcomes).items()}

    def measured(self) -> list[Measured]:
        """Every condition, without intervals."""
        return measured_rows(self._rows, self._run, planned=self._planned)

    def with_intervals(self, intervals: Intervals | None = None) -> list[Measured]:
        """Every condition; an RRS that is a number has its interval, some 10 ms each where `intervals` lacks it."""
        found = (intervals or Intervals()).of(self._rows, self._outcomes)
        return measured_rows(self._rows, self._run, found, self._planned)


def part_of(run: int | str, name: str, measured: Sequence[Measured]) -> Part:
    """The same as a part of a Table I, which needs no more of a report than this."""
    from qrtui.results.merged import Part
    from qrtui.results.report import Report, ReportedCondition, summarize

    conditions = [
        ReportedCondition(
            model=one.model,
            precision=one.precision,
            dataset=one.dataset,
            perturbation=one.perturbation,
            n=one.n,
            passed=None,
            pass_at_1=one.pass_at_1,
            pass_at_1_plus=None,
            drop=one.drop,
            delta=one.delta,
            rrs=one.rrs,
            rrs_low=one.rrs_low,
            rrs_high=one.rrs_high,
            more_robust=one.more_robust,
            p_value=None,
            weights_perturbed=one.weights_perturbed,
            is_baseline=one.is_baseline,
        )
        for one in measured
    ]
    baselines = {(one.model, one.dataset): one.precision for one in measured if one.is_baseline}
    status = "finished" if all(one.n == one.planned for one in measured) else "running"
    return Part(
        Report(run, "published" if run == "paper" else status, conditions, summarize(conditions)), name, baselines
    )


def read_measured(store: Store, run: int) -> MeasuredRun:
    """What a run has measured so far; reads no texts."""
    return MeasuredRun(run, store.conditions(run), store.outcomes(run))


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which conditions a chart shows; an empty part lets everything through.

    The original stays under any choice of precisions, clean under any of kinds, and only noise has a protocol.
    """

    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()

    def of(self, measured: Iterable[Measured]) -> list[Measured]:
        """Those that are wanted, in the same order."""
        return [one for one in measured if self._wants(one)]

    def _wants(self, one: Measured) -> bool:
        noise = one.noise
        return (
            (not self.models or one.model in self.models)
            and (not self.datasets or one.dataset in self.datasets)
            and (not self.precisions or one.is_baseline or one.precision in self.precisions)
            and (not self.kinds or one.kind in ("clean", *self.kinds))
            and (not self.protocols or noise is None or noise.protocol in self.protocols)
        )


def unequal_dose(measured: Iterable[Measured]) -> str:
    """A sentence where noise of one kind reached other shares of the weights in some precisions; else nothing."""
    shares: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in measured:
        if one.noise and one.weights_perturbed is not None:
            shares[one.noise.protocol][one.precision].append(one.weights_perturbed)
    told = []
    for protocol, by_precision in shares.items():
        by_share: dict[str, list[str]] = defaultdict(list)
        for precision, reached_shares in by_precision.items():
            ends = dict.fromkeys(f"{share:.0%}" for share in (min(reached_shares), max(reached_shares)))
            by_share[" to ".join(ends)].append(precision)
        if len(by_share) > 1:
            reached = [f"{share} in {' and '.join(names)}" for share, names in by_share.items()]
            reached[0] = reached[0].replace(" in ", " of the weights in ", 1)
            told.append(f"{protocol} noise reaches {', '.join(reached)}")
    return f"Unequal dose: {'; '.join(told)}." if told else ""
