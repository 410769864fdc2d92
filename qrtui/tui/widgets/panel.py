"""A group of widgets with a title in its border."""

from __future__ import annotations

from textual.containers import Vertical


class Panel(Vertical):
    """A thin box whose title stands in the border line."""

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(id=id)
        self.border_title = title
