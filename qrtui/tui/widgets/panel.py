"""A group of widgets with a title in its border."""

from __future__ import annotations

from textual.containers import Vertical


class Panel(Vertical):
    """A thin box whose title stands in the border line; with the class `bare` no box is drawn."""

    def __init__(self, title: str, *, id: str, classes: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self.border_title = title
