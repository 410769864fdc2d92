"""What every room of the app has: header, tabs, footer, and the keys that lead from room to room."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Footer

from qrtui.errors import QrtuiError
from qrtui.tui.widgets.header import HeaderLine, RoomTab, RoomTabs

if TYPE_CHECKING:
    from qrtui.tui.app import QrtuiApp


class FramedScreen(Screen[None]):
    """A room. Subclasses give `ROOM` and `body`, and draw what the engine did in `show_state`."""

    ROOM: ClassVar[str] = ""
    HELP_LINES: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-very-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    BINDINGS = [
        Binding("1", "app.room('setup')", "Go to Setup", show=False),
        Binding("2", "app.room('run')", "Go to Run", show=False),
        Binding("3", "app.room('compare')", "Go to Compare", show=False),
        Binding("4", "app.room('history')", "Go to History", show=False),
    ]

    app: QrtuiApp

    def compose(self) -> ComposeResult:
        """Header and tabs, the room's own body, footer."""
        yield HeaderLine()
        yield RoomTabs(self.ROOM)
        yield from self.body()
        yield Footer(compact=True)

    def body(self) -> ComposeResult:
        """The room's own widgets."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another room was shown."""
        self.show_headline()
        self.show_state()

    def show_headline(self) -> None:
        """Bring the first line up to date."""
        self.query_one(HeaderLine).show(self.app.headline())

    def show_state(self) -> None:
        """Draw what the engine has done since; called on the UI thread, at most four times a second."""

    def report(self, error: QrtuiError) -> None:
        """Show an error that a person can mend."""
        self.app.report(error)

    @on(RoomTab.Chosen)
    def _go(self, event: RoomTab.Chosen) -> None:
        self.app.action_room(event.room)
