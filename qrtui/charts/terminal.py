"""Charts as lines of text for a terminal, with or without colours."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from qrtui.charts.palette import Palette, style
from qrtui.charts.terminal_bars import draw_bars
from qrtui.charts.terminal_curves import draw_curves
from qrtui.charts.terminal_heat import draw_heat
from qrtui.printable import one_line, printable
from qrtui.results.charts import BarChart, BarPanel, Chart, CurveChart, CurvePanel, HeatMap, HeatPanel

_PANEL_WIDTHS = {BarChart: 70, CurveChart: 56, HeatMap: 120}
_CURVE_LINES = (13, 24)
_GAP = 3


def draw(chart: Chart, width: int, palette: Palette, height: int | None = None) -> Text:
    """The chart's panels, beside each other where `width` columns allow.

    `height` is what there is room for: curves are drawn taller or lower to fill it; nothing is cut to it.
    """
    across = max(1, min(len(chart.panels), (width + _GAP) // (_PANEL_WIDTHS[type(chart)] + _GAP)))
    one = (width - _GAP * (across - 1)) // across
    rows = -(-len(chart.panels) // across) if chart.panels else 0
    lines: list[Text] = []
    for at in range(0, len(chart.panels), across):
        lines += [Text()] if lines else []
        tall = _curve_lines(height, rows)
        lines += _beside([_titled(chart, panel, one, tall, palette) for panel in chart.panels[at : at + across]], one)
    for line in lines:
        line.rstrip()
    return _printable(Text("\n", no_wrap=True).join(lines))


def notes(chart: Chart, palette: Palette) -> Text:
    """What must be known to read the chart right, a paragraph."""
    return _printable(Text(" ".join(chart.notes), style(palette.muted)))


def title(chart: Chart) -> Text:
    """What the chart shows, in a line."""
    return _printable(Text(one_line(chart.title), style(None, bold=True)))


def _printable(text: Text) -> Text:
    # Each character by one other: what is in which colour does not change.
    text.plain = printable(text.plain)
    return text


def _curve_lines(height: int | None, rows: int) -> int:
    least, most = _CURVE_LINES
    return 16 if height is None or not rows else min(most, max(least, (height - rows + 1) // rows - 1))


def _titled(
    chart: Chart, panel: BarPanel | CurvePanel | HeatPanel, width: int, height: int, palette: Palette
) -> list[Text]:
    title = [Text(panel.title, style(palette.text, bold=True), no_wrap=True)] if panel.title else []
    if isinstance(chart, BarChart) and isinstance(panel, BarPanel):
        return title + draw_bars(chart, panel, width, palette)
    if isinstance(chart, CurveChart) and isinstance(panel, CurvePanel):
        return title + draw_curves(chart, panel, width, height, palette)
    assert isinstance(chart, HeatMap)
    assert isinstance(panel, HeatPanel)
    return title + draw_heat(chart, panel, width, palette)


def _beside(panels: Sequence[Sequence[Text]], width: int) -> list[Text]:
    if len(panels) == 1:
        return list(panels[0])
    lines = []
    for at in range(max(map(len, panels))):
        line = Text(no_wrap=True)
        for number, panel in enumerate(panels):
            # Padded from the cells, not the letters: plotext's lines are full, ours end early.
            part = panel[at] if at < len(panel) else Text()
            line.append_text(part)
            if number < len(panels) - 1:
                line.append(" " * (width + _GAP - part.cell_len))
        lines.append(line)
    return lines
