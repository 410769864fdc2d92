"""Charts: the paper's figures and its Table I, over any runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import SelectionList, Static

from qrtui.errors import QrtuiError
from qrtui.results.chart_kinds import CHARTS, ChartKind, make_chart
from qrtui.results.charts import Chart
from qrtui.tui.chart_runs import PAPER, ChartRuns
from qrtui.tui.chart_taken import save_chart
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.widgets.chart import ChartView, table_one_text
from qrtui.tui.widgets.chart_choice import FIELDS, ChartChoice
from qrtui.tui.widgets.chart_run_list import ChartRunList
from qrtui.tui.widgets.chart_tabs import ChartTab, ChartTabs

if TYPE_CHECKING:
    from qrtui.results.measured import Measured
    from qrtui.results.records import RunRecord
    from qrtui.results.table_one import TableOne

_LOOK_AGAIN_SECONDS = 2.0
_MOST_RUNS = 200
_READING = "Reading …"
_NO_RUN = "No run yet; start one in Setup (1). Until then: "
_NOTHING = "Tick a run at the left (r goes there, Space ticks); the paper's Table I is in the list too."


class ChartsScreen(FramedScreen):
    """Runs and what to show of them at the left, the chart at the right."""

    ROOM = "charts"
    CSS_PATH = "charts.tcss"
    BINDINGS = [
        Binding("c", "chart(1)", "Chart", tooltip="show the next chart"),
        Binding("C", "chart(-1)", "Chart before", show=False, tooltip="show the chart before"),
        Binding("r", "runs", "Runs"),
        Binding("s", "save", "Save"),
        Binding("a", "choose('kinds')", "Perturb", tooltip="show the next attack or kind of noise, or all"),
        Binding("p", "choose('protocols')", "Protocol", tooltip="show the next noise protocol, or all"),
        Binding("b", "choose('precisions')", "Precision", tooltip="show the next precision, or all"),
        Binding("m", "choose('models')", "Model", tooltip="show the next model, or all"),
        Binding("d", "choose('datasets')", "Data set", tooltip="show the next data set, or all"),
        Binding("v", "choose('metric')", "Values", tooltip="show pass@1, the drop or the relative drop"),
        Binding("z", "zoom", "Zoom", show=False),
        Binding("escape", "back", "Back to the chart", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._kind: ChartKind = "rrs"
        self._records: list[RunRecord] = []
        self._listed = False
        self._runs = ChartRuns()
        self._ticked: tuple[str, ...] | None = None
        self._made: Chart | TableOne | None = None
        self._read_state: tuple[object, ...] | None = None
        self._reading = False

    def body(self) -> ComposeResult:
        """The lists, then the chart."""
        with Horizontal(id="charts"):
            with Vertical(id="chart-side"):
                yield ChartRunList("chart-runs-panel")
                with Vertical(id="chart-choice-panel", classes="panel") as choice:
                    choice.border_title = "Show"
                    yield ChartChoice(id="chart-choice")
            with Vertical(id="chart-main", classes="panel"):
                yield ChartTabs(id="chart-tabs")
                yield Static(_READING, id="no-chart", classes="empty", markup=False)
                with VerticalScroll(id="chart-scroll"):
                    yield ChartView(id="chart", noted=True)

    def on_mount(self) -> None:
        """Follow a run under way at a quiet pace."""
        self.set_interval(_LOOK_AGAIN_SECONDS, self._follow)
        self.query_one(ChartTabs).show(self._kind)
        self.query_one("#chart-scroll").focus()

    def on_resize(self) -> None:
        """A table is written anew for another width; charts draw themselves."""
        self.call_after_refresh(self._draw)

    def show_state(self) -> None:
        """Look at the database when the room is entered; a run under way is followed more slowly."""
        if self._read_state is None or not self.app.state.under_way:
            self._follow()

    def on_screen_resume(self) -> None:
        """Runs may have come or gone meanwhile."""
        self._read_state = None

    # What is read

    def _follow(self) -> None:
        wanted = (self.app.shown_run, self.app.state.results, self._ticked)
        if self in self.app.screen_stack and wanted != self._read_state and not self._reading:
            self._reading = True
            self._read_state = wanted
            self._read()

    @work
    async def _read(self) -> None:
        """Bring the list of runs and the ticked runs' numbers up to date; then the intervals, which take longer."""
        try:
            self._records = await self.app.reader.ask(lambda store: store.runs(limit=_MOST_RUNS))
            self._listed = True
            self._list_runs()
            ticked = self._ticked_records()
            await self.app.reader.ask(lambda store: self._runs.read(store, ticked))
        except QrtuiError as error:
            self.report(error)
            return
        finally:
            self._reading = False
        self._draw()
        if self._kind == "rrs":
            # Once what was drawn stands on the screen.
            self.call_after_refresh(self._add_intervals)

    @work(exclusive=True, group="intervals")
    async def _add_intervals(self) -> None:
        ticked = self._ticked_records()
        if self._runs.without_intervals(ticked):
            await asyncio.to_thread(self._runs.add_intervals, ticked)
            self._draw()

    def _list_runs(self) -> None:
        self.query_one(ChartRunList).show(self._records, self._names())

    def _names(self) -> tuple[str, ...]:
        """The runs to show: what was ticked; until then the run that the app shows, or the latest, or the paper."""
        if self._ticked is not None:
            return self._ticked
        shown = self.app.shown_run
        if shown is not None and any(record.id == shown for record in self._records):
            return (str(shown),)
        return (str(self._records[0].id),) if self._records else (PAPER,)

    def _ticked_records(self) -> list[RunRecord]:
        names = self._names()
        return [record for record in self._records if str(record.id) in names]

    @on(SelectionList.SelectedChanged, "#chart-runs")
    def _runs_chosen(self) -> None:
        runs = self.query_one(ChartRunList)
        self._ticked = runs.ticked
        runs.count(self._ticked)
        self._follow()

    # What is drawn

    @on(ChartChoice.Changed)
    def _draw(self) -> None:
        """Make the chart of what is read and chosen, and show it; or say what is lacking."""
        measured = self._runs.measured(self._names()) if self._listed else []
        choice = self.query_one(ChartChoice)
        choice.offer(measured, self._kind)
        self.query_one("#chart-choice-panel").display = any(map(choice.has, (*FIELDS, "metric")))
        self.refresh_bindings()
        problem = "" if self._names() else _NOTHING
        if not self._listed or self._runs.lacks(self._ticked_records()):
            problem = _READING
        self._made = None
        try:
            if not problem:
                self._made = self._make(choice.selection.of(measured))
        except QrtuiError as error:
            problem = _sentence(error)
        self.query_one("#no-chart", Static).update(problem)
        self.query_one("#no-chart").display = bool(problem)
        self.query_one("#chart-scroll").display = not problem
        if self.focused is None and not problem:
            self.query_one("#chart-scroll").focus()
        self._show_made()

    def _make(self, measured: Sequence[Measured]) -> Chart | TableOne:
        names = {str(record.id): record.name for record in self._records} | {PAPER: PAPER}
        return make_chart(self._kind, measured, names, self.query_one(ChartChoice).metric)

    def _show_made(self) -> None:
        view, panel = self.query_one("#chart", ChartView), self.query_one("#chart-main")
        title = self._made.title if self._made is not None else CHARTS[self._kind]
        if self._made is not None and not isinstance(self._made, Chart):
            title = f"{CHARTS['table1']}: {title}"
            width = max(40, self.query_one("#chart-scroll").size.width - 1)
            view.show(None, table_one_text(self.app, self._made, width))
        else:
            view.show(self._made)
        panel.border_title = ("" if self._records else _NO_RUN) + title

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only choices that there are."""
        if action == "choose" and self.is_mounted:
            return self.query_one(ChartChoice).has(str(parameters[0]))
        return True

    @on(ChartTab.Chosen)
    def _tab_chosen(self, event: ChartTab.Chosen) -> None:
        self._show_kind(event.kind)

    def action_chart(self, step: int) -> None:
        """Show the next or previous chart."""
        kinds = list(CHARTS)
        self._show_kind(kinds[(kinds.index(self._kind) + step) % len(kinds)])

    def _show_kind(self, kind: ChartKind) -> None:
        self._kind = kind
        self.query_one(ChartTabs).show(kind)
        self.query_one("#chart-scroll").scroll_home(animate=False)
        self._draw()
        if kind == "rrs":
            self._add_intervals()

    def action_choose(self, field: str) -> None:
        """Show the next model, data set, perturbation, ..., or all of them."""
        self.query_one(ChartChoice).cycle(field)

    def action_runs(self) -> None:
        """Go to the list of runs, or from there back to the chart."""
        runs = self.query_one(ChartRunList).check_list
        if runs.has_focus:
            self.action_back()
        else:
            self.add_class("-side")
            self.remove_class("-zoom")
            runs.focus()

    def action_back(self) -> None:
        """Go back to the chart."""
        self.remove_class("-side")
        self.query_one("#chart-scroll").focus()

    def action_zoom(self) -> None:
        """Give the chart the whole room, or take it back."""
        self.toggle_class("-zoom")

    @work
    async def action_save(self) -> None:
        """Save the chart as SVG, PNG, PDF or CSV."""
        if self._made is None:
            self.notify("There is no chart to save here.", severity="warning")
        else:
            await save_chart(self.app, self._made, self._kind, self._names())


def _sentence(error: QrtuiError) -> str:
    """A problem and its way out as two sentences."""
    parts = [part[:1].upper() + part[1:] + "." for part in (error.problem, error.way_out) if part]
    return "\n".join(parts)
