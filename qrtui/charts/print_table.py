"""Table I for print: a value and an arrow in each cell, in the colour of the more robust side."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from qrtui.charts.print_page import GREY, ColumnNames, Page, room_for_names, text_width
from qrtui.counting import counted
from qrtui.perturb.naming import perturbation_name
from qrtui.results.clean_loss import percent
from qrtui.results.report_tables import rrs_text
from qrtui.results.table_one import Headline, TableOne, TableOneCell
from qrtui.results.table_one_writing import DATASET_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.15
_SIDES = {"quantized": "#0072B2", "original": "#B34700", "equal": GREY}


def table_figure(table: TableOne, width: float) -> Figure:
    """The table as a figure `width` inches wide."""
    names = [f"{row.family} {row.size}" for row in table.rows]
    precisions = [row.precision for row in table.rows]
    left = room_for_names(max(map(len, names)) + 1 + max(map(len, precisions)) + 2, width)
    cell = (width - left) / len(table.columns)
    perturbations = [perturbation_name(column.perturbation) for column in table.columns]
    names_above = ColumnNames(perturbations, cell)
    page = Page(
        width,
        f"RRS: {table.title}",
        [_counted(table.headlines[0]), *table.notes],
        [_ROW * len(table.rows)],
        left=left,
        top=names_above.height + 0.2,
        bottom=0.08,
        most_across=1,
    )
    axes = page.axes()[0]
    _draw(axes, table, cell)
    names_above.write(axes, perturbations)
    _name_rows(axes, table, text_width(max(map(len, precisions)) + 2))
    _name_datasets(axes, table, names_above.height)
    return page.figure


def _counted(headline: Headline) -> str:
    p = "" if headline.sign_test_p is None else f" (sign test p = {headline.sign_test_p:.3f})"
    return (
        f"Of {counted(headline.cells, 'cell')} ↓ {headline.quantized}, {percent(headline.quantized_share)};"
        f" ↑ {headline.original}, {percent(headline.original_share)};"
        f" = {headline.equal}, {percent(headline.equal_share)}{p}."
    )


def _draw(axes: Axes, table: TableOne, cell: float) -> None:
    axes.set_xlim(0, len(table.columns))
    axes.set_ylim(len(table.rows), 0)
    size = min(6.0, cell * 72 / 4.6)
    for at, row in enumerate(table.rows):
        for column, value in enumerate(row.cells):
            colour = _SIDES[value.more_robust] if value else GREY
            axes.text(column + 0.5, at + 0.5, _said(value), ha="center", va="center_baseline", size=size, color=colour)
    for at, (before, row) in enumerate(zip(table.rows, table.rows[1:], strict=False)):
        if before.family != row.family:
            axes.axhline(at + 1, color="black", linewidth=0.3)
    for edge in (0, len(table.rows)):
        axes.axhline(edge, color="black", linewidth=0.7, clip_on=False)


def _said(cell: TableOneCell | None) -> str:
    return "—" if cell is None else rrs_text(cell.rrs, cell.more_robust)


def _name_rows(axes: Axes, table: TableOne, precision_width: float) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_yticks([at + 0.5 for at in range(len(table.rows))], [f"{row.precision} " for row in table.rows])
    for at, row in enumerate(table.rows):
        axes.annotate(
            f"{row.family} {row.size}".strip(),
            (0, at + 0.5),
            xycoords=("axes fraction", "data"),
            xytext=(-precision_width * 72 - 4, 0),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            size=6.5,
        )


def _name_datasets(axes: Axes, table: TableOne, above: float) -> None:
    """The data sets' names, `above` inches over the cells."""
    start = 0
    for dataset, members in groupby(table.columns, key=lambda column: column.dataset):
        count = len(list(members))
        axes.annotate(
            DATASET_NAMES.get(dataset, dataset),
            (start + count / 2, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, above * 72 + 3),
            textcoords="offset points",
            ha="center",
            size=6.5,
        )
        rule = -above / _ROW
        axes.plot([start + 0.1, start + count - 0.1], [rule, rule], color="black", linewidth=0.4, clip_on=False)
        start += count
