"""Two reports side by side as text, Markdown, CSV, JSON or LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from qrtui.counting import counted
from qrtui.perturb.naming import perturbation_name
from qrtui.printable import json_text
from qrtui.results.against import Against, Agreement, Pair, Side
from qrtui.results.clean_loss import in_words as clean_loss_in_words
from qrtui.results.grid import LATEX_NEEDS, Grid, Group, grid_latex, grid_markdown, grid_text, latex_comments, wrapped
from qrtui.results.repeating import repeat_lines, repeat_markdown, repeat_text
from qrtui.results.report_tables import rrs_text
from qrtui.results.writing import Format


def write_against(compared: Against, form: Format, width: int = 120) -> str:
    """The comparison in a format, ending in a newline; text keeps to `width` characters."""
    if form == "json":
        return json_text(compared)
    if form == "csv":
        return _csv(compared)
    title, grid, notes = compared.title, _grid(compared), _notes(compared)
    if form == "latex":
        said = latex_comments([title, LATEX_NEEDS, *notes, *repeat_lines(compared.repeat)])
        return f"{said}\n{grid_latex(grid, title)}"
    if form == "md":
        return "\n\n".join([f"# {title}", grid_markdown(grid), *notes, *repeat_markdown(compared.repeat)]) + "\n"
    below = "\n".join(wrapped(note, width) for note in notes)
    return "\n\n".join([title, grid_text(grid, width), below, *repeat_text(compared.repeat, width)]) + "\n"


def in_words(found: Agreement | None) -> str:
    """The agreement as a sentence."""
    if found is None:
        return "No cell has an arrow on both sides: there is nothing to agree on."
    kappa = "kappa cannot be told" if found.kappa is None else f"Cohen's kappa {found.kappa:.2f}"
    share, low, high, chance = (f"{100 * part:.0f} %" for part in (found.share, found.low, found.high, found.expected))
    return (
        f"The arrows agree in {found.agree} of {counted(found.cells, 'cell')} ({share}, 95 % interval {low} to {high});"
        f" as many arrows of each kind would agree in {chance} by chance ({kappa}; 0 is chance, 1 is perfect). The"
        " interval takes the cells for independent; those that share a model or tasks are not."
    )


def _notes(compared: Against) -> list[str]:
    found = compared.agreement
    notes = [in_words(found)]
    if found and found.with_interval:
        notes.append(
            f"The RRS of {compared.second} lies in the 95 % interval of {compared.first} in {found.within} of"
            f" {counted(found.with_interval, 'cell')} that have both."
        )
    notes += map(clean_loss_in_words, compared.clean_loss)
    notes.append(
        f"Cells in {compared.first} only: {compared.only_first}; in {compared.second} only: {compared.only_second}."
    )
    notes.append("diff.: the RRS of the first less that of the second.")
    return [*notes, *compared.notes]


def _grid(compared: Against) -> Grid:
    """The cells; pass rates that a side lacks have no column, and n is told once where it is the same."""
    pairs = compared.cells
    once = all(pair.first.n == pair.second.n for pair in pairs)
    sides = [(compared.first, [pair.first for pair in pairs]), (compared.second, [pair.second for pair in pairs])]
    written = [(Group(title, _measures(some, once)), some) for title, some in sides]
    groups = (*([Group("", ("n",))] if once else []), *(group for group, _ in written), _JUDGEMENT)
    rows = []
    for at, pair in enumerate(pairs):
        stub = (
            f"{pair.family} {pair.size}".strip(),
            pair.precision,
            pair.dataset,
            perturbation_name(pair.perturbation),
        )
        told = [_measure(some[at], column) for group, some in written for column in group.columns]
        rows.append((*stub, *([str(pair.first.n)] if once else []), *told, *_judgement(pair)))
    return Grid(("model", "precision", "data set", "perturbation"), groups, rows)


_JUDGEMENT = Group("", ("diff.", "arrows"))


def _judgement(pair: Pair) -> tuple[str, str]:
    difference = "-" if pair.difference is None else f"{pair.difference:+.3f}"
    return difference, {True: "agree", False: "differ", None: "-"}[pair.agree]


def _measures(sides: Sequence[Side], once: bool) -> tuple[str, ...]:
    measured = any(side.pass_at_1 is not None for side in sides)
    return (*([] if once else ["n"]), *(["pass@1"] if measured else []), "RRS")


def _measure(side: Side, column: str) -> str:
    if column == "RRS":
        return rrs_text(side.rrs, side.more_robust)
    if column == "n":
        return str(side.n)
    return "-" if side.pass_at_1 is None else f"{side.pass_at_1:.3f}"


def _csv(compared: Against) -> str:
    rows = [_flat(pair) for pair in compared.cells]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(pair: Pair) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(pair).items():
        if isinstance(value, Side):
            row |= {f"{name}_{field}": part for field, part in msgspec.structs.asdict(value).items()}
        else:
            row[name] = value
    return row
