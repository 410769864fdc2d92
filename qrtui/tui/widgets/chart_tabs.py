"""The names of the charts in a row, the one that is shown marked."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Static

from qrtui.results.chart_kinds import CHARTS, ChartKind


class ChartTab(Static):
    """One chart's name; a click shows it."""

    class Chosen(Message):
        """The person wants to see another chart."""

        def __init__(self, kind: ChartKind) -> None:
            super().__init__()
            self.kind = kind

    def __init__(self, kind: ChartKind) -> None:
        super().__init__(CHARTS[kind], id=f"tab-{kind}")
        self._kind = kind

    def on_click(self, event: events.Click) -> None:
        """Ask for the chart."""
        event.stop()
        self.post_message(self.Chosen(self._kind))


class ChartTabs(Horizontal):
    """A tab for each chart."""

    def compose(self) -> ComposeResult:
        """The tabs."""
        for kind in CHARTS:
            yield ChartTab(kind)

    def show(self, kind: ChartKind) -> None:
        """Mark this chart's tab."""
        for one in CHARTS:
            self.query_one(f"#tab-{one}").set_class(one == kind, "-here")
