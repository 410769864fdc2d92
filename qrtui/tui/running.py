"""The app's side of the engine: experiments begin, wait for their turn and are stopped; its news are taken in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App
from textual.message import Message

from qrtui.errors import QrtuiError
from qrtui.events import RunEnded
from qrtui.tui.engine import Engine, EngineFailed, Mailbox, RunFunction
from qrtui.tui.play_state import PlayState
from qrtui.tui.run_state import RunState
from qrtui.tui.screens.dialogs import Message as MessageDialog
from qrtui.tui.screens.framed import FramedScreen

if TYPE_CHECKING:
    from qrtui.results.records import RunRecord
    from qrtui.spec import Experiment

    _App = App[None]
else:
    _App = object

_DRAWS_PER_SECOND = 4
_DRAWS_PER_SECOND_OF_A_TURN = 8


class EngineNews(Message):
    """Something lies in the engine's mailbox."""


class Running(_App):
    """For the app: one engine, the state of its run and of the Playground's turn, and which run is shown."""

    quitting = False
    """Whether the app ends as soon as the engine has."""

    def set_up_engine(self, database: Path, run_function: RunFunction | None, *, allow_unsafe_judge: bool) -> None:
        """Have an engine, idle; `run_function` takes the place of `qrtui.run.run` in tests."""
        self.state = RunState()
        self.play = PlayState()
        self.opened: RunRecord | None = None
        """The run from History that Run and Compare show; None for the one of the engine."""
        self._mailbox = Mailbox(self._wake)
        self.engine = Engine(database, self._mailbox, run_function, allow_unsafe_judge=allow_unsafe_judge)

    @property
    def shown_run(self) -> int | None:
        """The number of the run that Run and Compare show."""
        return self.opened.id if self.opened else self.state.run

    def action_room(self, room: str) -> None:
        """Go to another room."""
        raise NotImplementedError

    def start_run(self, experiment: Experiment) -> None:
        """Run an experiment and show it; while another is under way, let it wait for its turn."""
        if self.engine.busy:
            self.state.wait(experiment)
            self.notify(f"{experiment.name} waits for the run under way; Run (2) shows what waits.")
            self.catch_up()
            return
        self.opened = None
        self.state.begin(experiment)
        self.engine.start(experiment)
        self.action_room("run")
        self.catch_up()

    def start_waiting(self) -> None:
        """Start the experiment that has waited longest, if any waits."""
        if self.state.waiting and not self.engine.busy and not self.quitting:
            experiment = self.state.waiting.popleft()
            self.opened = None
            self.state.begin(experiment)
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
            self.catch_up()

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
        self.catch_up()
        if self.quitting and not self.engine.busy:
            self.exit()

    def _report_failure(self, event: EngineFailed) -> None:
        from qrtui.paths import log_file

        way_out = f"What was judged is kept. The whole error is in {log_file()}."
        self.push_screen(MessageDialog("The run ended by an error", event.reason, way_out))

    def catch_up(self) -> None:
        """Have the rooms draw what has happened."""
        for screen in self.screen_stack:
            if isinstance(screen, FramedScreen):
                screen.catch_up()

    def report(self, error: QrtuiError) -> None:
        """Show an error that a person can mend."""
        self.push_screen(MessageDialog(error.title, error.problem, error.way_out))
