"""Table I for print: a value and an arrow in each cell, in the colour of the more robust side."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from qrtui.charts.print_page import GREY, Page, text_width
from qrtui.results.metrics import ARROWS
from qrtui.results.table_one import TableOne, TableOneCell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.15
_SIDES = {"quantized": "#0072B2", "original": "#B34700", "equal": GREY}


def table_figure(table: TableOne, width: float) -> Figure:
    """The table as a figure `width` inches wide."""
    names = [f"{row.family} {row.size}" for row in table.rows]
    precisions = [row.precision for row in table.rows]
    left = text_width(max(map(len, names)) + 1 + max(map(len, precisions)) + 2) + 0.1
    cell = (width - left) / len(table.columns)
    slanted = max(text_width(len(column.perturbation), 6) for column in table.columns) > cell - 0.03
    above = max(text_width(len(column.perturbation), 6) for column in table.columns) * 0.75 + 0.1 if slanted else 0.14
    page = Page(
        width,
        f"RRS: {table.title}",
        table.notes,
        [_ROW * len(table.rows)],
        left=left,
        top=above + 0.2,
        bottom=0.08,
        most_across=1,
    )
    axes = page.axes()[0]
    _draw(axes, table, cell)
    _name(axes, table, above, text_width(max(map(len, precisions)) + 2), slanted=slanted)
    return page.figure


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
    if cell is None:
        return "—"
    arrow = ARROWS[cell.more_robust]
    return f"{cell.rrs:.3f} {arrow}" if cell.rrs is not None else arrow


def _name(axes: Axes, table: TableOne, above: float, precision_width: float, *, slanted: bool) -> None:
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    centres = [at + 0.5 for at in range(len(table.columns))]
    axes.set_xticks(centres, [column.perturbation for column in table.columns])
    for label in axes.get_xticklabels() if slanted else ():
        label.set(rotation=45, ha="left", rotation_mode="anchor")
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
    start = 0
    for dataset, members in groupby(table.columns, key=lambda column: column.dataset):
        count = len(list(members))
        axes.annotate(
            dataset,
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
