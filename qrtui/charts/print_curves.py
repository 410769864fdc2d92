"""Noise curves for print (Figure 3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qrtui.charts.print_page import COLOURS, DASHES, GREY, MARKS, ORIGINAL, Page, place
from qrtui.perturb.naming import level_name
from qrtui.results.charts import Curve, CurveChart, CurvePanel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLEAN_DECADES = 0.6
_DODGE = 0.035


def curve_figure(chart: CurveChart, width: float) -> Figure:
    """The chart as a figure `width` inches wide."""
    from matplotlib.lines import Line2D

    tall = 1.45 if width < 5 else 1.6
    page = Page(
        width,
        chart.title,
        chart.notes,
        [tall] * len(chart.panels),
        left=0.42,
        bottom=0.42,
        top=0.22 if any(panel.title for panel in chart.panels) else 0.1,
        legend=0.16,
    )
    curves = {curve.series: curve for panel in chart.panels for curve in panel.curves}
    places = place([name for name, curve in curves.items() if not curve.is_baseline])
    top = max((point.high for panel in chart.panels for curve in panel.curves for point in curve.points), default=1.0)
    for axes, panel in zip(page.axes(), chart.panels, strict=True):
        _draw_panel(axes, chart, panel, places, min(1.0, math.ceil(top * 10) / 10))
    page.legend(
        [
            Line2D([], [], label=f"{curve.series} original" if curve.is_baseline else name, **_look(curve, places))
            for name, curve in curves.items()
        ]
    )
    return page.figure


def _look(curve: Curve, places: dict[str, int]) -> dict[str, Any]:
    if curve.is_baseline:
        return {"color": ORIGINAL, "marker": "o", "linestyle": "-"}
    at = places[curve.series]
    return {"color": COLOURS[at], "marker": MARKS[at], "linestyle": DASHES[at]}


def _draw_panel(axes: Axes, chart: CurveChart, panel: CurvePanel, places: dict[str, int], top: float) -> None:
    positive = [level for level in panel.levels if level > 0]
    first = math.log10(positive[0])
    x = {level: math.log10(level) if level else first - _CLEAN_DECADES for level in panel.levels}
    for number, curve in enumerate(panel.curves):
        aside = (number - (len(panel.curves) - 1) / 2) * _DODGE
        axes.errorbar(
            [x[point.level] + aside for point in curve.points],
            [point.value for point in curve.points],
            [
                [max(0.0, point.value - point.low) for point in curve.points],
                [max(0.0, point.high - point.value) for point in curve.points],
            ],
            **_look(curve, places),
            elinewidth=0.5,
            capsize=1.2,
            capthick=0.5,
            clip_on=False,
        )
    axes.set_title(panel.title, loc="left", pad=4)
    axes.text(0.02, 0.03, _shares(panel), transform=axes.transAxes, size=5.5, color=GREY, va="bottom", linespacing=1.3)
    axes.set_xticks(
        [x[level] for level in panel.levels], [level_name(level) if level else "0\nclean" for level in panel.levels]
    )
    axes.set_xlabel(chart.x_axis, labelpad=2)
    axes.set_ylabel(chart.y_axis, labelpad=3)
    axes.set_ylim(0, top)
    axes.set_xlim(min(x.values()) - 0.1, max(x.values()) + 0.1)
    if 0 in x:
        # The axis is broken between clean and the first level: a logarithm has no 0.
        axes.text(first - _CLEAN_DECADES / 2, 0, "//", ha="center", va="center", size=6)


def _shares(panel: CurvePanel) -> str:
    """The shares of the weights that noise reached, as far as they are known."""
    by_share: dict[str, list[str]] = {}
    for curve in panel.curves:
        if curve.share is not None:
            by_share.setdefault(f"{curve.share:.0%}", []).append(curve.series)
    said = "\n".join(f"{share} of {', '.join(names)}" for share, names in by_share.items())
    return f"weights reached:\n{said}" if said else ""
