"""The app: six rooms, one engine, and what they share."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.actions import ActionParseResult
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

from qrtui.errors import QrtuiError
from qrtui.events import RunEnded
from qrtui.tui.engine import Engine, EngineFailed, Mailbox, RunFunction
from qrtui.tui.headline import Headline, headline_of_record, headline_of_state
from qrtui.tui.lost_terminal import terminal_is_gone
from qrtui.tui.mended_textual import LeavesQuietly, mend_option_lists, mend_scrollbars, mend_writer
from qrtui.tui.opening import open_app
from qrtui.tui.personal import Personal
from qrtui.tui.plain_text import PrintableLines, take_no_markup
from qrtui.tui.play_state import PlayState
from qrtui.tui.reader import Reader
from qrtui.tui.run_state import RunState
from qrtui.tui.screens.closes_once import Palette
from qrtui.tui.screens.dialogs import Message as MessageDialog
from qrtui.tui.screens.dialogs import Question
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.screens.setup import SetupScreen
from qrtui.tui.typed_ahead import TypedAhead
from qrtui.tui.widgets.header import ROOMS

if TYPE_CHECKING:
    from qrtui.results.records import RunRecord
    from qrtui.spec import Experiment

__all__ = ["QrtuiApp", "open_app"]

_DRAWS_PER_SECOND = 4
_DRAWS_PER_SECOND_OF_A_TURN = 8
_PATIENCE_WHEN_QUITTING = 15.0
_LOOKS_FOR_THE_TERMINAL = 1.0
_COLLECTOR = (10_000, 3, 20)


class EngineNews(Message):
    """Something lies in the engine's mailbox."""


def _room(name: str) -> Callable[[], Screen[None]]:
    """Makes a room when it is first entered: what it imports would delay the first paint."""

    def make() -> Screen[None]:
        module = import_module(f"qrtui.tui.screens.{name}")
        screen: Screen[None] = getattr(module, f"{name.capitalize()}Screen")()
        return screen

    return make


class QrtuiApp(TypedAhead, LeavesQuietly, Personal, App[None]):
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
        self.state = RunState()
        self.play = PlayState()
        self.reader = Reader(database, "reader")
        self.planner = Reader(database, "planner")
        self.opened: RunRecord | None = None
        """The run from History that Run and Compare show; None for the one of the engine."""
        self._mailbox = Mailbox(self._wake)
        self.engine = Engine(database, self._mailbox, run_function, allow_unsafe_judge=allow_unsafe_judge)
        self.given = experiment
        self._start = start
        self._quitting = False

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
        if not self.is_headless:
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.leave)
            self.set_interval(_LOOKS_FOR_THE_TERMINAL, self._leave_lost_terminal)
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

    # The engine

    def start_run(self, experiment: Experiment, expected_seconds: float | None = None) -> None:
        """Run an experiment and show it; while another is under way, let it wait for its turn."""
        if self.engine.busy:
            self.state.wait(experiment, expected_seconds)
            self.notify(f"{experiment.name} waits for the run under way; Run (2) shows what waits.")
            self._show_state()
            return
        self.opened = None
        self.state.begin(experiment, expected_seconds)
        self.engine.start(experiment)
        self.action_room("run")
        self._show_state()

    def start_waiting(self) -> None:
        """Start the experiment that has waited longest, if any waits."""
        if self.state.waiting and not self.engine.busy and not self._quitting:
            experiment, expected_seconds = self.state.waiting.popleft()
            self.opened = None
            self.state.begin(experiment, expected_seconds)
            self.engine.start(experiment)
            self.notify(f"{experiment.name} has begun.")

    def resume(self, record: RunRecord) -> None:
        """Run an earlier run's experiment: what it left undone is taken up, what is known is not made again."""
        from qrtui.spec import read_experiment

        try:
            experiment = read_experiment(record.experiment, f"run {record.id}")
        except QrtuiError as error:
            self.report(error)
            return
        self.start_run(experiment)

    def forget(self, run: int) -> None:
        """A run was deleted: show it no more."""
        if self.opened is not None and self.opened.id == run:
            self.opened = None
        if self.state.run == run:
            self.state = RunState()

    def stop_run(self) -> None:
        """Ask the run to stop."""
        if self.state.under_way:
            self.state.ask_to_stop()
            self.engine.stop()
            self._show_state()

    def _wake(self) -> None:
        try:
            self.post_message(EngineNews())
        except RuntimeError:
            # The app has ended while the engine was finishing; the results are in the store.
            return

    def on_engine_news(self) -> None:
        """Take the mail in, and look again a quarter of a second later, so that a flood is drawn in steps."""
        events = self._mailbox.take()
        if not events:
            return
        now = time.monotonic()
        for event in events:
            self.state.fold(event, now)
            self.play.fold(event)
            if isinstance(event, EngineFailed):
                self._report_failure(event)
            elif isinstance(event, RunEnded) and event.status in ("failed", "interrupted"):
                title = "The run failed" if event.status == "failed" else "The run was interrupted"
                self.push_screen(MessageDialog(title, *event.reason.split("; ", 1)))
            elif isinstance(event, RunEnded) and event.status == "finished":
                self.start_waiting()
        pace = _DRAWS_PER_SECOND_OF_A_TURN if self.play.under_way else _DRAWS_PER_SECOND
        self.set_timer(1 / pace, self.on_engine_news)
        self._show_state()
        if self._quitting and not self.engine.busy:
            self.exit()

    def _report_failure(self, event: EngineFailed) -> None:
        from qrtui.paths import log_file

        way_out = f"What was judged is kept. The whole error is in {log_file()}."
        self.push_screen(MessageDialog("The run ended by an error", event.reason, way_out))

    def _show_state(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, FramedScreen):
                screen.catch_up()

    # What is shown

    @property
    def shown_run(self) -> int | None:
        """The number of the run that Run and Compare show."""
        return self.opened.id if self.opened else self.state.run

    def open_run(self, record: RunRecord, room: str) -> None:
        """Show a run from the store; the engine's own one is followed live again."""
        self.opened = None if record.id == self.state.run else record
        self.action_room(room)

    def headline(self) -> Headline:
        """The header's words for the run that is shown."""
        return headline_of_record(self.opened) if self.opened is not None else headline_of_state(self.state)

    def report(self, error: QrtuiError) -> None:
        """Show an error that a person can mend."""
        self.push_screen(MessageDialog(error.title, error.problem, error.way_out))

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
            self._show_state()

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

    @work
    async def action_quit(self) -> None:  # type: ignore[override]
        """Leave; ask first if a run is under way."""
        if not self.engine.busy or self._quitting:
            self.exit()
            return
        if isinstance(self.screen, Question):
            return
        question = Question(
            "A run is under way",
            "Nothing is lost either way: what was judged is in the database, and the run can be resumed.",
            stop="Stop and quit",
            keep="Keep running",
        )
        if await self.push_screen_wait(question) == "stop":
            self._quitting = True
            self.stop_run()
            self.notify("Stopping …")
            await self._leave_when_stopped()

    def leave(self) -> None:
        """Stop what is under way and end, without a question: the system asked, and may not wait for an answer."""
        self._quitting = True
        self.stop_run()
        self.run_worker(self._leave_when_stopped())

    def _leave_lost_terminal(self) -> None:
        if terminal_is_gone() and not self._quitting:
            self.leave()

    async def _leave_when_stopped(self) -> None:
        await asyncio.to_thread(self.engine.wait, _PATIENCE_WHEN_QUITTING)
        self.exit()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action of the present room with its key, and what Textual offers."""
        if isinstance(screen, FramedScreen):
            for meaning, keys, action in screen.actions():
                yield SystemCommand(
                    meaning[:1].upper() + meaning[1:], f"key {keys}", partial(screen.run_action, action)
                )
        for command in super().get_system_commands(screen):
            if command.title not in ("Quit", "Keys"):
                yield command
        yield SystemCommand("Quit", "key q", self.action_quit)
