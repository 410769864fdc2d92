"""A report's tables, for every written form alike: what heads each column and what stands in its cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from qrtui.perturb.dose import KINDS
from qrtui.perturb.naming import perturbation_name
from qrtui.results.metrics import ARROWS, MoreRobust
from qrtui.results.report import ReportedCondition
from qrtui.results.strengths import AttackStrength, NoiseStrength

ABSENT = "-"


class TextTable(msgspec.Struct, frozen=True):
    """A table to be written: the first `words` columns are words, the others numbers."""

    headers: tuple[str, ...]
    rows: list[list[str]]
    words: int


class _Column(NamedTuple):
    header: str
    cell: Callable[[ReportedCondition], str]


def results_in_short(conditions: Sequence[ReportedCondition]) -> TextTable:
    """What a person needs first, of one model and data set: fits into 120 characters."""
    numbers = [
        _Column("n", lambda row: str(row.n)),
        _Column("pass@1", lambda row: number(row.pass_at_1, 3)),
        _Column("drop", _drop),
        _Column("RRS", _rrs),
        _Column("p Holm", lambda row: _p(row.drop_difference_p_holm)),
        _Column("noisy", lambda row: share(row.weights_perturbed)),
        _SHOWN,
    ]
    return _table(conditions, _PLACE[2:], numbers)


def results(conditions: Sequence[ReportedCondition], *, in_words: bool) -> TextTable:
    """The whole table of results, a row for each condition; its finding in words, or as the side that is shown."""
    ks = sorted({int(k) for row in conditions for k in row.pass_at_k if k != "1"})
    numbers = [
        _Column("n", lambda row: str(row.n)),
        _Column("pass@1", lambda row: number(row.pass_at_1, 3)),
        _Column("base", lambda row: number(row.pass_at_1_base, 3) if row.pass_at_1_plus is not None else ABSENT),
        _Column("base and plus", lambda row: number(row.pass_at_1_plus, 3)),
        *(_Column(f"pass@{k}", lambda row, k=k: number(row.pass_at_k.get(str(k)), 3)) for k in ks),  # type: ignore[misc]
        _Column("drop", _drop),
        _Column("Δ", lambda row: number(row.delta, 3)),
        _Column("RRS", _rrs),
        _Column("p Holm", lambda row: _p(row.drop_difference_p_holm)),
        _Column("noisy", lambda row: share(row.weights_perturbed)),
        _Column("says", lambda row: row.says or ABSENT) if in_words else _SHOWN,
    ]
    return _table(conditions, _PLACE, numbers)


def pass_tests(conditions: Sequence[ReportedCondition]) -> TextTable:
    """How the quantized models' passes compare with the original's: counts, odds ratio, McNemar's test."""
    numbers = [
        _Column("only original", lambda row: _count(row.only_original)),
        _Column("only quantized", lambda row: _count(row.only_quantized)),
        _Column("odds ratio", _odds_ratio),
        _Column("McNemar p", lambda row: _p(row.p_value)),
        _Column("p Holm", lambda row: _p(row.p_holm)),
        _Column("tasks needed", lambda row: _count(row.passes_tasks_needed)),
    ]
    return _table([row for row in conditions if row.only_original is not None], _PLACE, numbers)


def drop_tests(conditions: Sequence[ReportedCondition]) -> TextTable:
    """How the quantized models' drops compare with the original's: their difference, its test, what it would take."""
    numbers = [
        _Column("tasks", lambda row: _count(row.n_compared)),
        _Column("difference of drops", _drop_difference),
        _Column("p", lambda row: _p(row.drop_difference_p)),
        _Column("p Holm", lambda row: _p(row.drop_difference_p_holm)),
        _Column("tasks needed", lambda row: _count(row.tasks_needed)),
        _Column("smallest", lambda row: number(row.smallest_difference, 2)),
    ]
    return _table([row for row in conditions if row.drop_difference is not None], _PLACE, numbers)


def attack_table(attacks: Sequence[AttackStrength]) -> TextTable:
    """How strong the attacks were."""
    rows = [
        [
            row.dataset,
            perturbation_name(row.perturbation),
            f"{row.changed} of {row.n}",
            number(row.characters, 1),
            f"{row.words:.1f} ({row.word_share:.0%})",
            number(row.similarity, 3),
        ]
        for row in attacks
    ]
    return TextTable(("data set", "attack", "changed", "characters", "words", "similarity"), rows, 2)


def noise_table(noise: Sequence[NoiseStrength]) -> TextTable:
    """How strong the noise was."""
    kinds = [kind for kind in KINDS if any(kind == layer.kind for row in noise for layer in row.layers)]
    rows = []
    for row in noise:
        moved = {layer.kind: layer.moved for layer in row.layers}
        sizes = [_small(row.noise), _small(row.moved), *(_small(moved.get(kind)) for kind in kinds)]
        rows.append([row.model, row.precision, perturbation_name(row.perturbation), share(row.share), *sizes])
    return TextTable(("model", "precision", "noise", "reached", "|d|/|W|", "moved", *kinds), rows, 3)


def rrs_text(rrs: float | None, more_robust: MoreRobust | None) -> str:
    """RRS and arrow as tables print them: `1.333 ↓`, or the arrow alone where the ratio has no meaning."""
    value = f"{rrs:.3f} " if rrs is not None else ""
    return f"{value}{ARROWS[more_robust]}" if more_robust else ABSENT


def number(value: float | None, digits: int) -> str:
    """A number with so many decimals.

    >>> number(-0.0001, 2), number(None, 2)
    ('0.00', '-')
    """
    return ABSENT if value is None else f"{value:z.{digits}f}"


def share(value: float | None) -> str:
    """A share in whole percents."""
    return ABSENT if value is None else f"{value:.0%}"


_SHOWN = _Column("shown", lambda row: row.shown or ABSENT)

_PLACE = [
    _Column("model", lambda row: row.model),
    _Column("data set", lambda row: row.dataset),
    _Column("precision", lambda row: row.precision),
    _Column("perturbation", lambda row: perturbation_name(row.perturbation)),
]


def _table(conditions: Sequence[ReportedCondition], words: Sequence[_Column], numbers: Sequence[_Column]) -> TextTable:
    """The rows in these columns, less the columns of numbers in which nothing stands."""
    told = [column for column in numbers if any(column.cell(row) != ABSENT for row in conditions)]
    columns = [*words, *told]
    rows = [[column.cell(row) for column in columns] for row in conditions]
    return TextTable(tuple(column.header for column in columns), rows, len(words))


def _drop(row: ReportedCondition) -> str:
    return number(row.drop, 3) + _interval(row.drop_low, row.drop_high)


def _rrs(row: ReportedCondition) -> str:
    return rrs_text(row.rrs, row.more_robust) + _interval(row.rrs_low, row.rrs_high)


def _drop_difference(row: ReportedCondition) -> str:
    return number(row.drop_difference, 3) + _interval(row.drop_difference_low, row.drop_difference_high)


def _odds_ratio(row: ReportedCondition) -> str:
    if not row.only_original and not row.only_quantized:
        return ABSENT
    value = "∞" if row.odds_ratio is None else number(row.odds_ratio, 2)
    return value + _interval(row.odds_ratio_low, row.odds_ratio_high)


def _interval(low: float | None, high: float | None) -> str:
    """An interval behind its value; the upper end alone is absent where it is infinite."""
    if low is None:
        return ""
    return f" [{number(low, 2)}, {'∞' if high is None else number(high, 2)}]"


def _p(value: float | None) -> str:
    return "<0.001" if value is not None and value < 0.0005 else number(value, 3)


def _count(value: int | None) -> str:
    return ABSENT if value is None else str(value)


def _small(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2g}"
