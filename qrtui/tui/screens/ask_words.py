"""A line to type words in: a run's name, its tags."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Label

from qrtui.tui.screens.dialogs import Dialog


class AskWords(Dialog[str | None]):
    """What was typed, which may be nothing; None on Escape."""

    def __init__(self, title: str, text: str, words: str) -> None:
        super().__init__()
        self._title, self._text, self._words = title, text, words

    def compose(self) -> ComposeResult:
        """The text over the input."""
        with Vertical(classes="dialog -question") as box:
            box.border_title = self._title
            box.border_subtitle = "Enter takes it   Esc goes back"
            yield Label(self._text, classes="dialog-text", markup=False)
            yield Input(self._words, compact=True)

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())
