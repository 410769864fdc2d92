"""Two reports side by side, cell by cell: do they agree on who is the more robust?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec

from qrtui.errors import QrtuiError
from qrtui.perturb.attack import PAPERS_KINDS
from qrtui.perturb.naming import perturbation_name
from qrtui.results.clean_loss import CleanLoss, clean_losses
from qrtui.results.families import KnownAs
from qrtui.results.merged import Cell, Merged, merge, paper_part, precision_place
from qrtui.results.metrics import MoreRobust
from qrtui.results.provenance import Provenance
from qrtui.results.published import published
from qrtui.results.report import ReportedCondition


class Side(msgspec.Struct, frozen=True):
    """One report's numbers in a cell, under the names and with the meaning they have in a report."""

    n: int
    pass_at_1: float | None
    drop: float | None
    delta: float | None
    rrs: float | None
    rrs_low: float | None
    rrs_high: float | None
    more_robust: MoreRobust | None


class Pair(msgspec.Struct, frozen=True):
    """The same cell in both reports. `difference` is the RRS of the first less that of the second.

    `agree` says whether the arrows are the same, `within` whether the second's RRS lies in the first's interval; each
    is None where a side lacks what it takes.
    """

    family: str
    size: str
    precision: str
    dataset: str
    perturbation: str
    first: Side
    second: Side
    difference: float | None
    agree: bool | None
    within: bool | None


class Agreement(msgspec.Struct, frozen=True):
    """In how many of the `cells` with an arrow on both sides the arrows are the same.

    `low` and `high` are the exact 95 % interval of that share (Clopper and Pearson), `expected` is the share that two
    reports with as many arrows of each kind would reach by chance, and `kappa` is Cohen's: 0 is chance, 1 is perfect;
    None where chance alone would agree in every cell.
    """

    cells: int
    agree: int
    share: float
    low: float
    high: float
    expected: float
    kappa: float | None
    within: int
    with_interval: int


class Against(msgspec.Struct, frozen=True):
    """Two reports side by side; `only_first` and `only_second` count the cells that the other lacks."""

    title: str
    first: str
    second: str
    cells: list[Pair]
    agreement: Agreement | None
    clean_loss: list[CleanLoss]
    only_first: int
    only_second: int
    notes: list[str]
    repeat: dict[str, Provenance]


def against(first: Merged, second: Merged) -> Against:
    """The cells that both have, in the first one's order: same model, precision, data set and perturbation.

    The paper names no precision: it stands beside the run's int8, or the first quantized precision that the run has.
    Raises QrtuiError where no cell is in both.
    """
    chosen = _precision_for_the_paper(first, second)
    ours, theirs = (_by_key(first, chosen), _by_key(second, chosen))
    shared = [key for key in ours if key in theirs]
    if not shared:
        raise QrtuiError(f"{first.title} and {second.title} have no cell in common", _needed(chosen))
    pairs = [_pair(key, ours[key].condition, theirs[key].condition) for key in shared]
    return Against(
        title=f"{first.title} against {second.title}",
        first=first.label,
        second=second.label,
        cells=pairs,
        agreement=agreement(pairs),
        clean_loss=clean_losses(first.cells) if _is_paper(second) else [],
        only_first=len(ours) - len(shared),
        only_second=len(theirs) - len(shared),
        notes=_notes(first, second, chosen, shared),
        repeat={**first.repeat, **second.repeat},
    )


def agreement(pairs: Iterable[Pair]) -> Agreement | None:
    """How often the arrows are the same, and how often chance would make them so; None where no cell has two."""
    told = [pair for pair in pairs if pair.agree is not None]
    if not told:
        return None
    from scipy.stats import binomtest

    total, same = len(told), sum(pair.agree is True for pair in told)
    interval = binomtest(same, total).proportion_ci(method="exact")
    ours, theirs = (Counter(side.more_robust for side in sides) for sides in zip(*_sides(told), strict=True))
    expected = sum((Fraction(ours[arrow] * theirs[arrow], total**2) for arrow in ours), Fraction())
    kappa = float((Fraction(same, total) - expected) / (1 - expected)) if expected != 1 else None
    tested = [pair for pair in told if pair.within is not None]
    return Agreement(
        cells=total,
        agree=same,
        share=same / total,
        low=float(interval.low),
        high=float(interval.high),
        expected=float(expected),
        kappa=kappa,
        within=sum(pair.within is True for pair in tested),
        with_interval=len(tested),
    )


_Key = tuple[KnownAs, str, str, str]


def _needed(chosen: str) -> str:
    if not chosen:
        return "they need the same model, precision, data set and perturbation"
    over = published().table_one
    return (
        f"the paper's are {', '.join(sorted({cell.model.family for cell in merge([paper_part()]).cells}))} on"
        f" {', '.join(over.datasets)} with {', '.join(over.attacks)} as published"
    )


def _sides(pairs: Iterable[Pair]) -> list[tuple[Side, Side]]:
    return [(pair.first, pair.second) for pair in pairs]


def _by_key(merged: Merged, chosen: str) -> dict[_Key, Cell]:
    """The cells under what makes them the same in both reports; the paper's stand under the `chosen` precision."""
    renamed = chosen if _is_paper(merged) else ""
    return {
        (cell.model, renamed or cell.condition.precision, cell.condition.dataset, cell.condition.perturbation): cell
        for cell in merged.together
    }


def _precision_for_the_paper(*sides: Merged) -> str:
    """The precision that the paper's cells stand for beside a run; empty where no side is the paper's, or both are."""
    if sum(map(_is_paper, sides)) != 1:
        return ""
    names = {c.condition.precision for side in sides for c in side.cells if not c.is_original and not c.part.is_paper}
    return "int8" if "int8" in names or not names else min(names, key=precision_place)


def _is_paper(merged: Merged) -> bool:
    return all(part.is_paper for part in merged.parts)


def _pair(key: _Key, first: ReportedCondition, second: ReportedCondition) -> Pair:
    model, precision, dataset, perturbation = key
    arrows = first.more_robust, second.more_robust
    rrs = first.rrs, second.rrs
    return Pair(
        *model,
        precision,
        dataset,
        perturbation,
        _side(first),
        _side(second),
        difference=rrs[0] - rrs[1] if rrs[0] is not None and rrs[1] is not None else None,
        agree=arrows[0] == arrows[1] if all(arrows) else None,
        within=_within(first, second.rrs),
    )


def _side(condition: ReportedCondition) -> Side:
    return Side(**{field: getattr(condition, field) for field in Side.__struct_fields__})


def _within(condition: ReportedCondition, rrs: float | None) -> bool | None:
    """Whether an RRS lies in a condition's interval, of which an open end is 0 or infinite; None without interval."""
    low, high = condition.rrs_low, condition.rrs_high
    if rrs is None or (low is None and high is None):
        return None
    return (low or 0) <= rrs and (high is None or rrs <= high)


def _notes(first: Merged, second: Merged, chosen: str, shared: Sequence[_Key]) -> list[str]:
    notes = [merged.rule for merged in (first, second) if merged.rule]
    unlike = [name for name in dict.fromkeys(dataset for _, _, dataset, _ in shared) if _unlike(name, first, second)]
    if unlike:
        notes.append(f"Not the same tasks in both: {', '.join(unlike)}. Differences there may be the tasks'.")
    originals = {merged.label: _originals(merged) for merged in (first, second) if _originals(merged)}
    if chosen:
        notes.append(
            f'The paper\'s table says "quantized" and names no precision: it stands beside {chosen}, which is compared'
            f" with an original in {', '.join(originals.values())}."
        )
        near = _near_the_papers(first, second, shared)
        if near:
            notes.append(f"Left out, as its parameters are not those of the paper's attack: {', '.join(near)}.")
    elif len(set(originals.values())) > 1:
        said = ", ".join(f"{names} in {title}" for title, names in originals.items())
        notes.append(f"The originals differ ({said}), and with them what an RRS means.")
    return notes


def _unlike(dataset: str, first: Merged, second: Merged) -> bool:
    """Whether the two sides took other tasks of a data set, as far as both say which they took."""
    took = [
        {origin.datasets[dataset].hash for origin in merged.repeat.values() if dataset in origin.datasets}
        for merged in (first, second)
    ]
    return all(took) and took[0] != took[1]


def _originals(merged: Merged) -> str:
    return ", ".join(sorted({cell.original for cell in merged.cells if cell.original}))


def _near_the_papers(first: Merged, second: Merged, shared: Sequence[_Key]) -> list[str]:
    """Perturbations of the paper's kinds but with parameters of their own."""
    compared = {perturbation for *_, perturbation in shared}
    labels = dict.fromkeys(cell.condition.perturbation for side in (first, second) for cell in side.cells)
    near = [name for name in labels if name.partition(" ")[0] in PAPERS_KINDS and " " in name and name not in compared]
    return list(map(perturbation_name, near))
