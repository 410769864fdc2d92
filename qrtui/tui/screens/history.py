"""History: every run in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Static

from qrtui.errors import QrtuiError
from qrtui.tui.headline import status_of, subject_of_record
from qrtui.tui.screens.dialogs import Question
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.widgets.conditions_table import ConditionsTable
from qrtui.tui.widgets.themed_text import themed
from qrtui.tui.wording import NOTHING, local_time

if TYPE_CHECKING:
    from qrtui.results.records import RunRecord

_LOOK_AGAIN_SECONDS = 2.0
_NO_RUN = "No run yet. Pick what to run in Setup (1) and press r; every run is kept here."
_COLOURS = {
    "finished": "text-success",
    "failed": "text-error",
    "stopped": "text-warning",
    "running": "accent",
    "unfinished": "text-warning",
}
_MARKS = {"finished": "✓", "failed": "✗", "stopped": "■", "running": "▸", "unfinished": "■"}


class RunsTable(DataTable[Text]):
    """The runs; Enter, which a table otherwise keeps to itself, is offered in the footer."""

    BINDINGS = [Binding("enter", "select_cursor", "Compare")]


class HistoryScreen(FramedScreen):
    """The runs, the latest first; below them the table of the chosen one."""

    ROOM = "history"
    CSS_PATH = "history.tcss"
    BINDINGS = [
        Binding("enter", "open", "Compare", show=False),
        Binding("o", "table", "Table"),
        Binding("r", "resume", "Run on/again"),
        Binding("d", "delete", "Delete"),
        Binding("j", "run(1)", "Next run", show=False),
        Binding("k", "run(-1)", "Previous run", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[RunRecord] = []
        self._state = -1

    def body(self) -> ComposeResult:
        """Runs above, the chosen one below."""
        yield Static(_NO_RUN, id="no-history", classes="empty")
        with Vertical(id="history"):
            with Horizontal(id="runs-panel", classes="panel") as runs:
                runs.border_title = "Runs"
                yield RunsTable(id="runs", cursor_type="row")
            with Vertical(id="chosen-panel", classes="panel"):
                yield Static("", id="chosen-subject", markup=False)
                yield ConditionsTable(id="chosen-conditions")

    def on_mount(self) -> None:
        """Columns are as wide as what is in them."""
        table = self.query_one("#runs", DataTable)
        for name in ("run", "name", "status", "started", "judged", "what"):
            table.add_column(Text(name, justify="right" if name in ("run", "judged") else "left"), key=name)
        table.focus()
        self.set_interval(_LOOK_AGAIN_SECONDS, self._follow)

    def show_state(self) -> None:
        """Look at the database again; the run under way is followed more slowly."""
        if self._state < 0 or not self.app.state.under_way:
            self._follow()

    def on_screen_resume(self) -> None:
        """Another program may have added runs."""
        self._state = -1

    def _follow(self) -> None:
        if self in self.app.screen_stack and self._state != self.app.state.results:
            self._state = self.app.state.results
            self._read()

    @work(exclusive=True, group="runs")
    async def _read(self) -> None:
        try:
            self._runs = await self.app.reader.ask(lambda store: store.runs())
        except QrtuiError as error:
            self.report(error)
            return
        self._show_runs()

    def _show_runs(self) -> None:
        self.query_one("#no-history").display = not self._runs
        self.query_one("#history").display = bool(self._runs)
        table = self.query_one("#runs", DataTable)
        at = table.cursor_row
        table.clear()
        for run in self._runs:
            table.add_row(*self._cells(run), key=str(run.id))
        table.move_cursor(row=min(at, len(self._runs) - 1))

    def _cells(self, run: RunRecord) -> list[Text]:
        app = self.app
        status = "running" if run.id == app.state.run and app.state.under_way else status_of(run)
        return [
            themed(app, str(run.id), right=True),
            themed(app, run.name),
            themed(app, f"{_MARKS[status]} {status}", _COLOURS[status]),
            themed(app, local_time(run.started), "muted"),
            themed(app, f"{run.judged:,}/{run.total:,}", right=True),
            themed(app, subject_of_record(run), "muted"),
        ]

    @property
    def chosen(self) -> RunRecord | None:
        """The run under the cursor."""
        row = self.query_one("#runs", DataTable).cursor_row
        return self._runs[row] if 0 <= row < len(self._runs) else None

    @on(DataTable.RowHighlighted, "#runs")
    @work(exclusive=True, group="chosen")
    async def _show_chosen(self) -> None:
        run = self.chosen
        if run is None:
            return
        try:
            rows = await self.app.reader.ask(lambda store: _rows(store, run.id))
        except QrtuiError as error:
            self.report(error)
            return
        panel = self.query_one("#chosen-panel")
        panel.border_title = f"Run {run.id}, {run.name}"
        took = f", ended {local_time(run.finished)}" if run.finished else ""
        device = run.environment.get("device") or NOTHING
        level = run.environment.get("judge_level") or NOTHING
        self.query_one("#chosen-subject", Static).update(
            f"{subject_of_record(run)}   started {local_time(run.started)}{took}   {device}   judge {level}"
        )
        table = self.query_one(ConditionsTable)
        table.show(rows)
        panel.border_subtitle = f"{table.protocol} noise" if table.protocol else ""

    # Actions

    @on(DataTable.RowSelected, "#runs")
    def action_open(self) -> None:
        """Show the chosen run's completions."""
        if self.chosen:
            self.app.open_run(self.chosen, "compare")

    def action_table(self) -> None:
        """Show the chosen run's table and chart."""
        if self.chosen:
            self.app.open_run(self.chosen, "run")

    def action_resume(self) -> None:
        """Go on with the chosen run, or run the same experiment again."""
        if self.chosen:
            self.app.resume(self.chosen)

    def action_run(self, step: int) -> None:
        """Go to the next or previous run."""
        table = self.query_one("#runs", DataTable)
        table.move_cursor(row=table.cursor_row + step)

    @work
    async def action_delete(self) -> None:
        """Forget the chosen run, after asking."""
        run = self.chosen
        if run is None:
            return
        if run.id == self.app.state.run and self.app.state.under_way:
            self.notify("This run is under way. Stop it first: 2, then x.", severity="warning")
            return
        text = "Its completions and verdicts stay in the database: the same experiment, run again, finds them."
        question = Question(f"Delete run {run.id}, {run.name}?", text, delete="Delete", keep="Keep")
        if await self.app.push_screen_wait(question) != "delete":
            return
        try:
            await self.app.reader.ask(lambda store: store.delete_run(run.id))
        except QrtuiError as error:
            self.report(error)
            return
        self.app.forget(run.id)
        self.notify(f"Run {run.id} deleted")
        self._read()


def _rows(store: Any, run: int) -> Any:
    from qrtui.results.table import table

    return table(store.conditions(run), store.outcomes(run))
