"""Playground: one task, quick."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from qrtui.tui.screens.framed import FramedScreen


class PlaygroundScreen(FramedScreen):
    """Playground: one task, quick."""

    ROOM = "playground"
    CSS_PATH = "playground.tcss"

    def body(self) -> ComposeResult:
        """What there is."""
        yield Static("Nothing here yet.", classes="empty")
