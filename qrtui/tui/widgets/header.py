"""The two lines above every screen: what is being run, and the rooms."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult, RenderResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from qrtui.tui.headline import Headline

ROOMS = {
    "setup": "Setup",
    "run": "Run",
    "compare": "Compare",
    "charts": "Charts",
    "history": "History",
    "playground": "Playground",
}


class HeaderLine(Widget):
    """Program, subject, and at the right the state of the run; the subject gives way where it is narrow."""

    headline = Headline()

    def show(self, headline: Headline) -> None:
        """Show other words."""
        if headline != self.headline:
            self.headline = headline
            self.refresh()

    def render(self) -> RenderResult:
        """The line, as wide as the screen."""
        name = Content.styled(" qrtui ", "bold $accent")
        subject, state, place = self.headline
        right = Content.assemble((state, "$foreground"), ("   " if state and place else "", ""), (place, "$muted"), " ")
        room = self.size.width - len(name) - right.cell_length - 3
        left = Content.assemble(name, "  ", Content.styled(subject, "$muted").truncate(max(room, 0), ellipsis=True))
        return Content.assemble(left, " " * max(1, self.size.width - left.cell_length - right.cell_length), right)


class RoomTab(Static):
    """One room's name with its key; a click goes there."""

    class Chosen(Message):
        """The person wants to see another room."""

        def __init__(self, room: str) -> None:
            super().__init__()
            self.room = room

    def __init__(self, key: str, room: str, title: str, *, here: bool) -> None:
        super().__init__(
            Content.assemble((key, "bold $accent" if not here else "bold"), f" {title}"),
            classes="-here" if here else "",
        )
        self._room = room

    def on_click(self, event: events.Click) -> None:
        """Ask for the room."""
        event.stop()
        self.post_message(self.Chosen(self._room))


class RoomTabs(Horizontal):
    """The rooms in a row, the present one marked."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here

    def compose(self) -> ComposeResult:
        """A tab for each room."""
        for key, (room, title) in enumerate(ROOMS.items(), 1):
            yield RoomTab(str(key), room, title, here=room == self._here)
