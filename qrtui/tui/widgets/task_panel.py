"""The list of tasks with its filter and its search."""

from __future__ import annotations

import asyncio

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Select, Static

from qrtui.errors import QrtuiError
from qrtui.results.columns import tasks_mentioning
from qrtui.tui.comparison import FILTERS, Comparison, Filter, Pair, TaskKey
from qrtui.tui.strip_columns import ORIGINAL, letters
from qrtui.tui.widgets.find_field import FindField
from qrtui.tui.widgets.task_table import TaskTable

_SEARCH_PAUSE = 0.1
_NARROWEST, _FRAME = 40, 5
_SHARE = 0.45
_NO_TASK = "No task here: f changes the filter, / the search."
_NO_QUANTIZED = "This run has no quantized precision to compare with. Pick one in Setup (1)."


class TaskPanel(Vertical):
    """Shows the tasks that filter and search leave; its table tells which one is chosen."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self.border_title = "Tasks"
        self.table = TaskTable(id="task-table")
        self._comparison: Comparison | None = None
        self._pair: Pair | None = None
        self._counts: dict[Filter, int] = {}
        self._mentioned: frozenset[tuple[str, str]] = frozenset()

    def compose(self) -> ComposeResult:
        """Search and filter in one line, the table below."""
        with Horizontal(id="task-filter"):
            yield FindField(id="find", placeholder="/ find")
            yield Select([(name, name) for name in FILTERS], id="filter", compact=True, allow_blank=False)
        yield self.table
        yield Static(_NO_TASK, id="no-task")

    def on_mount(self) -> None:
        """Nothing is said to be missing before anything was looked for."""
        self.query_one("#no-task").display = False

    @property
    def chosen(self) -> TaskKey | None:
        """The task under the cursor."""
        return self.table.chosen

    @property
    def _words(self) -> str:
        return self.query_one("#find", Input).value.strip()

    @property
    def _filter(self) -> Filter:
        return self.query_one("#filter", Select).value  # type: ignore[return-value]

    def show(self, comparison: Comparison, pair: Pair | None) -> None:
        """Show a run's tasks as they stand, for this pair."""
        another = pair != self._pair
        self._comparison, self._pair = comparison, pair
        if another and self._words:
            self._search()
        else:
            self._list()

    def _list(self) -> None:
        comparison, pair = self._comparison, self._pair
        # A search may end when the parts are not there yet, or no more.
        no_task = next(iter(self.query("#no-task").results(Static)), None)
        if comparison is None or no_task is None:
            return
        listed = comparison.listed(pair, self._filter, self._words, self._mentioned) if pair else []
        no_task.display = not listed and comparison.is_read
        if no_task.display:
            no_task.update(_NO_TASK if pair else _NO_QUANTIZED)
        if pair is not None:
            self.table.show(comparison, pair, listed, self._room())
            self._label(comparison, pair, len(listed))
            self._fit()

    def _label(self, comparison: Comparison, pair: Pair, listed: int) -> None:
        counts = comparison.counts(pair)
        self._count_filters(counts)
        self.border_title = f"Tasks: {counts['diverging']:,} of {counts['all']:,} diverge"
        if listed != counts["all"]:
            self.border_title = f"Tasks: {listed:,} of {counts['all']:,} listed"
        named = [ORIGINAL, *letters(comparison.quantized(pair.model))]
        precisions = comparison.precisions(pair.model)
        self.border_subtitle = "  ".join(f"{letter} {name}" for letter, name in zip(named, precisions, strict=False))

    def _count_filters(self, counts: dict[Filter, int]) -> None:
        if counts != self._counts:
            self._counts, which = counts, self._filter
            select = self.query_one("#filter", Select)
            with self.prevent(Select.Changed):
                select.set_options([(f"{name} {counts[name]:,}" if name != "all" else name, name) for name in FILTERS])
                select.value = which

    # Room

    @property
    def _alone(self) -> bool:
        """Whether the list has the whole width, above the case."""
        return self.screen.has_class("-narrow")

    def _room(self) -> int:
        width = self.screen.size.width
        return (width if self._alone else max(_NARROWEST, int(width * _SHARE))) - _FRAME

    def _fit(self) -> None:
        """As wide as its marks need, but not quite half of the screen."""
        if self._alone:
            self.styles.clear_rule("width")
        else:
            self.styles.width = min(max(_NARROWEST, self.table.width_wanted + _FRAME), self._room() + _FRAME)

    def fit_anew(self) -> None:
        """The screen has another size."""
        if self._comparison is not None:
            self._list()

    # Filter and search

    def another_filter(self, step: int) -> None:
        """The next filter, or the one before."""
        select = self.query_one("#filter", Select)
        # The list at once with the filter's name, so that the screen is laid out once for both.
        with self.prevent(Select.Changed):
            select.value = FILTERS[(FILTERS.index(self._filter) + step) % len(FILTERS)]
        self._list()

    def begin_search(self) -> None:
        """Let one type what to find."""
        self.query_one(FindField).begin()

    def empty_search(self) -> None:
        """List what the filter alone leaves."""
        self.query_one("#find", Input).value = ""

    @on(Select.Changed, "#filter")
    def _filtered(self) -> None:
        self._list()

    @on(FindField.Left)
    def _found(self) -> None:
        self.table.focus()

    @on(Input.Changed, "#find")
    def _typed(self) -> None:
        self._search()

    @work(exclusive=True, group="search")
    async def _search(self) -> None:
        """List the tasks whose ids or prompts, clean or as shown, hold what was typed."""
        words, comparison, pair = self._words, self._comparison, self._pair
        if words and comparison is not None and pair is not None:
            await asyncio.sleep(_SEARCH_PAUSE)
            asked = [side for name in comparison.datasets for side in comparison.sides(pair, name) if side.is_baseline]
            try:
                found = await self.app.reader.ask(lambda store: tasks_mentioning(store, asked, words))
            except QrtuiError as error:
                self.app.report(error)
                return
            self._mentioned = frozenset(TaskKey(*task) for task in found)
        self._list()
