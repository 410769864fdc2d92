"""Heat maps for print (Figure 4)."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from qrtui.charts.palette import luminance
from qrtui.charts.print_page import GREY, Page, text_width
from qrtui.results.charts import HeatMap, HeatPanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.165


def heat_figure(chart: HeatMap, width: float) -> Figure:
    """The chart as a figure `width` inches wide."""
    rows = [row for panel in chart.panels for row in panel.rows]
    models = max((len(row.label) for row in rows), default=1)
    precisions = max((len(row.precision) for row in rows), default=1)
    grouped = any(column.group for panel in chart.panels for column in panel.columns)
    left = text_width(models + precisions + 2) + 0.1
    cell = (width - left) / max((len(panel.columns) for panel in chart.panels), default=1)
    longest = max((text_width(len(column.label), 6) for panel in chart.panels for column in panel.columns), default=0.0)
    slanted = longest > cell - 0.03
    named = longest * 0.75 + 0.1 if slanted else 0.14
    page = Page(
        width,
        chart.title,
        chart.notes,
        [_ROW * len(panel.rows) for panel in chart.panels],
        left=left,
        top=(0.17 if any(panel.title for panel in chart.panels) else 0.02) + named + (0.15 if grouped else 0.02),
        bottom=0.08,
        most_across=1,
    )
    for axes, panel in zip(page.axes(), chart.panels, strict=True):
        _draw_panel(axes, chart, panel, text_width(precisions + 1))
        _name_columns(axes, panel, named, slanted=slanted)
    return page.figure


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


def _name_columns(axes: Axes, panel: HeatPanel, above: float, *, slanted: bool) -> None:
    """Names over the columns, `above` inches high, slanted where they are too long; groups over them."""
    axes.xaxis.tick_top()
    axes.set_xticks([at + 0.5 for at in range(len(panel.columns))], [column.label for column in panel.columns])
    for label in axes.get_xticklabels() if slanted else ():
        label.set(rotation=45, ha="left", rotation_mode="anchor")
    axes.tick_params(axis="x", pad=1)
    start = 0
    for group, members in groupby(panel.columns, key=lambda column: column.group):
        count = len(list(members))
        if group:
            _name_group(axes, group, (start, start + count), above)
        start += count
    if panel.title:
        grouped = any(column.group for column in panel.columns)
        axes.set_title(panel.title, loc="left", pad=(above + (0.15 if grouped else 0.02)) * 72)


def _name_group(axes: Axes, group: str, span: tuple[int, int], above: float) -> None:
    start, end = span
    place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    axes.annotate(group, ((start + end) / 2, 1), xytext=(0, above * 72 + 2), ha="center", size=6, **place)
    rule = -above / _ROW
    axes.plot([start + 0.1, end - 0.1], [rule, rule], color="black", linewidth=0.4, clip_on=False)
