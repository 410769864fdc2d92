"""Curves on a grid of characters, drawn by plotext. Only ever called on one thread: plotext has one global figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.style import Style
from rich.text import Text

from qrtui.charts.palette import Palette, Pen, slots, style
from qrtui.perturb.naming import level_name
from qrtui.results.charts import CurveChart, CurvePanel

MARKS = ("●", "■", "▲", "◆", "✚", "▼")
"""The original's mark, then those of the quantized precisions: curves are told apart without colour."""

_AXIS_COLUMNS = 5
_Y_STEPS = (0.05, 0.1, 0.2, 0.25, 0.5)
_ROWS_PER_TICK = 2.5
_CLEAN_DECADES = 0.7


def draw_curves(chart: CurveChart, panel: CurvePanel, width: int, height: int, palette: Palette) -> list[Text]:
    """The lines of one panel, `width` columns and `height` lines: the legend, the curves, the axis of levels."""
    pens, marks = _pens(panel, palette), _marks(panel)
    legend = _legend(chart, panel, pens, marks, palette, width)
    text = _plot(chart, panel, width, max(6, height - len(legend)), marks)
    # plotext is given the number of a pen for a colour, so that the colours themselves stay ours.
    drawn = [*pens.values(), palette.muted]
    for at, span in enumerate(text.spans):
        text.spans[at] = span._replace(style=_repainted(span.style, drawn))
    text.no_wrap = True
    return [*legend, *text.split()]


def _pens(panel: CurvePanel, palette: Palette) -> dict[str, Pen]:
    places = slots([curve.series for curve in panel.curves if not curve.is_baseline])
    return {
        curve.series: palette.text if curve.is_baseline else palette.series[places[curve.series] % len(palette.series)]
        for curve in panel.curves
    }


def _marks(panel: CurvePanel) -> dict[str, str]:
    places = slots([curve.series for curve in panel.curves if not curve.is_baseline])
    return {
        curve.series: MARKS[0] if curve.is_baseline else MARKS[1 + places[curve.series] % (len(MARKS) - 1)]
        for curve in panel.curves
    }


def _legend(
    chart: CurveChart, panel: CurvePanel, pens: dict[str, Pen], marks: dict[str, str], palette: Palette, width: int
) -> list[Text]:
    """What the vertical axis is; each curve's mark, name and share of weights that noise reached."""
    lines = [Text(f"{chart.y_axis}   ", style(palette.muted), no_wrap=True)]
    for curve in panel.curves:
        unit = " of the weights" if curve is panel.curves[-1] else ""
        share = "" if curve.share is None else f" {curve.share:.0%}{unit}"
        original = " original" if curve.is_baseline else ""
        entry = Text.assemble(
            (f"{marks[curve.series]} {curve.series}{original}", style(pens[curve.series])),
            (share, style(palette.muted)),
        )
        _put(lines, entry, width, len(chart.y_axis) + 3)
    for line in lines:
        line.rstrip()
    return lines


def _put(lines: list[Text], entry: Text, width: int, indent: int) -> None:
    if len(lines[-1]) + len(entry) > width:
        lines.append(Text(" " * indent, no_wrap=True))
    lines[-1].append_text(entry).append("   ")


def _plot(chart: CurveChart, panel: CurvePanel, width: int, height: int, marks: dict[str, str]) -> Text:
    import plotext

    muted = (len(panel.curves), 0, 0)
    # Otherwise plotext clips to the size of the terminal, and paints a white background.
    plotext.terminal.limit(False, False)
    plotext.add_theme("qrtui", canvas="default", text=(muted, "default"), sequence=[muted])
    figure = plotext.figure
    figure.clear()
    figure.theme("qrtui")
    figure.canvas("default")
    figure.plot_size(width, height)
    figure.axes(False)
    figure.axes(True, axis="x", side=0)
    figure.axes(True, axis="y", side=0)
    places = _level_places(panel.levels, width - _AXIS_COLUMNS)
    top = _rounded_up(max([0.05, *(point.value for curve in panel.curves for point in curve.points)]))
    _set_rulers(figure, places, top, height)
    figure.label(f"{chart.x_axis} (0: clean)", "x")
    for number, curve in enumerate(panel.curves):
        pixel = plotext.pixel((number, 0, 0), "default")
        xs, ys = [places[point.level] for point in curve.points], [point.value for point in curve.points]
        figure.draw(figure.signal(xs, ys, marker=plotext.marker("braille", pixel=pixel)).lines(True))
    for number, curve in enumerate(panel.curves):
        pixel = plotext.pixel((number, 0, 0), "default")
        # Beside each other: marks of equal values would hide one another.
        aside = number - (len(panel.curves) - 1) / 2
        xs, ys = [places[point.level] + aside for point in curve.points], [point.value for point in curve.points]
        figure.draw(figure.signal(xs, ys, marker=plotext.marker(marks[curve.series], pixel=pixel)))
    return Text.from_ansi(str(figure.build().string()))


def _set_rulers(figure: Any, places: dict[float, float], top: float, height: int) -> None:
    last = max(places.values())
    figure.ruler("x").lim(-2, last + 3).alignment(lim="edge")
    figure.ruler("x").ticks(list(places.values()), [level_name(level) for level in places])
    step = next((step for step in _Y_STEPS if top / step <= height / _ROWS_PER_TICK), top)
    ticks = [step * at for at in range(int(top / step + 1e-9) + 1)]
    figure.ruler("y", 0).lim(0, top * 1.02).alignment(lim="edge")
    figure.ruler("y", 0).ticks(ticks, [f"{tick:.2f}".replace("0.", ".", 1) for tick in ticks])


def _level_places(levels: Sequence[float], width: int) -> dict[float, float]:
    """The levels by their logarithm, 0 some way before the first; pushed apart where their names would touch."""
    positive = [level for level in levels if level > 0]
    lowest = math.log10(positive[0])
    places = {level: math.log10(level) - lowest + _CLEAN_DECADES if level else 0.0 for level in levels}
    scale = max(1, width - 7) / max(places.values())
    columns: dict[float, float] = {}
    for level, place in places.items():
        before = next(reversed(columns), None)
        least = 0.0 if before is None else columns[before] + (len(level_name(before)) + len(level_name(level))) / 2 + 1
        columns[level] = max(place * scale, least)
    return columns


def _rounded_up(value: float) -> float:
    return math.ceil(value * 10 - 1e-9) / 10


def _repainted(given: str | Style, pens: Sequence[Pen]) -> Style:
    found = given if isinstance(given, Style) else Style.parse(given)
    if found.color is None or found.color.triplet is None:
        return Style()
    return style(pens[found.color.triplet.red])
