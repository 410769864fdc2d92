"""A prompt with its changes marked, scrolled to the first of them."""

from __future__ import annotations

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.content import Content

from qrtui.tui.widgets.diff import WORD_STYLE
from qrtui.tui.widgets.steady import SteadyStatic, SteadyVerticalScroll


class PromptPanel(SteadyVerticalScroll):
    """As high as its text, as far as there is room; what was changed is in sight."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self._text = Content("")

    def compose(self) -> ComposeResult:
        """The text."""
        yield SteadyStatic(id="prompt", markup=False)

    def show(self, title: str, text: Content) -> None:
        """Show a prompt, marked by `diff.marked`."""
        self.border_title = title
        if text == self._text and text.spans == self._text.spans:
            return
        self._text = text
        self.query_one("#prompt", SteadyStatic).update(text)
        self.call_after_refresh(self._show_first_change)

    def on_resize(self) -> None:
        """Another part of the text is in sight now. (Before the first layout, none is.)"""
        self._show_first_change()

    def _show_first_change(self) -> None:
        room = self.scrollable_content_region
        first = next((span.start for span in self._text.spans if span.style == WORD_STYLE), 0)
        width = max(1, room.width)
        lines = self._text.plain[:first].split("\n")
        above = sum(max(1, -(-cell_len(line) // width)) for line in lines[:-1]) + cell_len(lines[-1]) // width
        self.scroll_to(y=max(0, above - room.height // 2), animate=False, force=True)
