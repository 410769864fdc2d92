"""The app: six rooms, one engine, and what they share."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.actions import ActionParseResult, parse
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widget import Widget

from qrtui.errors import QrtuiError
from qrtui.tui.engine import RunFunction
from qrtui.tui.headline import Headline, headline_of_record, headline_of_state
from qrtui.tui.leaving import Leaving
from qrtui.tui.mended_textual import LeavesQuietly, mend_option_lists, mend_scrollbars, mend_writer
from qrtui.tui.opening import open_app
from qrtui.tui.personal import Personal
from qrtui.tui.plain_text import PrintableLines, take_no_markup
from qrtui.tui.reader import Reader
from qrtui.tui.screens.closes_once import Palette
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.screens.setup import SetupScreen
from qrtui.tui.typed_ahead import TypedAhead
from qrtui.tui.widgets.header import ROOMS

if TYPE_CHECKING:
    from qrtui.results.records import RunRecord
    from qrtui.spec import Experiment

__all__ = ["QrtuiApp", "open_app"]

_COLLECTOR = (10_000, 3, 20)


def _room(name: str) -> Callable[[], Screen[None]]:
    """Makes a room when it is first entered: what it imports would delay the first paint."""

    def make() -> Screen[None]:
        module = import_module(f"qrtui.tui.screens.{name}")
        screen: Screen[None] = getattr(module, f"{name.capitalize()}Screen")()
        return screen

    return make


class QrtuiApp(TypedAhead, LeavesQuietly, Personal, Leaving, App[None]):
    """The terminal app.

    `experiment` fills Setup (the demo preset where it is None), `start` runs it at once. `run_function` takes the place
    of `qrtui.run.run` in tests.
    """

    TITLE = "qrtui"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    MODES = {"setup": SetupScreen, **{room: _room(room) for room in ROOMS if room != "setup"}}
    ENABLE_COMMAND_PALETTE = True
    BINDINGS = [
        Binding("question_mark", "help", "Help", key_display="?", id="help"),
        Binding("q", "quit", "Quit", id="quit"),
        Binding("ctrl+t", "next_theme", "Theme", show=False, tooltip="Next theme: dark, light, terminal", id="theme"),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, tooltip="suspend; fg goes on", id="suspend"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
        Binding("ctrl+c", "interrupt", "Quit", show=False, priority=True, system=True),
    ]

    def __init__(
        self,
        database: Path,
        experiment: Experiment | None = None,
        start: bool = False,
        allow_unsafe_judge: bool = False,
        run_function: RunFunction | None = None,
    ) -> None:
        take_no_markup()
        mend_option_lists()
        mend_scrollbars()
        mend_writer()
        super().__init__()
        self._printable_lines = PrintableLines()
        self.settle(None)
        self.database = database
        self.reader = Reader(database, "reader")
        self.planner = Reader(database, "planner")
        self.set_up_engine(database, run_function, allow_unsafe_judge=allow_unsafe_judge)
        self.given = experiment
        self._start = start

    def on_mount(self) -> None:
        """Show the first room."""
        self.follow_theme()
        self.call_after_refresh(gc.enable)
        # As Python sets it, each key waits for several passes over young objects and every few for one over all.
        gc.set_threshold(*_COLLECTOR)
        self.call_after_refresh(self.set_keys)
        # All that is there by now stays: the collector need not go through it again at a key.
        self.call_after_refresh(gc.freeze)
        # Taken up again by the shell's fg, the terminal shows nothing of what was drawn before.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self.leave_when_asked()
        if self._start and self.given:
            self.state.begin(self.given)
            self.switch_mode("run")
            # After the first paint: the engine's imports would delay it.
            self.call_after_refresh(self.start_run, self.given)
        else:
            self.switch_mode("setup")

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What every drawn line goes through."""
        return [*super().get_line_filters(), self._printable_lines]

    # What is shown

    def open_run(self, record: RunRecord, room: str) -> None:
        """Show a run from the store; the engine's own one is followed live again."""
        self.opened = None if record.id == self.state.run else record
        self.action_room(room)

    def headline(self) -> Headline:
        """The header's words for the run that is shown."""
        return headline_of_record(self.opened) if self.opened is not None else headline_of_state(self.state)

    # Actions

    def action_room(self, room: str) -> None:
        """Go to another room."""
        # A key may come to a room that has just got a dialog over it.
        if room in ROOMS and isinstance(self.screen, FramedScreen):
            self.switch_mode(room)
            if room in ("run", "compare") and self.shown_run is None and self.state.phase == "idle":
                self._open_latest()

    @work(exclusive=True)
    async def _open_latest(self) -> None:
        """Show the latest run in the database, where there is none of this session to show."""
        try:
            runs = await self.reader.ask(lambda store: store.runs())
        except QrtuiError:
            # History says what is wrong with the database; these rooms say that there is no run.
            return
        if runs and self.shown_run is None and self.state.phase == "idle":
            self.opened = runs[0]
            self.catch_up()

    def action_help(self) -> None:
        """Show the keys and words of this room."""
        from qrtui.tui.screens.help import HelpScreen

        if isinstance(self.screen, FramedScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_command_palette(self) -> None:
        """Show the palette of commands, once."""
        if not any(isinstance(screen, Palette) for screen in self.screen_stack):
            self.push_screen(Palette())

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action, unless its screen has been covered or closed since its key was pressed."""
        if isinstance(default_namespace, Widget) and not set(self.screen_stack[-1:]) & set(
            default_namespace.ancestors_with_self
        ):
            return False
        return await super().run_action(action, default_namespace, namespaces)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action of the present room that does something now, with its key, and what Textual offers."""
        if isinstance(screen, FramedScreen):
            for meaning, keys, action in screen.actions():
                namespace, name, parameters = parse(action)
                if namespace or screen.check_action(name, parameters):
                    yield SystemCommand(
                        meaning[:1].upper() + meaning[1:], f"key {keys}", partial(screen.run_action, action)
                    )
        for command in super().get_system_commands(screen):
            if command.title not in ("Quit", "Keys"):
                yield command
        yield SystemCommand("Quit", "key q", self.action_quit)
