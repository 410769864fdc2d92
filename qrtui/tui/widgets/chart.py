"""Horizontal bars, drawn by plotext. Imports plotext when first drawn; only ever drawn on the UI thread."""

from __future__ import annotations

from typing import Any, NamedTuple

from rich.style import Style
from rich.text import Text
from textual.app import RenderResult
from textual.geometry import Size
from textual.widget import Widget

from qrtui.tui.widgets.themed_text import theme_colour, themed

_FRAME_ROWS = 3
_NARROWEST = 10
_STEPS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
_MOST_TICKS = 6
_TICK_WIDTH = 8
_BRIGHT_BLACK = 8


class Bar(NamedTuple):
    """One bar: `said` stands behind it, or alone where there is no `value` to draw. `colour` is a theme variable."""

    label: str
    value: float | None
    said: str
    colour: str


class BarChart(Widget):
    """Bars under each other, as tall as they need; a value that is not there has no bar.

    `axis` names the horizontal axis, `reference` is where a vertical line stands, `top` the least that the axis
    reaches, `empty` what to say without bars.
    """

    def __init__(self, *, id: str, axis: str, empty: str, top: float = 1.0, reference: float | None = None) -> None:
        super().__init__(id=id)
        self._axis, self._empty, self._top, self._reference = axis, empty, top, reference
        self._bars: list[Bar] = []

    def show(self, bars: list[Bar]) -> None:
        """Draw these bars."""
        if bars != self._bars:
            self._bars = bars
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A line for each bar, and the frame's."""
        return len(self._bars) + _FRAME_ROWS if self._bars else -(-len(self._empty) // max(1, width - 4)) + 1

    def render(self) -> RenderResult:
        """The chart as text."""
        if not self._bars:
            return themed(self.app, self._empty, "muted", wrap=True)
        return _without_backgrounds(Text.from_ansi(self._draw(self.size.width)))

    def _draw(self, width: int) -> str:
        import plotext

        bars, count, grey = self._bars, len(self._bars), self._pen("muted")
        # Otherwise plotext clips to the size of the terminal, and paints a white background.
        plotext.terminal.limit(False, False)
        plotext.add_theme("qrtui", canvas="default", text=(grey, "default"), sequence=[grey])
        figure = plotext.figure
        figure.clear()
        figure.theme("qrtui")
        figure.canvas("default")
        figure.plot_size(width, count + _FRAME_ROWS)
        figure.axes(False)
        figure.axes(True, axis="x", side=0)
        top = max([self._top, *(bar.value for bar in bars if bar.value is not None)])
        room = max(_NARROWEST, width - max(len(bar.label) for bar in bars) - 2)
        # The longest bar leaves room for what is said behind it.
        said = max(len(bar.said) for bar in bars) + 2
        figure.ruler("x").lim(0, top * room / max(1, room - said))
        figure.ruler("x").ticks(*_ticks(top, self._reference, room))
        figure.ruler("y").lim(0.5, count + 0.5).alignment(lim="edge")
        figure.ruler("y").ticks(list(range(count, 0, -1)), [f"{bar.label} " for bar in bars])
        figure.label(self._axis, "x")
        if self._reference is not None:
            figure.line(self._reference, "vertical", pixel=plotext.pixel(grey, "default"))
        for y, bar in zip(range(count, 0, -1), bars, strict=True):
            self._draw_bar(figure, y, bar)
        return str(figure.build().string())

    def _draw_bar(self, figure: Any, y: int, bar: Bar) -> None:
        import plotext

        pixel = plotext.pixel(self._pen(bar.colour), "default")
        if bar.value:
            marker = plotext.marker("━", pixel=pixel)
            figure.draw(figure.segment((0, bar.value), (y, y), marker=marker).density("full"))
        said = plotext.colorize(f" {bar.said}")
        said.fill(pixel)
        figure.draw(figure.text(bar.value or 0, y, said))

    def _pen(self, variable: str) -> tuple[int, int, int] | int:
        """A theme's colour as plotext takes it: RGB, or a number of the terminal's palette."""
        colour = theme_colour(self.app, variable)
        if colour is None:
            return _BRIGHT_BLACK
        return colour.rgb if colour.ansi is None else colour.ansi


def _without_backgrounds(text: Text) -> Text:
    """The text on whatever is behind it: plotext gives a line a background of its own."""
    for at, span in enumerate(text.spans):
        style = span.style if isinstance(span.style, Style) else Style.parse(span.style)
        text.spans[at] = span._replace(style=Style(color=style.color, bold=style.bold))
    return text


def _ticks(top: float, reference: float | None, room: int) -> tuple[list[float], list[str]]:
    most = min(_MOST_TICKS, room // _TICK_WIDTH)
    step = next((step for step in _STEPS if top / step <= most), top)
    ticks = {step * number for number in range(int(top / step) + 1)} | ({reference} if reference is not None else set())
    return sorted(ticks), [f"{tick:g}" for tick in sorted(ticks)]
