"""A chart of any kind, drawn in the theme's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import App, RenderResult
from textual.geometry import Size
from textual.widget import Widget

from qrtui.charts.palette import Palette, Pen, style
from qrtui.results.charts import Chart
from qrtui.tui.widgets.themed_text import theme_colour, themed

if TYPE_CHECKING:
    from qrtui.results.table_one import TableOne

_SERIES = ("accent", "secondary", "success", "error", "warning")
_BRIGHT_BLACK = 8


class ChartView(Widget):
    """Draws a chart as wide as it is itself, and as tall as the chart needs; or says what `empty` says.

    Curves take `lines` lines a panel; where that is None, those that fill the height there is. With `noted`, what must
    be known to read the chart stands below it. Drawn on the UI thread only, and only when the chart, the width or the
    theme has changed.
    """

    def __init__(self, *, id: str, empty: str = "", lines: int | None = None, noted: bool = False) -> None:
        super().__init__(id=id)
        self._empty, self._lines, self._noted = empty, lines, noted
        self._chart: Chart | None = None
        self._text: Text | None = None
        self._drawn: dict[tuple[object, ...], Text] = {}

    @property
    def chart(self) -> Chart | None:
        """What is drawn."""
        return self._chart

    def show(self, chart: Chart | None, text: Text | None = None) -> None:
        """Draw this chart; or show `text`, which is already drawn."""
        if (chart, text) != (self._chart, self._text):
            self._chart, self._text = chart, text
            self._drawn.clear()
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as are drawn."""
        return len(self._draw(width, self._lines or container.height).split(allow_blank=True))

    def render(self) -> RenderResult:
        """The chart as text."""
        return self._draw(self.size.width, self._lines or (self.parent or self).size.height)

    def _draw(self, width: int, height: int) -> Text:
        # A layout asks for several sizes before it has settled: with a scrollbar and without.
        wanted = (width, height, self.app.theme)
        if wanted not in self._drawn:
            # Before the first layout there is no width.
            self._drawn[wanted] = self._draw_anew(width, height) if width else Text()
        return self._drawn[wanted]

    def _draw_anew(self, width: int, height: int) -> Text:
        if self._text is not None:
            return self._text
        if self._chart is None:
            return _wrapped(themed(self.app, self._empty, "muted", wrap=True), width, self.app)
        from qrtui.charts.terminal import draw, notes

        palette = theme_palette(self.app)
        below = _wrapped(notes(self._chart, palette), width, self.app) if self._noted else Text()
        room = height - (len(below.split()) + 1 if below else 0)
        drawn = draw(self._chart, width, palette, room)
        return Text("\n\n", no_wrap=True).join([drawn, below]) if below else drawn


def table_one_text(app: App[object], table: TableOne, width: int) -> Text:
    """Table I with each cell in the colour of the more robust side."""
    from qrtui.results.table_one_writing import write_table_one

    palette = theme_palette(app)
    text = Text(write_table_one(table, "text", width).partition("\n\n")[2].rstrip(), style(palette.text), no_wrap=True)
    text.highlight_regex(r"(\d+\.\d+ )?↓(?=\s|$)", style(palette.quantized))
    text.highlight_regex(r"(\d+\.\d+ )?↑(?=\s|$)", style(palette.original))
    return text


def theme_palette(app: App[object]) -> Palette:
    """The pens of charts, from the theme."""
    background = theme_colour(app, "background")
    return Palette(
        text=_pen(app, "foreground", None),
        muted=_pen(app, "muted", _BRIGHT_BLACK),
        original=_pen(app, "secondary", None),
        quantized=_pen(app, "accent", None),
        series=tuple(_pen(app, name, None) for name in _SERIES),
        background=background.rgb if background is not None and background.ansi is None else None,
    )


def _pen(app: App[object], variable: str, otherwise: Pen) -> Pen:
    colour = theme_colour(app, variable)
    if colour is None:
        return otherwise
    return colour.rgb if colour.ansi is None else colour.ansi


def _wrapped(text: Text, width: int, app: App[object]) -> Text:
    return Text("\n", no_wrap=True).join(text.wrap(app.console, width))
