"""Bars for print (Figure 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qrtui.charts.print_page import COLOURS, GREY, HATCHES, ORIGINAL, Page, place, room_for_names
from qrtui.results.charts import Bar, BarChart, BarPanel
from qrtui.results.metrics import ARROWS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR = 0.1
_BETWEEN = 0.07
_FARTHEST = 8.0
_LEAST = 2.0
_TICKS = {1 / 8: "1/8", 1 / 4: "1/4", 1 / 2: "1/2", 1.0: "1", 2.0: "2", 4.0: "4", 8.0: "8"}


def bar_figure(chart: BarChart, width: float) -> Figure:
    """The chart as a figure `width` inches wide."""
    from matplotlib.patches import Patch

    labels = max((len(group.label) for panel in chart.panels for group in panel.groups), default=1)
    page = Page(
        width,
        chart.title,
        chart.notes,
        [_tall(panel) for panel in chart.panels],
        left=room_for_names(labels, width),
        right=0.5,
        bottom=0.36,
        top=0.2 if any(panel.title for panel in chart.panels) else 0.04,
        legend=0.17,
    )
    looks = _looks(chart)
    for axes, panel in zip(page.axes(), chart.panels, strict=True):
        _draw_panel(axes, chart, panel, looks)
    page.legend([Patch(label=name, **looks[name]) for name in chart.series])
    return page.figure


def _tall(panel: BarPanel) -> float:
    return sum(len(group.bars) * _BAR + _BETWEEN for group in panel.groups) + _BETWEEN


def _looks(chart: BarChart) -> dict[str, dict[str, Any]]:
    """Colours for each series, and a hatch for who prints in grey."""
    baselines = {
        bar.series for panel in chart.panels for group in panel.groups for bar in group.bars if bar.of.is_baseline
    }
    places = place([name for name in chart.series if name not in baselines])
    return {
        name: {"facecolor": ORIGINAL, "linewidth": 0}
        if name in baselines
        else {"facecolor": COLOURS[places[name]], "hatch": HATCHES[places[name]], "edgecolor": "white", "linewidth": 0}
        for name in chart.series
    }


def _draw_panel(axes: Axes, chart: BarChart, panel: BarPanel, looks: dict[str, dict[str, Any]]) -> None:
    low, high = _limits(chart)
    y = _BETWEEN
    ticks = []
    for group in panel.groups:
        ticks.append((y + len(group.bars) * _BAR / 2, group.label))
        for bar in group.bars:
            _draw_bar(axes, bar, y + _BAR / 2, chart, looks, (low, high))
            y += _BAR
        y += _BETWEEN
    axes.set_ylim(y, 0)
    axes.set_yticks([at for at, _ in ticks], [label for _, label in ticks])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(panel.title, loc="left", pad=3)
    if chart.reference is not None:
        axes.set_xscale("log")
        axes.minorticks_off()
        shown = {at: name for at, name in _TICKS.items() if low <= at <= high}
        axes.set_xticks(list(shown), list(shown.values()))
        axes.axvline(chart.reference, color="black", linewidth=0.6)
        axes.set_xlabel("← original more robust      RRS      quantized more robust →", labelpad=2, size=6)
    else:
        axes.set_xlabel(chart.axis, labelpad=2)
    axes.set_xlim(low, high)


def _limits(chart: BarChart) -> tuple[float, float]:
    bars = [bar for panel in chart.panels for group in panel.groups for bar in group.bars]
    values = [end for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None]
    if chart.reference is None:
        return 0.0, max([0.1, *values])
    low = min([1 / _LEAST, *(value for value in values if value > 0)])
    return max(low, 1 / _FARTHEST) / 1.05, min(max([_LEAST, *values]), _FARTHEST) * 1.05


def _draw_bar(
    axes: Axes,
    bar: Bar,
    y: float,
    chart: BarChart,
    looks: dict[str, dict[str, Any]],
    limits: tuple[float, float],
) -> None:
    start = chart.reference if chart.reference is not None else 0.0
    if bar.value is not None:
        end = min(max(bar.value, limits[0]), limits[1])
        axes.barh(y, end - start, left=start, height=_BAR * 0.86, **looks[bar.series])
        if end != bar.value:
            axes.plot([end], [y], color="black", marker="<" if end < start else ">", markersize=2.6, zorder=4)
    if bar.low is not None:
        ends = [max(bar.low, limits[0]), min(bar.high if bar.high is not None else limits[1], limits[1])]
        axes.plot(ends, [y, y], color="black", linewidth=0.6, solid_capstyle="butt", zorder=3)
        for at, inside in ((0, bar.low >= limits[0]), (1, bar.high is not None and bar.high <= limits[1])):
            # A cap where the interval ends, an arrowhead where it goes on beyond the axis.
            mark = "|" if inside else "<>"[at]
            axes.plot([ends[at]], [y], color="black", marker=mark, markersize=3 if inside else 2.2, mew=0.6, zorder=3)
    axes.annotate(
        _said(bar),
        (1, y),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va="center_baseline",
        size=5.5,
        color="black" if bar.value is not None else GREY,
    )


def _said(bar: Bar) -> str:
    arrow = ARROWS[bar.more_robust]
    if bar.value is None:
        return f"{arrow} no ratio" if arrow else ""
    return f"{bar.value:.2f} {arrow}" if arrow else f"{bar.value:.3f}"
