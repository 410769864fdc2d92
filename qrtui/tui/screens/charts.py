"""Charts: what runs say, drawn."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from qrtui.tui.screens.framed import FramedScreen


class ChartsScreen(FramedScreen):
    """Charts: what runs say, drawn."""

    ROOM = "charts"
    CSS_PATH = "charts.tcss"

    def body(self) -> ComposeResult:
        """What there is."""
        yield Static("No charts yet.", classes="empty")
