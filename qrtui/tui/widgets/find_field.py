"""The line to search in. It takes keys only once it was asked to, so that none lands in it by mistake."""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input


class FindField(Input):
    """An input that Tab passes over; `begin` or a click lets one type, Enter or Escape ends that."""

    BINDINGS = [Binding("escape,ctrl+c,enter,down", "leave", "Back to the tasks", show=False)]

    class Left(Message):
        """The person has typed enough."""

    def __init__(self, id: str, placeholder: str) -> None:
        super().__init__(id=id, placeholder=placeholder, compact=True)
        self._wanted = False

    def allow_focus(self) -> bool:
        """Only while one is searching."""
        return self._wanted

    def begin(self) -> None:
        """Let one type."""
        self._wanted = True
        self.focus()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A click begins too."""
        self.begin()

    def on_blur(self) -> None:
        """Somewhere else is typed now."""
        self._wanted = False

    def action_leave(self) -> None:
        """End typing; what was typed stays."""
        self.post_message(self.Left())
