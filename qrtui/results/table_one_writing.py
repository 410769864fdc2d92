"""Table I's layout as text, Markdown, CSV, JSON or LaTeX."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from qrtui.perturb.naming import perturbation_name
from qrtui.printable import json_text
from qrtui.results.clean_loss import in_words, percent
from qrtui.results.grid import (
    LATEX_NEEDS,
    Grid,
    Group,
    grid_csv,
    grid_latex,
    grid_markdown,
    grid_text,
    latex_comments,
    wrapped,
)
from qrtui.results.repeating import repeat_lines, repeat_markdown, repeat_text
from qrtui.results.report_tables import rrs_text
from qrtui.results.table_one import Headline, TableOne, TableOneCell
from qrtui.results.writing import Format

DATASET_NAMES = {"humaneval": "HumanEval", "humaneval+": "HumanEval+", "mbpp": "MBPP", "mbpp+": "MBPP+"}
"""Data sets as the paper writes them."""


def write_table_one(table: TableOne, form: Format, width: int = 120) -> str:
    """The table in a format, ending in a newline; text keeps to `width` characters."""
    if form == "json":
        return json_text(table)
    if form == "csv":
        return grid_csv(_cells(table, str))
    cells = _cells(table, perturbation_name)
    title = f"RRS in the layout of Table I: {table.title}"
    notes = [*(in_words(loss) for loss in table.clean_loss), *table.notes]
    if form == "latex":
        said = latex_comments([title, LATEX_NEEDS, *notes, *repeat_lines(table.repeat)])
        return "\n".join(
            [said, grid_latex(cells, title), grid_latex(_headlines(table), f"Who is more robust: {table.title}")]
        )
    if form == "md":
        tables = grid_markdown(cells), grid_markdown(_headlines(table))
        return "\n\n".join([f"# {title}", *tables, *notes, *repeat_markdown(table.repeat)]) + "\n"
    below = "\n".join(wrapped(note, width) for note in notes)
    tables = grid_text(cells, width), grid_text(_headlines(table), width)
    return "\n\n".join([title, *tables, below, *repeat_text(table.repeat, width)]) + "\n"


def _cells(table: TableOne, name: Callable[[str], str]) -> Grid:
    several = len({row.original for row in table.rows if row.original}) > 1
    stub = ("family", "size", "precision", *(["original"] if several else []))
    groups = tuple(
        Group(DATASET_NAMES.get(dataset, dataset), tuple(name(column.perturbation) for column in columns))
        for dataset, columns in itertools.groupby(table.columns, key=lambda column: column.dataset)
    )
    rows = [
        (row.family, row.size, row.precision, *([row.original] if several else []), *map(_cell, row.cells))
        for row in table.rows
    ]
    return Grid(stub, groups, rows)


def _cell(cell: TableOneCell | None) -> str:
    return "—" if cell is None else rrs_text(cell.rrs, cell.more_robust)


def _headlines(table: TableOne) -> Grid:
    sides = (
        Group("", ("cells",)),
        *(Group(title, ("n", "share")) for title in ("quantized ↓", "original ↑", "neither =")),
        Group("sign test", ("p",)),
    )
    return Grid(("arrows",), sides, [_headline(headline) for headline in table.headlines])


def _headline(headline: Headline) -> tuple[str, ...]:
    return (
        headline.over,
        str(headline.cells),
        str(headline.quantized),
        percent(headline.quantized_share),
        str(headline.original),
        percent(headline.original_share),
        str(headline.equal),
        percent(headline.equal_share),
        "-" if headline.sign_test_p is None else f"{headline.sign_test_p:.3f}",
    )
