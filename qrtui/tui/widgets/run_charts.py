"""The charts of a run, which move while its results come in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message

from qrtui.tui.widgets.chart import ChartView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qrtui.results.records import Outcome
    from qrtui.results.table import Row

_CURVE_LINES = 12
_NO_RRS = "No RRS yet: it needs results of the original and the quantized model, clean and perturbed."
_NO_PASS = "No pass@1 yet: nothing is judged."


class RunCharts(VerticalScroll):
    """The RRS; pass@1 against the noise level where there are levels; then what is left: pass@1, and the levels' RRS.

    The numbers are drawn at once. The intervals of the RRS, which take longer, follow; meanwhile the last ones stay.
    """

    class Bounded(Message):
        """The intervals of the RRS are there: by condition, both ends."""

        def __init__(self, intervals: Mapping[int, tuple[float | None, float | None]]) -> None:
            super().__init__()
            self.intervals = intervals

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self.border_title = "Relative robustness and pass@1"
        self._rows: Sequence[Row] = ()
        self._ends: Mapping[int, tuple[float | None, float | None]] = {}
        self._intervals: object = None
        self._under_way = False

    def compose(self) -> ComposeResult:
        """Four charts, of which those of noise levels are there only for a run with levels."""
        yield ChartView(id="rrs-chart", empty=_NO_RRS)
        yield ChartView(id="noise-chart", lines=_CURVE_LINES)
        yield ChartView(id="pass-chart", empty=_NO_PASS)
        yield ChartView(id="levels-chart")

    def on_mount(self) -> None:
        """Until the run is read nothing is said to be lacking."""
        for view in self.query(ChartView):
            view.display = False

    def show(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> None:
        """Draw these rows; `outcomes` are what they are made of."""
        known = {row.condition.id for row in rows}
        self._ends = {id: ends for id, ends in self._ends.items() if id in known}
        self._rows = rows
        self._draw()
        if not self._under_way and any(row.rrs is not None for row in rows):
            self._under_way = True
            # Once what was drawn stands on the screen.
            self.call_after_refresh(self._add_intervals, rows, outcomes)

    @work
    async def _add_intervals(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> None:
        from qrtui.results.measured import Intervals

        if not isinstance(self._intervals, Intervals):
            self._intervals = Intervals()
        try:
            ends = await asyncio.to_thread(self._intervals.of, rows, outcomes)
        finally:
            self._under_way = False
        # The app may be closing, or another run be shown by now.
        if self.children and {row.condition.id for row in self._rows} == {row.condition.id for row in rows}:
            self._ends = ends
            self._draw()
            self.post_message(self.Bounded(ends))

    def _draw(self) -> None:
        from qrtui.results.chart_kinds import is_filled
        from qrtui.results.figures import noise_curves, pass_bars, rrs_bars
        from qrtui.results.measured import measured_rows

        measured = measured_rows(self._rows, intervals=self._ends)
        curves = noise_curves(measured)
        points = [point for panel in curves.panels for curve in panel.curves for point in curve.points]
        on_curve = {point.of.perturbation for point in points if point.level}
        levels = [one for one in measured if one.perturbation in on_curve]
        others = [one for one in measured if one.perturbation not in on_curve]
        charts = {
            "rrs-chart": rrs_bars(others),
            "noise-chart": curves,
            "pass-chart": pass_bars(others),
            "levels-chart": rrs_bars(levels),
        }
        for id, chart in charts.items():
            view = self.query_one(f"#{id}", ChartView)
            view.show(chart if is_filled(chart) else None)
            # Without levels the first and third say what is still to come.
            view.display = is_filled(chart) or (not levels and id in ("rrs-chart", "pass-chart"))
