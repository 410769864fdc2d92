"""Run: the conditions of a run, its progress, and the RRS while results come in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from qrtui.counting import counted
from qrtui.errors import QrtuiError
from qrtui.paths import log_file
from qrtui.tui.run_state import RunState
from qrtui.tui.run_words import (
    progress_in_words,
    reach_in_words,
    stage_in_words,
    strength_in_words,
    waiting_in_words,
)
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.widgets.conditions_table import ConditionsTable, Intervals
from qrtui.tui.widgets.device_line import DeviceLine
from qrtui.tui.widgets.log_pane import LogPane, LogTail
from qrtui.tui.widgets.progress_line import ProgressLine
from qrtui.tui.widgets.run_charts import RunCharts

if TYPE_CHECKING:
    from qrtui.results.strengths import AttackStrength
    from qrtui.results.table import Row

_TABLE_SECONDS = 0.5
_DEVICE_SECONDS = 2.0
_NO_RUN = "No run yet. Pick what to run in Setup (1) and press r, or open an earlier run in History (5)."


class RunScreen(FramedScreen):
    """Watches the engine; also shows the table of a run from History."""

    ROOM = "run"
    CSS_PATH = "run.tcss"
    BINDINGS = [
        Binding("p", "pause", "Pause"),
        Binding("x", "stop", "Stop"),
        Binding("r", "resume", "Resume", id="run.again"),
        Binding("r", "again", "Again", id="run.again"),
        Binding("w", "waiting", "Next", tooltip="start the experiment that waits"),
        Binding("d", "drop", "Drop", tooltip="take the last experiment off those that wait"),
        Binding("c", "chart", "Chart"),
        Binding("l", "log", "Log"),
        Binding("enter", "compare", "Compare", show=False),
        Binding("j", "table('cursor_down')", "Next row", show=False),
        Binding("k", "table('cursor_up')", "Previous row", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._drawn: tuple[int | None, int, str] | None = None
        self._offered: tuple[str, bool, int] | None = None
        self._logged = 0
        self._reading = False
        self._shown: tuple[Sequence[Row], Collection[int]] = ((), ())
        self._intervals: Intervals = {}
        self._strengths: dict[int, Sequence[AttackStrength]] = {}
        self._tail = LogTail(log_file())

    def body(self) -> ComposeResult:
        """Stage and progress above; table and chart; log below."""
        with Vertical(id="progress"):
            with Horizontal(id="stage-line"):
                yield Static("", id="stage", markup=False)
                yield DeviceLine(id="device")
            yield ProgressLine(id="bar")
            yield Static("", id="waiting", markup=False)
        yield Static(_NO_RUN, id="no-run", classes="empty")
        with Horizontal(id="run-middle"):
            with Vertical(id="conditions-panel", classes="panel") as conditions:
                conditions.border_title = "Conditions"
                yield ConditionsTable(id="conditions")
                yield Static("", id="strength", markup=False)
            yield RunCharts(id="chart-panel")
        with Vertical(id="log-panel", classes="panel") as log:
            log.border_title = "Log"
            yield LogPane(id="log")

    def on_mount(self) -> None:
        """Look at the clock, the table and the log at their own pace."""
        self.set_interval(_TABLE_SECONDS, self._follow)
        self.set_interval(_DEVICE_SECONDS, self._measure)
        self.query_one(ConditionsTable).focus()
        self.set_class(not self.app.settings.charts, "-no-charts")

    def show_state(self) -> None:
        """Stage, progress, keys."""
        state = self.app.state
        shown = self.app.shown_run is not None or state.under_way
        for id, display in (("#no-run", not shown), ("#run-middle", shown), ("#progress", shown)):
            self.query_one(id).display = display
        self.set_class(self.app.opened is not None, "-past")
        self._show_progress(state)
        waiting = self.query_one("#waiting", Static)
        waiting.display = bool(state.waiting)
        waiting.update(waiting_in_words(state))
        self._show_log(state)
        offered = (state.phase, self.app.opened is None, len(state.waiting))
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()
        self._follow()

    def _show_progress(self, state: RunState) -> None:
        stage, bar = self.query_one("#stage", Static), self.query_one(ProgressLine)
        if self.app.opened is not None:
            run = self.app.opened
            stage.update(f"{run.name}, {run.status}" + ("" if run.status == "finished" else ": r resumes it"))
            bar.show(run.judged / run.total if run.total else None, f"{run.judged:,} of {run.total:,}")
            return
        stage.update(stage_in_words(state))
        bar.show(*progress_in_words(state, time.monotonic()))

    def _show_log(self, state: RunState) -> None:
        new = min(state.logged - self._logged, len(state.log))
        if new > 0:
            self.query_one(LogPane).say(list(state.log)[-new:])
        self._logged = state.logged

    def _follow(self) -> None:
        if self not in self.app.screen_stack:
            return
        if self.app.state.under_way and self.app.opened is None:
            self._show_progress(self.app.state)
        self.query_one(LogPane).quote(self._tail.new_lines())
        wanted = (self.app.shown_run, self.app.state.results, self.app.theme)
        if wanted != self._drawn and wanted[0] is not None and not self._reading:
            self._reading = True
            self._drawn = wanted
            self._read(wanted[0])

    @work
    async def _read(self, run: int) -> None:
        """Bring the table, then the charts, up to date from the store; then what takes longer and never changes."""
        try:
            rows, outcomes = await self.app.reader.ask(lambda store: _rows(store, run))
            self._show_rows(rows)
            if not self.has_class("-no-charts"):
                await self.app.reader.ask(_get_ready_to_draw)
                self.query_one(RunCharts).show(rows, outcomes)
            if run not in self._strengths:
                self._strengths = {run: await self.app.reader.ask(lambda store: _strengths(store, run))}
        except QrtuiError as error:
            self.report(error)
            return
        finally:
            self._reading = False
        self._show_strength()

    def _show_rows(self, rows: Sequence[Row]) -> None:
        at_work = self.app.state.conditions if self.app.opened is None else ()
        self._shown = rows, at_work
        table, panel = self.query_one(ConditionsTable), self.query_one("#conditions-panel")
        table.show(rows, at_work, self._intervals)
        panel.border_title = (
            f"Conditions, {table.protocol} noise{reach_in_words(rows)}" if table.protocol else "Conditions"
        )
        finished = sum(row.n == row.total for row in rows)
        panel.border_subtitle = f"{finished} of {counted(len(rows), 'condition')} done"

    def on_run_charts_bounded(self, event: RunCharts.Bounded) -> None:
        """The intervals of the RRS are there; they take longer than the rest."""
        self._intervals = event.intervals
        self.query_one(ConditionsTable).show(*self._shown, self._intervals)

    def on_data_table_row_highlighted(self) -> None:
        """Another condition is under the cursor."""
        self._show_strength()

    def _show_strength(self) -> None:
        """How strong the perturbation under the cursor is: unequal doses must not be taken for equal ones."""
        row = self.query_one(ConditionsTable).row_at_cursor
        self.query_one("#strength", Static).update(
            strength_in_words(row, next(iter(self._strengths.values()), ())) if row else ""
        )

    @work(exclusive=True, group="device")
    async def _measure(self) -> None:
        """Look at the device while a run is under way."""
        state, line = self.app.state, self.query_one(DeviceLine)
        live = self.app.opened is None and state.under_way and bool(state.device)
        line.display = live
        if live and self in self.app.screen_stack:
            line.show(await asyncio.to_thread(_device_loads, state.device))

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done now."""
        state = self.app.state
        live = self.app.opened is None and state.under_way and state.phase != "stopping"
        if action in ("pause", "stop"):
            return live
        if action == "drop":
            return bool(state.waiting)
        if action == "waiting":
            return bool(state.waiting) and not state.under_way
        if action in ("again", "resume"):
            opened = self.app.opened
            finished = opened.status == "finished" if opened is not None else state.phase == "finished"
            there = not state.under_way and (opened is not None or state.experiment is not None)
            return there and finished == (action == "again")
        return True

    def action_pause(self) -> None:
        """Pause the run, or let it go on."""
        if self.app.engine.held:
            self.app.engine.resume()
            if self.app.state.phase != "paused":
                self.notify("It goes on.", timeout=2)
        else:
            self.app.engine.pause()
            self.notify("Pausing at the next token. p goes on.")

    def action_stop(self) -> None:
        """Stop the run; it can be resumed."""
        self.app.stop_run()

    def action_resume(self) -> None:
        """Resume a run that did not finish."""
        self.action_again()

    def action_again(self) -> None:
        """Run the same experiment again: nothing that is known is made again."""
        if self.app.opened is not None:
            self.app.resume(self.app.opened)
        elif self.app.state.experiment is not None:
            self.app.start_run(self.app.state.experiment)

    def action_waiting(self) -> None:
        """Start the experiment that has waited longest."""
        self.app.start_waiting()
        self.show_state()

    def action_drop(self) -> None:
        """Take the last experiment off those that wait."""
        if name := self.app.state.drop_waiting():
            self.notify(f"{name} waits no more.")
            self.show_state()

    def action_chart(self) -> None:
        """Show the chart beside the table, or in its place where both do not fit; or hide it."""
        if self.has_class("-no-charts"):
            # Turned off in the settings: nothing was drawn so far.
            self.remove_class("-no-charts")
            self._drawn = None
            self._follow()
            if not (self.has_class("-narrow") and self.has_class("-short")):
                return
        self.toggle_class("-chart")

    def action_log(self) -> None:
        """Show or hide the log."""
        self.toggle_class("-log")

    def action_compare(self) -> None:
        """Go to the completions."""
        self.app.action_room("compare")

    def action_table(self, move: str) -> None:
        """Move in the table."""
        getattr(self.query_one(ConditionsTable), f"action_{move}")()


def _rows(store: Any, run: int) -> Any:
    from qrtui.results.table import table

    outcomes = store.outcomes(run)
    return table(store.conditions(run), outcomes), outcomes


def _get_ready_to_draw(_: Any) -> None:
    # What draws curves takes a while to import: here, where no key waits for it.
    import plotext  # noqa: F401


def _device_loads(device: str) -> Any:
    from qrtui.models.device_load import device_loads

    return device_loads(device)


def _strengths(store: Any, run: int) -> Any:
    from qrtui.results.strengths import attack_strengths

    return attack_strengths(store.conditions(run), store.prompts(run))
