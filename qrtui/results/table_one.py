"""The paper's Table I for any runs: a row for each quantized model, a column for each data set and perturbation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

import msgspec

from qrtui.errors import QrtuiError
from qrtui.perturb.noise import NoiseKind
from qrtui.results.clean_loss import CleanLoss, clean_losses
from qrtui.results.merged import Cell, Merged, merged_report, precision_place
from qrtui.results.metrics import MoreRobust
from qrtui.results.provenance import Provenance
from qrtui.results.published import published
from qrtui.results.report import ReportedCondition, summarize


class Column(msgspec.Struct, frozen=True):
    """One column."""

    dataset: str
    perturbation: str


class TableOneCell(msgspec.Struct, frozen=True):
    """One cell: over `n` tasks of `run`; `rrs` is None where the paper would print the arrow alone."""

    run: int | str
    n: int
    rrs: float | None
    more_robust: MoreRobust


class TableOneRow(msgspec.Struct, frozen=True):
    """One quantized model and the precision of its original; a cell is None where there is no result."""

    family: str
    size: str
    precision: str
    original: str
    cells: list[TableOneCell | None]


class Headline(msgspec.Struct, frozen=True):
    """How the arrows of some cells point, and the sign test on them; shares of all `cells`, 0 to 1."""

    over: str
    cells: int
    quantized: int
    original: int
    equal: int
    quantized_share: float
    original_share: float
    equal_share: float
    sign_test_p: float | None


class TableOne(msgspec.Struct, frozen=True):
    """The whole table. `headlines` begins with that over all cells; the last is the paper's own, where it is not it.

    `repeat` is, by run, what it takes to repeat it.
    """

    layout: str
    runs: list[int | str]
    columns: list[Column]
    rows: list[TableOneRow]
    headlines: list[Headline]
    clean_loss: list[CleanLoss]
    notes: list[str]
    title: str
    repeat: dict[str, Provenance]


def table_one(merged: Merged) -> TableOne:
    """The table of the quantized models' perturbed cells. Raises QrtuiError where none can be compared yet."""
    cells = [cell for cell in merged.cells if not cell.is_original and cell.condition.perturbation != "clean"]
    if not any(cell.condition.more_robust for cell in cells):
        raise QrtuiError(
            f"{merged.title}: no quantized model to compare with its original yet",
            "that needs clean and perturbed results of both; see qrtui runs",
        )
    columns = _columns(cells)
    return TableOne(
        layout="table1",
        runs=[part.report.run for part in merged.parts],
        columns=columns,
        rows=_rows(cells, columns),
        headlines=_headlines(cells),
        clean_loss=clean_losses(merged.cells),
        notes=_notes(merged, cells),
        title=merged.title,
        repeat=merged.repeat,
    )


def _columns(cells: Iterable[Cell]) -> list[Column]:
    """The paper's data sets and attacks in its order, then the others as they come; noise after the attacks."""
    datasets, attacks = published().table_one.datasets, published().table_one.attacks
    found = dict.fromkeys(Column(cell.condition.dataset, cell.condition.perturbation) for cell in cells)
    perturbations = list(dict.fromkeys(column.perturbation for column in found))
    names = list(dict.fromkeys([*datasets, *(column.dataset for column in found)]))

    def place(column: Column) -> tuple[int, bool, int, int]:
        kind = column.perturbation.partition(" ")[0]
        attack = attacks.index(kind) if kind in attacks else len(attacks)
        known = perturbations.index(column.perturbation)
        return names.index(column.dataset), _is_noise(column.perturbation), attack, known

    return sorted(found, key=place)


def _rows(cells: Iterable[Cell], columns: Sequence[Column]) -> list[TableOneRow]:
    by_row: dict[tuple[str, str, str, str], dict[Column, Cell]] = {}
    ordered = sorted(cells, key=lambda cell: (cell.model.order, precision_place(cell.condition.precision)))
    for cell in ordered:
        row = (*cell.model, cell.condition.precision, cell.original)
        by_row.setdefault(row, {})[Column(cell.condition.dataset, cell.condition.perturbation)] = cell
    return [TableOneRow(*row, [_result(found.get(column)) for column in columns]) for row, found in by_row.items()]


def _result(cell: Cell | None) -> TableOneCell | None:
    if cell is None or cell.condition.more_robust is None:
        return None
    condition = cell.condition
    return TableOneCell(cell.part.report.run, _compared(condition), condition.rrs, cell.condition.more_robust)


def _compared(condition: ReportedCondition) -> int:
    """The tasks that an RRS is over; without a test all of the condition's own."""
    return condition.n if condition.n_compared is None else condition.n_compared


def _headlines(cells: Sequence[Cell]) -> list[Headline]:
    """Over all cells of runs, by kind of perturbation and precision where there are several, and the paper's."""
    own = [cell for cell in cells if cell.condition.more_robust and not cell.part.is_paper]
    made = [_headline("all cells", own or cells)]
    groups: dict[str, list[Cell]] = {}
    for cell in sorted(own, key=lambda cell: precision_place(cell.condition.precision)):
        kind = "noise" if _is_noise(cell.condition.perturbation) else "attacks"
        groups.setdefault(f"{kind}, {cell.condition.precision}", []).append(cell)
    if len(groups) > 1:
        made += [_headline(over, groups[over]) for over in sorted(groups, key=lambda over: over.startswith("noise"))]
    if own:
        paper = published().headline
        values = {field: getattr(paper, field) for field in Headline.__struct_fields__ if field != "over"}
        made.append(Headline("the paper's Table I", **values))
    return made


def _headline(over: str, cells: Iterable[Cell]) -> Headline:
    summary = summarize([cell.condition for cell in cells])
    total = summary.quantized + summary.original + summary.equal
    return Headline(
        over=over,
        cells=total,
        quantized=summary.quantized,
        original=summary.original,
        equal=summary.equal,
        quantized_share=summary.quantized / total,
        original_share=summary.original / total,
        equal_share=summary.equal / total,
        sign_test_p=summary.sign_test_p,
    )


def _is_noise(perturbation: str) -> bool:
    return perturbation.partition(" ")[0] in get_args(NoiseKind)


def _notes(merged: Merged, cells: Sequence[Cell]) -> list[str]:
    notes = [
        "RRS = drop of the original / drop of the quantized model (Eq. 2). ↓ the quantized model is more robust, ↑ the"
        " original, = neither. An arrow alone: one of the drops is zero or negative, and the ratio has no meaning."
        " —: no result.",
        "The sign test takes the cells for independent; those that share a model or tasks are not.",
    ]
    summary = merged_report(merged).summary
    if summary.shown_quantized + summary.shown_original + summary.shown_neither:
        notes.insert(1, summary.says)
    tasks = _tasks(cells)
    if tasks:
        notes.append(f"Tasks: {tasks}.")
    originals = sorted({cell.original for cell in cells if cell.original})
    if len(originals) == 1:
        notes.append(f"The original is {originals[0]}.")
    unfinished = [part.title for part in merged.parts if part.report.status not in ("finished", "published")]
    if unfinished:
        notes.append(f"Not finished: {', '.join(unfinished)}; the cells hold what is judged so far.")
    if merged.rule:
        notes.append(merged.rule)
    return notes


def _tasks(cells: Iterable[Cell]) -> str:
    """How many tasks the cells are over: `demo 20, mbpp 12 to 378`."""
    counts: dict[str, list[int]] = {}
    for cell in cells:
        if cell.condition.more_robust:
            counts.setdefault(cell.condition.dataset, []).append(_compared(cell.condition))
    return ", ".join(
        f"{name} {min(some)}" + (f" to {max(some)}" if max(some) > min(some) else "") for name, some in counts.items()
    )
