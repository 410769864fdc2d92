"""What every room of the app has: header, tabs, footer, and the keys that lead from room to room."""

from __future__ import annotations

from collections.abc import Iterator
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
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-very-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall"), (46, "-very-tall")]
    BINDINGS = [
        Binding("1", "app.room('setup')", "Go to Setup", show=False),
        Binding("2", "app.room('run')", "Go to Run", show=False),
        Binding("3", "app.room('compare')", "Go to Compare", show=False),
        Binding("4", "app.room('charts')", "Go to Charts", show=False),
        Binding("5", "app.room('history')", "Go to History", show=False),
        Binding("6", "app.room('playground')", "Go to Playground", show=False),
    ]

    app: QrtuiApp
    _complete = False

    def compose(self) -> ComposeResult:
        """Header and tabs, the room's own body, footer."""
        yield HeaderLine()
        yield RoomTabs(self.ROOM)
        yield from self.body()
        yield Footer(compact=True)

    def body(self) -> ComposeResult:
        """The room's own widgets."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """All parts are there now. (Textual calls this after the subclass's own.)"""
        self._complete = True
        self.catch_up()

    def on_screen_resume(self) -> None:
        """Another room was shown meanwhile."""
        self.catch_up()

    def catch_up(self) -> None:
        """Draw what happened; nothing before the parts are there."""
        if self._complete:
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

    def actions(self) -> Iterator[tuple[str, str, str]]:
        """What can be done here: in words, the key or keys, and the action to run."""
        found: dict[str, tuple[list[str], str]] = {}
        for binding in [*type(self).BINDINGS, *FramedScreen.BINDINGS]:
            if isinstance(binding, Binding) and binding.description:
                keys, _ = found.setdefault(self._meaning(binding), ([], binding.action))
                keys.append(_key_name(binding))
        for meaning, (keys, action) in found.items():
            yield meaning, ", ".join(keys), action

    def _meaning(self, binding: Binding) -> str:
        """What a key does: the binding's own words, else those of its action's method."""
        method = getattr(self, f"action_{binding.action.partition('(')[0]}", None)
        said = (method.__doc__ or "").partition("\n")[0].rstrip(".") if method and "(" not in binding.action else ""
        meaning = binding.tooltip or said or binding.description
        return meaning[:1].lower() + meaning[1:]

    @on(RoomTab.Chosen)
    def _go(self, event: RoomTab.Chosen) -> None:
        self.app.action_room(event.room)


_KEY_NAMES = {"question_mark": "?", "slash": "/", "escape": "Esc", "enter": "Enter", "space": "Space"}


def _key_name(binding: Binding) -> str:
    if binding.key.startswith("ctrl+"):
        return f"Ctrl+{binding.key[5:].upper()}"
    return _KEY_NAMES.get(binding.key, binding.key)
