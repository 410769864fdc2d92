"""What every room of the app has: header, tabs, footer, and the keys that lead from room to room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Region
from textual.reactive import Reactive
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from qrtui.errors import QrtuiError
from qrtui.tui.keys import key_name, with_ids
from qrtui.tui.widgets.header import HeaderLine, RoomTab, RoomTabs
from qrtui.tui.widgets.moves import MOVES, Moves
from qrtui.tui.widgets.room_footer import RoomFooter
from qrtui.tui.widgets.steady import ground

if TYPE_CHECKING:
    from qrtui.tui.app import QrtuiApp


class FramedScreen(Moves, Screen[None]):
    """A room. Subclasses give `ROOM` and `body`, and draw what the engine did in `show_state`.

    Each of a room's bindings gets an id, `room.action`, by which the settings file can give it another key.
    """

    ROOM: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-very-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall"), (46, "-very-tall")]
    BINDINGS = [
        Binding("1", "app.room('setup')", "Go to Setup", show=False, id="go.setup"),
        Binding("2", "app.room('run')", "Go to Run", show=False, id="go.run"),
        Binding("3", "app.room('compare')", "Go to Compare", show=False, id="go.compare"),
        Binding("4", "app.room('charts')", "Go to Charts", show=False, id="go.charts"),
        Binding("5", "app.room('history')", "Go to History", show=False, id="go.history"),
        Binding("6", "app.room('playground')", "Go to Playground", show=False, id="go.playground"),
        *MOVES,
    ]

    app: QrtuiApp
    # What lies under the widgets looks the same wherever the focus is.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    _complete = False

    def __init_subclass__(cls, **options: Any) -> None:
        if "BINDINGS" in cls.__dict__:
            cls.BINDINGS = with_ids(cls.ROOM, cls.BINDINGS)
        super().__init_subclass__(**options)

    def compose(self) -> ComposeResult:
        """Header and tabs, the room's own body, footer."""
        yield HeaderLine()
        yield RoomTabs(self.ROOM)
        yield from self.body()
        yield RoomFooter()

    def render_lines(self, crop: Region) -> list[Strip]:
        """What lies under all the widgets."""
        return ground(self, crop)

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
        """What can be done here: in words, the key or keys as they are set, and the action to run."""
        found: dict[str, tuple[list[str], str]] = {}
        for binding in [*type(self).BINDINGS, *FramedScreen.BINDINGS]:
            if isinstance(binding, Binding) and binding.description:
                keys, _ = found.setdefault(self.meaning_of(binding), ([], binding.action))
                keys += map(key_name, self.app.keymap.get(binding.id or "", binding.key).split(","))
        for meaning, (keys, action) in found.items():
            yield meaning, ", ".join(dict.fromkeys(keys)), action

    @classmethod
    def meaning_of(cls, binding: Binding) -> str:
        """What a key does: the binding's own words, else those of its action's method."""
        method = getattr(cls, f"action_{binding.action.partition('(')[0]}", None)
        said = (method.__doc__ or "").partition("\n")[0].rstrip(".") if method and "(" not in binding.action else ""
        meaning = binding.tooltip or said or binding.description
        return meaning[:1].lower() + meaning[1:]

    @on(RoomTab.Chosen)
    def _go(self, event: RoomTab.Chosen) -> None:
        self.app.action_room(event.room)
