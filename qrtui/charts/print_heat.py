"""Heat maps for print (Figure 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from qrtui.charts.palette import luminance
from qrtui.charts.print_page import GREY, ColumnNames, Page, room_for_names, text_width
from qrtui.results.charts import HeatColumn, HeatMap, HeatPanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.165


def heat_figure(chart: HeatMap, width: float) -> Figure:
    """The chart as a figure `width` inches wide."""
    rows = [row for panel in chart.panels for row in panel.rows]
    models = max((len(row.label) for row in rows), default=1)
    precisions = max((len(row.precision) for row in rows), default=1)
    left = room_for_names(models + precisions + 2, width)
    cell = (width - left) / max((len(panel.columns) for panel in chart.panels), default=1)
    heads = [_heads(panel.columns, cell) for panel in chart.panels]
    names = ColumnNames([head.label for some in heads for head in some], cell)
    grouped = any(head.group for some in heads for head in some)
    page = Page(
        width,
        chart.title,
        chart.notes,
        [_ROW * len(panel.rows) for panel in chart.panels],
        left=left,
        top=(0.17 if any(panel.title for panel in chart.panels) else 0.02) + names.height + (0.15 if grouped else 0.02),
        bottom=0.08,
        most_across=1,
    )
    for axes, panel, some in zip(page.axes(), chart.panels, heads, strict=True):
        _draw_panel(axes, chart, panel, text_width(precisions + 1))
        names.write(axes, [head.label for head in some])
        _name_groups(axes, some, names.height)
        if panel.title:
            above = names.height + (0.15 if any(head.group for head in some) else 0.02)
            axes.set_title(panel.title, loc="left", pad=above * 72)
    return page.figure


def _heads(columns: Sequence[HeatColumn], cell: float) -> list[HeatColumn]:
    """What stands over each column: a group too long to stand over its columns is part of their names instead."""
    counts = Counter(column.group for column in columns)
    return [
        column
        if text_width(len(column.group), 6) <= counts[column.group] * cell
        else HeatColumn("", f"{column.group} {column.label}")
        for column in columns
    ]


def _draw_panel(axes: Axes, chart: HeatMap, panel: HeatPanel, precision_width: float) -> None:
    import matplotlib
    import numpy as np

    values = np.array([[np.nan if value is None else value for value in row.values] for row in panel.rows], dtype=float)
    # Lost is warm and won is cold; both maps are even to the eye and safe for the colour blind.
    colours = matplotlib.colormaps["Blues" if chart.metric == "pass@1" else "PuOr_r"]
    spread = chart.high - chart.low or 1.0
    axes.set_xlim(0, len(panel.columns))
    axes.set_ylim(len(panel.rows), 0)
    for at, row in enumerate(values):
        for column, value in enumerate(row):
            if np.isnan(value):
                axes.text(column + 0.5, at + 0.5, "–", ha="center", va="center", size=5.5, color=GREY)
                continue
            colour = colours(
                0.85 * (value - chart.low) / spread if chart.metric == "pass@1" else (value - chart.low) / spread
            )
            axes.add_patch(_square(column, at, colour))
            dark = luminance((round(colour[0] * 255), round(colour[1] * 255), round(colour[2] * 255))) < 0.3
            said = f"{value:.2f}" if abs(value) >= 1 else f"{value:.2f}".replace("0.", ".", 1)
            axes.text(
                column + 0.5,
                at + 0.5,
                said,
                ha="center",
                va="center_baseline",
                size=5.5,
                color="white" if dark else "black",
            )
    _name_rows(axes, panel, precision_width)


def _square(column: int, row: int, colour: tuple[float, ...]):  # type: ignore[no-untyped-def]
    from matplotlib.patches import Rectangle

    return Rectangle((column + 0.02, row + 0.03), 0.96, 0.94, facecolor=colour, linewidth=0)


def _name_rows(axes: Axes, panel: HeatPanel, precision_width: float) -> None:
    axes.set_yticks([at + 0.5 for at in range(len(panel.rows))], [row.precision for row in panel.rows])
    at = 0
    for label, members in groupby(panel.rows, key=lambda row: row.label):
        count = len(list(members))
        axes.annotate(
            label,
            (0, at + 0.5),
            xycoords=("axes fraction", "data"),
            xytext=(-precision_width * 72 - 6, 0),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            size=6.5,
        )
        at += count
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)


def _name_groups(axes: Axes, heads: Sequence[HeatColumn], above: float) -> None:
    """The groups' names, `above` inches over the cells."""
    start = 0
    for group, members in groupby(heads, key=lambda head: head.group):
        count = len(list(members))
        if group:
            _name_group(axes, group, (start, start + count), above)
        start += count


def _name_group(axes: Axes, group: str, span: tuple[int, int], above: float) -> None:
    start, end = span
    place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    axes.annotate(group, ((start + end) / 2, 1), xytext=(0, above * 72 + 2), ha="center", size=6, **place)
    rule = -above / _ROW
    axes.plot([start + 0.1, end - 0.1], [rule, rule], color="black", linewidth=0.4, clip_on=False)
