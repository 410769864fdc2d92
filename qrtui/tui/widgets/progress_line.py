"""How far a run is, and how long it will take."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

_NARROWEST_BAR = 10


class ProgressLine(Widget):
    """A bar over the width that the words at its right leave; as full as `share`, or only words where it is None."""

    share: float | None = None
    words: str = ""

    def show(self, share: float | None, words: str) -> None:
        """Show other progress."""
        if (share, words) != (self.share, self.words):
            self.share, self.words = share, words
            self.refresh()

    def render(self) -> RenderResult:
        """Bar and words."""
        width = self.size.width - len(self.words) - 2
        if self.share is None or width < _NARROWEST_BAR:
            return Content(self.words)
        full = round(width * min(1.0, max(0.0, self.share)))
        return Content.assemble(("━" * full, "$accent"), ("─" * (width - full), "$text-disabled"), "  ", self.words)
