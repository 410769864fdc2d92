"""Bars of the RRS, drawn by plotext. Imports plotext when first drawn; only ever drawn on the UI thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text
from textual.app import RenderResult
from textual.geometry import Size
from textual.widget import Widget

from qrtui.results.metrics import ARROWS, MoreRobust
from qrtui.tui.widgets.themed_text import theme_colour

if TYPE_CHECKING:
    from qrtui.results.table import Row

_FRAME_ROWS = 3
_FALLBACK = {"accent": (90, 160, 220), "secondary": (200, 150, 90), "text-muted": (140, 140, 140)}
_NO_BARS = "No RRS yet: it needs results of the original and the quantized model, clean and perturbed."


class Bar(NamedTuple):
    """One quantized precision under one perturbation; `value` is None where the ratio has no meaning."""

    label: str
    value: float | None
    more_robust: MoreRobust


def bars_of(rows: Sequence[Row]) -> list[Bar]:
    """A bar for each row of a run's table that has an arrow; only the words that tell them apart."""
    told = [row for row in rows if row.more_robust is not None]
    several = [len({part(row) for row in told}) > 1 for part in (_model, _dataset)]
    one_protocol = len({row.condition.perturbation.split()[-1] for row in told if " " in row.condition.perturbation}) < 2
    bars = []
    for row in told:
        perturbation = row.condition.perturbation
        if one_protocol and perturbation.count(" ") == 2:
            perturbation = perturbation.rpartition(" ")[0]
        words = [_model(row) if several[0] else "", _dataset(row) if several[1] else "", f"{row.condition.precision:4}", perturbation]
        bars.append(Bar(" ".join(filter(None, words)), row.rrs, row.more_robust or "equal"))
    return bars


class RobustnessChart(Widget):
    """Horizontal bars with a line at RRS = 1. As tall as its bars need; a place without a ratio has no bar."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._bars: list[Bar] = []

    def show(self, bars: list[Bar]) -> None:
        """Draw these bars."""
        if bars != self._bars:
            self._bars = bars
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A line for each bar, and the frame's."""
        if not self._bars:
            return -(-len(_NO_BARS) // max(1, width)) + 1
        return len(self._bars) + _FRAME_ROWS

    def render(self) -> RenderResult:
        """The chart as text."""
        if not self._bars:
            return Text(_NO_BARS, style="dim")
        return Text.from_ansi(self._draw(self.size.width, len(self._bars) + _FRAME_ROWS))

    def _draw(self, width: int, height: int) -> str:
        import plotext

        bars, count = self._bars, len(self._bars)
        muted = self._rgb("text-muted")
        plotext.terminal.limit(False, False)
        # Without a theme of our own plotext paints a white background.
        plotext.add_theme("qrtui", canvas="default", text=(muted, "default"), sequence=[muted])
        figure = plotext.figure
        figure.clear()
        figure.theme("qrtui")
        figure.canvas("default")
        figure.plot_size(width, height)
        figure.axes(False)
        figure.axes(True, axis="x", side=0)
        top = max([1.0, *(bar.value for bar in bars if bar.value is not None)])
        room = max(10, width - max(len(bar.label) for bar in bars) - 3)
        # Room at the right for the number behind the longest bar.
        figure.ruler("x").lim(0, top * room / max(1, room - 8))
        figure.ruler("x").ticks(*_ticks(top))
        figure.ruler("y").lim(0.5, count + 0.5).alignment(lim="edge")
        figure.ruler("y").ticks(list(range(count, 0, -1)), [f"{bar.label} " for bar in bars])
        figure.label("RRS: 1 is equally robust", "x")
        figure.line(1, "vertical", pixel=plotext.pixel(muted, "default"))
        for y, bar in zip(range(count, 0, -1), bars, strict=True):
            self._draw_bar(figure, y, bar)
        return str(figure.build().string())

    def _draw_bar(self, figure: object, y: int, bar: Bar) -> None:
        import plotext

        colour = self._rgb({"quantized": "accent", "original": "secondary", "equal": "text-muted"}[bar.more_robust])
        arrow = ARROWS[bar.more_robust]
        said = plotext.colorize(f" {bar.value:.2f} {arrow}" if bar.value is not None else f" {arrow} no ratio")
        said.fill(plotext.pixel(colour, "default"))
        if bar.value is not None:
            marker = plotext.marker("━", pixel=plotext.pixel(colour, "default"))
            figure.draw(figure.segment((0, bar.value), (y, y), marker=marker).density("full"))  # type: ignore[attr-defined]
        figure.draw(figure.text(bar.value or 0, y, said))  # type: ignore[attr-defined]

    def _rgb(self, variable: str) -> tuple[int, int, int]:
        colour = theme_colour(self.app, variable)
        return colour.rgb if colour is not None and colour.ansi is None else _FALLBACK[variable]


def _ticks(top: float) -> tuple[list[float], list[str]]:
    step = next(size for size in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1e9) if top / size <= 6)
    ticks = [step * number for number in range(int(top / step) + 1)]
    return sorted({*ticks, 1.0}), [f"{tick:g}" for tick in sorted({*ticks, 1.0})]


def _model(row: Row) -> str:
    return row.condition.model


def _dataset(row: Row) -> str:
    return row.condition.dataset
