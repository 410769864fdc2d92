"""History: every run in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import DataTable, Input, Static

from qrtui.errors import QrtuiError
from qrtui.judge.verdict import level_in_words
from qrtui.printable import printable
from qrtui.tui.headline import subject_of_record
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.screens.run_changes import RunChanges
from qrtui.tui.screens.two_runs import TwoRuns
from qrtui.tui.widgets.conditions_table import ConditionsTable
from qrtui.tui.widgets.find_field import FindField
from qrtui.tui.widgets.runs_table import ListedRun, RunsTable
from qrtui.tui.wording import NOTHING, local_time

if TYPE_CHECKING:
    from qrtui.results.records import RunRecord
    from qrtui.results.store import Store

_LOOK_AGAIN_SECONDS = 2.0
_PAGE = 500
_NO_RUN = "No run yet. Pick what to run in Setup (1) and press r; every run is kept here."


class HistoryScreen(RunChanges, FramedScreen):
    """The runs, the latest first; below them the table of the chosen one."""

    ROOM = "history"
    CSS_PATH = "history.tcss"
    BINDINGS = [
        Binding("enter", "open", "Compare", show=False),
        Binding("o", "table", "Table", show=False),
        Binding("r", "resume", "Resume", id="history.resume"),
        Binding("r", "rerun", "Rerun", id="history.resume"),
        Binding("slash", "search", "Find", key_display="/"),
        Binding("space", "mark", "Mark", key_display="Space"),
        Binding("c", "side_by_side", "Two"),
        Binding("t", "tag", "Tag"),
        Binding("n", "rename", "Name", show=False),
        Binding("e", "export", "Export"),
        Binding("d", "delete", "Delete"),
        Binding("u", "undo", "Undo"),
        Binding("escape", "back", "Show all runs again", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._marked: tuple[int, ...] = ()
        self._subjects: dict[tuple[int, str], str] = {}
        self._shown: RunRecord | None = None
        self._read_so_far = 0
        self._count = 0
        self._state = -1
        self._told = ""
        self._restored: int | None = None

    def body(self) -> ComposeResult:
        """Runs above, the chosen one below."""
        yield Static(_NO_RUN, id="no-history", classes="empty")
        with Vertical(id="history"):
            with Vertical(id="runs-panel", classes="panel") as runs:
                runs.border_title = "Runs"
                yield FindField(id="find", placeholder="/ find in names, tags, states, models, data sets, attacks")
                yield RunsTable(id="runs")
                yield Static("", id="no-match", classes="empty")
            with Vertical(id="chosen-panel", classes="panel"):
                yield Static("", id="chosen-subject", markup=False)
                yield ConditionsTable(id="chosen-conditions")

    def on_mount(self) -> None:
        """Begin with the list."""
        self.query_one(RunsTable).focus()
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

    # The list

    @work(exclusive=True, group="runs")
    async def _read(self, further: int = 0) -> None:
        """Read what is shown again, and `further` runs with it."""
        limit = max(self._read_so_far, _PAGE) + further
        search = self.query_one("#find", Input).value
        try:
            count, every, runs = await self.app.reader.ask(lambda store: self._listed(store, search, limit))
        except QrtuiError as error:
            # Once: it is read again and again, and each time the dialog is closed.
            if str(error) != self._told:
                self._told = str(error)
                self.report(error)
            return
        self._told = ""
        self._read_so_far = len(runs) if further else max(self._read_so_far, min(len(runs), _PAGE))
        self._count = count
        self._show_runs(runs, search, every)

    def _listed(self, store: Store, search: str, limit: int) -> tuple[int, int, list[ListedRun]]:
        """On the reader's thread: how many runs the search finds, how many there are, and the first of those found."""
        runs = []
        for record in store.runs(search, limit=limit):
            key = (record.id, record.started)
            if key not in self._subjects:
                self._subjects[key] = subject_of_record(record)
            runs.append(ListedRun(record, self._subjects[key]))
        return store.count_runs(search), store.count_runs(), runs

    def _show_runs(self, runs: list[ListedRun], search: str, every: int) -> None:
        self.query_one("#no-history").display = not every
        self.query_one("#history").display = bool(every)
        table, nothing = self.query_one(RunsTable), self.query_one("#no-match", Static)
        table.display, nothing.display = bool(runs), not runs
        nothing.update(f"No run has “{printable(search.strip())}”. Esc shows all runs again.")
        self.query_one("#chosen-panel").display = bool(runs)
        table.show(runs, self.app.state.run if self.app.state.under_way else None, self._marked)
        if self._restored is not None:
            table.go_to(self._restored)
            self._restored = None
        self._show_counts(search, every)
        self._show_chosen()

    def _show_counts(self, search: str, every: int) -> None:
        panel = self.query_one("#runs-panel")
        panel.border_title = f"Runs: {self._count:,} of {every:,}" if search.strip() else f"Runs: {every:,}"
        marks = {0: "", 1: f"run {self._marked[0]} is marked" if self._marked else "", 2: ""}[len(self._marked)]
        if len(self._marked) == 2:
            marks = f"{self._marked[0]} and {self._marked[1]} are marked: c shows them side by side"
        panel.border_subtitle = marks

    @on(RunsTable.NearEnd)
    def _read_on(self) -> None:
        if self._read_so_far < self._count:
            self._read(_PAGE)

    @on(Input.Changed, "#find")
    def _searched(self) -> None:
        self._read_so_far = 0
        self._read()

    @on(FindField.Left)
    def _searched_enough(self) -> None:
        self.query_one(RunsTable).focus()

    def read_again(self) -> None:
        """Show what was changed."""
        self._read()

    def forget(self, run: int) -> None:
        """A run was deleted: it is marked no more."""
        self._marked = tuple(id for id in self._marked if id != run)

    def restored(self, run: int) -> None:
        """A deleted run is back: the cursor goes to it."""
        self._restored = run

    # The chosen run

    @property
    def chosen(self) -> RunRecord | None:
        """The run under the cursor."""
        return self.query_one(RunsTable).chosen

    @on(DataTable.RowHighlighted, "#runs")
    def _chosen_changed(self) -> None:
        self._show_chosen()

    def _show_chosen(self) -> None:
        run = self.chosen
        if run is not None and run != self._shown:
            self._shown = run
            self.refresh_bindings()
            self._show_subject(run)
            self._read_chosen(run)

    @work(exclusive=True, group="chosen")
    async def _read_chosen(self, run: RunRecord) -> None:
        try:
            rows = await self.app.reader.ask(lambda store: _rows(store, run.id))
        except QrtuiError as error:
            self._shown = None
            self.report(error)
            return
        table = self.query_one(ConditionsTable)
        table.show(rows)
        self.query_one("#chosen-panel").border_subtitle = f"{table.protocol} noise" if table.protocol else ""

    def _show_subject(self, run: RunRecord) -> None:
        self.query_one("#chosen-panel").border_title = f"Run {run.id}, {printable(run.name)}"
        took = f", ended {local_time(run.finished)}" if run.finished else ""
        device, level = (run.environment.get(key) or NOTHING for key in ("device", "judge_level"))
        level = level_in_words(level)
        self.query_one("#chosen-subject", Static).update(
            printable(f"{subject_of_record(run)}   began {local_time(run.started)}{took}   {device}   judge {level}")
        )

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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Of resuming and running again, offer the one that the run under the cursor allows."""
        if action in ("resume", "rerun"):
            finished = self._shown is not None and self._shown.status == "finished"
            return finished == (action == "rerun")
        return super().check_action(action, parameters)

    def action_resume(self) -> None:
        """Resume an unfinished run."""
        if self.chosen:
            self.app.resume(self.chosen)

    def action_rerun(self) -> None:
        """Run a finished run's experiment again: nothing that is known is made again."""
        self.action_resume()

    def action_search(self) -> None:
        """Find runs by words in their names, tags, states and experiments."""
        self.query_one(FindField).begin()

    def action_back(self) -> None:
        """Leave the search; a second time, show all runs again."""
        table, find = self.query_one(RunsTable), self.query_one(FindField)
        if not find.has_focus:
            find.value = ""
        table.focus()

    def action_mark(self) -> None:
        """Mark the chosen run, to see two of them side by side."""
        run = self.chosen
        if run is None:
            return
        others = tuple(id for id in self._marked if id != run.id)
        self._marked = others if run.id in self._marked else (*others, run.id)[-2:]
        self.query_one(RunsTable).mark(self._marked)
        self._read()

    @work
    async def action_side_by_side(self) -> None:
        """Show two runs side by side: the marked ones, or the marked one and the chosen."""
        wanted = dict.fromkeys((*self._marked, *([self.chosen.id] if self.chosen else [])))
        if len(wanted) < 2:
            self.notify("Mark a run with Space, go to another, and press c.")
            return
        try:
            first, second = await self.app.reader.ask(lambda store: [store.run(str(id)) for id in [*wanted][:2]])
        except QrtuiError as error:
            self._marked = ()
            self.report(error)
            return
        await self.app.push_screen_wait(TwoRuns(first, second))


def _rows(store: Any, run: int) -> Any:
    from qrtui.results.table import table

    return table(store.conditions(run), store.outcomes(run))
