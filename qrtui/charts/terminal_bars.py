"""Bars as rows of text: a name, a bar with its interval, and the number in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from rich.text import Text

from qrtui.charts.palette import Palette, Pen, style
from qrtui.results.charts import Bar, BarChart, BarPanel
from qrtui.results.metrics import ARROWS

_NARROWEST = 12
_LONGEST_NAME = 0.4
_SHORTEST_NAME = 8
_SHORTEST_WORD = 4
_FARTHEST = 8.0
_LEAST = 2.0
_RATIO_TICKS = {1 / 8: "1/8", 1 / 4: "1/4", 1 / 2: "1/2", 1.0: "1", 2.0: "2", 4.0: "4", 8.0: "8"}
_SHARE_STEPS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
_TICK_WIDTH = 5
_SIDES = (("◂ original more robust", "quantized more robust ▸"), ("◂ original", "quantized ▸"))


class Axis(NamedTuple):
    """Where values stand on `width` columns: from `low` to `high`, as ratios or as shares."""

    low: float
    high: float
    width: int
    is_ratio: bool

    def column(self, value: float) -> int:
        """The column of a value; those outside stand at the edge."""
        inside = min(max(value, self.low), self.high)
        if self.is_ratio:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return round(share * (self.width - 1))

    def ticks(self) -> list[tuple[int, str]]:
        """Columns of round values, with the values."""
        if self.is_ratio:
            return [(self.column(at), name) for at, name in _RATIO_TICKS.items() if self.low <= at <= self.high]
        most = max(2, self.width // _TICK_WIDTH)
        step = next((step for step in _SHARE_STEPS if self.high / step < most), 1.0)
        return [(self.column(step * at), f"{step * at:g}") for at in range(int(self.high / step + 1e-9) + 1)]


def draw_bars(chart: BarChart, panel: BarPanel, width: int, palette: Palette) -> list[Text]:
    """The lines of one panel, `width` columns wide: one for each bar, then the axis."""
    bars = [bar for group in panel.groups for bar in group.bars]
    series, numbers, intervals = (
        _widest(bar.series for bar in bars) + 2,
        _widest(map(_number, bars)),
        _widest(map(_interval, bars)),
    )
    groups = min(_widest(group.label for group in panel.groups), int(width * _LONGEST_NAME))
    # Names give way to bars, but not all of them.
    groups = max(min(groups, _SHORTEST_NAME), min(groups, width - series - numbers - 1 - _NARROWEST))
    names = groups + series
    room = width - names - numbers - 1
    if room - intervals - 2 < _NARROWEST:
        intervals = 0
    axis = _axis(chart, max(2, room - (intervals + 2 if intervals else 0)))
    lines = []
    for group in panel.groups:
        for at, bar in enumerate(group.bars):
            line = Text(no_wrap=True)
            line.append((shortened(group.label, groups) if at == 0 else "").ljust(groups), style(palette.text))
            line.append(f" {bar.series}".ljust(names - groups), style(palette.muted))
            line.append_text(_bar(bar, axis, chart, palette))
            line.append(f" {_number(bar):>{numbers}}", style(_pen(bar, chart, palette)))
            line.append(f"  {_interval(bar)}" if intervals else "", style(palette.muted))
            line.rstrip()
            lines.append(line)
    return [*lines, *_axis_lines(chart, axis, names, width, palette)]


def _axis(chart: BarChart, width: int) -> Axis:
    bars = [bar for panel in chart.panels for group in panel.groups for bar in group.bars]
    values = [end for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None]
    if chart.reference is None:
        return Axis(0.0, max([0.1, *values]), width, is_ratio=False)
    low = min([1 / _LEAST, *(value for value in values if value > 0)])
    return Axis(max(low, 1 / _FARTHEST), min(max([_LEAST, *values]), _FARTHEST), width, is_ratio=True)


def _bar(bar: Bar, axis: Axis, chart: BarChart, palette: Palette) -> Text:
    """The row's canvas: the reference line, the interval, and over both the bar."""
    cells: list[tuple[str, Pen]] = [(" ", None)] * axis.width
    start = axis.column(chart.reference) if chart.reference is not None else 0
    if bar.low is not None:
        _draw_interval(cells, bar.low, bar.high, axis, palette.muted)
    if chart.reference is not None or not bar.value:
        cells[start] = ("│", palette.muted)
    pen = _pen(bar, chart, palette)
    if bar.value is not None:
        _draw_bar(cells, start, axis.column(bar.value), pen)
        if chart.reference is not None and not axis.low <= bar.value <= axis.high:
            cells[axis.column(bar.value)] = ("▶" if bar.value > axis.high else "◀", pen)
    canvas = Text(no_wrap=True)
    for pen, run in groupby(cells, key=lambda cell: cell[1]):
        canvas.append("".join(letter for letter, _ in run), style(pen))
    return canvas


def _draw_interval(cells: list[tuple[str, Pen]], low: float, high: float | None, axis: Axis, pen: Pen) -> None:
    left, right = axis.column(low), axis.column(high) if high is not None else axis.width - 1
    for at in range(left, right + 1):
        cells[at] = ("─", pen)
    cells[left] = ("├" if low >= axis.low else "◂", pen)
    cells[right] = ("┤" if high is not None and high <= axis.high else "▸", pen)


_THROUGH = {"├": "┣", "┤": "┫", "│": "┿", "◂": "◂", "▸": "▸"}


def _draw_bar(cells: list[tuple[str, Pen]], start: int, end: int, pen: Pen) -> None:
    """The bar, with the ends of the interval showing through it."""
    for at in range(min(start, end), max(start, end) + 1):
        if at != start or start == end:
            cells[at] = (_THROUGH.get(cells[at][0], "━"), pen)


def _number(bar: Bar) -> str:
    arrow = ARROWS[bar.more_robust]
    if bar.more_robust is None:
        return "" if bar.value is None else f"{bar.value:.3f}".replace("0.", ".", 1) if bar.value < 1 else "1.00"
    return f"{bar.value:.2f} {arrow}" if bar.value is not None else f"{arrow} no ratio"


def _interval(bar: Bar) -> str:
    if bar.low is None:
        return ""
    return f"{bar.low:.2f} to {'∞' if bar.high is None else f'{bar.high:.2f}'}"


def _pen(bar: Bar, chart: BarChart, palette: Palette) -> Pen:
    if chart.reference is not None:
        return palette.winner(bar.more_robust)
    return palette.muted if bar.of.is_baseline else palette.quantized


def _axis_lines(chart: BarChart, axis: Axis, indent: int, width: int, palette: Palette) -> list[Text]:
    """The axis with its ticks, and what it measures."""
    ticks = axis.ticks()
    columns = {column for column, _ in ticks}
    rule = "".join("┴" if at in columns else "─" for at in range(axis.width))
    named = _placed([(indent + column - len(name) // 2, name) for column, name in ticks], width)
    middle = indent + (axis.column(chart.reference) if chart.reference is not None else axis.width // 2)
    said = _said(chart, middle - len(chart.axis) // 2, width)
    return [Text(line, style(palette.muted), no_wrap=True) for line in (" " * indent + rule, named, said)]


def _said(chart: BarChart, at: int, width: int) -> str:
    """The axis' name; at the sides of the line at 1, who is more robust there, as fully as there is room."""
    name = (at, chart.axis)
    for left, right in _SIDES if chart.reference is not None else ():
        if at - len(left) - 3 >= 0 and at + len(chart.axis) + 3 + len(right) <= width:
            return _placed([(at - len(left) - 3, left), name, (at + len(chart.axis) + 3, right)], width)
    return _placed([name], width)


def _placed(words: Sequence[tuple[int, str]], width: int) -> str:
    """Words at their columns in one line; one that would touch the word before it is left out."""
    line = ""
    for column, word in words:
        at = max(0, min(column, width - len(word)))
        if at > len(line) or not line:
            line = line.ljust(at) + word
    return line


def _widest(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)


def shortened(label: str, width: int) -> str:
    """A label of `width` characters at most: the last word, then the longest ones are cut; numbers stay whole.

    >>> shortened("gaussian 3e-3 published", 15), shortened("sentence apertium", 15), shortened("char", 15)
    ('gaus… 3e-3 pub…', 'sentence apert…', 'char')
    """
    words = label.split(" ")
    sizes = [len(word) for word in words]
    while sum(sizes) + len(words) - 1 > width:
        sizable = [0 if any(map(str.isdigit, word)) else size for word, size in zip(words, sizes, strict=True)]
        at = len(words) - 1 if sizable[-1] > _SHORTEST_WORD else sizable.index(max(sizable))
        if sizable[at] <= 2:
            return label[: width - 1] + "…"
        sizes[at] -= 1
    cut = zip(words, sizes, strict=True)
    return " ".join(word if len(word) == size else f"{word[: size - 1]}…" for word, size in cut)
