"""Heat maps as tables whose cells are shaded by their value, and say it."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.style import Style
from rich.text import Text

from qrtui.charts.palette import Palette, Rgb, blend, luminance, style
from qrtui.results.charts import HeatColumn, HeatMap, HeatPanel

_BLOCKS = " ▁▂▃▄▅▆▇█"
_CELL = 7
_LONGEST_NAME = 0.35
_STRONGEST = 0.85


def draw_heat(chart: HeatMap, panel: HeatPanel, width: int, palette: Palette) -> list[Text]:
    """The lines of one panel; columns that do not fit beside each other follow below, under the row names again."""
    models = min(max(len(row.label) for row in panel.rows), int(width * _LONGEST_NAME))
    names = models + 1 + max(len(row.precision) for row in panel.rows) + 1
    cell = _cell_width(panel)
    lines: list[Text] = []
    for columns in _blocks(panel.columns, max(1, (width - names) // cell)):
        lines += [Text()] if lines else []
        lines += _header(panel, columns, names, cell, palette)
        before = ""
        for row in panel.rows:
            label = "" if row.label == before else row.label
            before = row.label
            line = Text(label[:models].ljust(models + 1), style(palette.text), no_wrap=True)
            line.append(row.precision.ljust(names - models - 1), style(palette.muted))
            for at in columns:
                line.append_text(_cell(row.values[at], chart, cell, palette))
            lines.append(line)
    return lines


def _cell_width(panel: HeatPanel) -> int:
    """Wide enough for the columns' names, and for the longest word of each group's over its columns."""
    groups = Counter(column.group for column in panel.columns)
    over = [-(-(max(map(len, group.split())) + 2) // count) for group, count in groups.items() if group]
    return max(_CELL, *(len(column.label) + 2 for column in panel.columns), *over)


def _blocks(columns: Sequence[HeatColumn], most: int) -> Iterator[range]:
    """The columns in runs of at most `most`; a group that would be torn begins the next run if it fits in one."""
    start = at = 0
    for _, members in groupby(range(len(columns)), key=lambda at: columns[at].group):
        size = len(list(members))
        if at + size - start > most and at > start and (size <= most or at - start >= most):
            yield range(start, at)
            start = at
        while at + size - start > most:
            yield range(start, start + most)
            size -= start + most - at
            start = at = start + most
        at += size
    if at > start:
        yield range(start, at)


def _header(panel: HeatPanel, columns: range, names: int, cell: int, palette: Palette) -> list[Text]:
    """The groups over their columns, in several lines where they are long, then the columns."""
    groups = [(group, len(list(of))) for group, of in groupby(columns, key=lambda at: panel.columns[at].group)]
    stacks = [(textwrap.wrap(group, cell * count - 2), count) for group, count in groups]
    height = max(len(stack) for stack, _ in stacks)
    lines = [
        "".join(_over(([""] * (height - len(stack)) + stack)[at], count, cell) for stack, count in stacks)
        for at in range(height)
    ]
    lines.append("".join(_over(panel.columns[at].label, 1, cell) for at in columns))
    return [Text(" " * names + line, style(palette.muted), no_wrap=True) for line in lines]


def _over(name: str, columns: int, cell: int) -> str:
    """A name over so many columns: at the left of several, above the numbers of one."""
    room = cell * columns - 1
    return (f" {name}"[:room].ljust(room) if columns > 1 else name[:room].rjust(room)) + " "


def _cell(value: float | None, chart: HeatMap, width: int, palette: Palette) -> Text:
    if value is None:
        return Text("·".rjust(width - 1) + " ", style(palette.muted))
    number = f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"
    if palette.background is None:
        block = _BLOCKS[round(_strength(value, chart) * (len(_BLOCKS) - 1))]
        text = Text(number.rjust(width - 2), style(palette.text))
        return text.append(block + " ", style(palette.original if value < 0 else palette.quantized))
    return Text(number.rjust(width - 1) + " ", _shade(value, chart, palette))


def _strength(value: float, chart: HeatMap) -> float:
    return min(1.0, abs(value) / chart.high) if chart.high else 0.0


def _shade(value: float, chart: HeatMap, palette: Palette) -> Style:
    """pass@1 in one colour; of drops what was lost in the other, what was won in that one."""
    lost = chart.metric != "pass@1" and value > 0
    colour = palette.original if lost else palette.quantized
    assert palette.background is not None
    assert isinstance(colour, tuple)
    background = blend(palette.background, colour, _strength(value, chart) * _STRONGEST)
    return style(_readable(background), background)


def _readable(background: Rgb) -> Rgb:
    return (16, 18, 22) if luminance(background) > 0.2 else (238, 240, 243)
