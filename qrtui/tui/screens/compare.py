"""Compare: one task after the other, the original's completion beside the quantized model's."""

from __future__ import annotations

from collections.abc import Callable

from textual import events, on, work
from textual.app import ComposeResult
from textual.widgets import Static

from qrtui.errors import QrtuiError
from qrtui.tui.case_shown import ShownCase, read_case
from qrtui.tui.comparison import CLEAN, Comparison, Pair, TaskKey
from qrtui.tui.comparison_reading import ComparisonReading
from qrtui.tui.held_drawing import hold_drawing
from qrtui.tui.pair_choice import another_model, another_perturbation, another_precision
from qrtui.tui.screens.compare_keys import KEYS
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.widgets.cases_pane import CasesPane
from qrtui.tui.widgets.steady import SteadyHorizontal, set_class_for
from qrtui.tui.widgets.task_panel import TaskPanel
from qrtui.tui.widgets.task_table import TaskTable

_LOOK_AGAIN_SECONDS = 2.0
_SIDEWAYS = 8
_TOGETHER_SECONDS = 0.02
_NO_RUN = "Nothing to compare yet. Start a run in Setup (1), or open an earlier one in History (5) with Enter."


class CompareScreen(FramedScreen):
    """Tasks at the left; at the right the prompt and both completions, or all four of the 2 x 2."""

    ROOM = "compare"
    CSS_PATH = "compare.tcss"
    AUTO_FOCUS = "#task-table"
    BINDINGS = KEYS

    def __init__(self) -> None:
        super().__init__()
        self._reading = ComparisonReading(self.app.reader)
        self._comparison: Comparison | None = None
        self._pair: Pair | None = None
        self._begun = False
        self._picked = False
        self._asked: tuple[TaskKey, Pair] | None = None
        self._shown: ShownCase | None = None

    def body(self) -> ComposeResult:
        """Tasks, and the case of the chosen one."""
        yield Static(_NO_RUN, id="no-comparison", classes="empty")
        with SteadyHorizontal(id="compare"):
            yield TaskPanel(id="tasks")
            yield CasesPane(id="cases")

    def on_mount(self) -> None:
        """Follow a run under way at a quiet pace."""
        self.set_interval(_LOOK_AGAIN_SECONDS, self._follow)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_case(again=True))

    @property
    def _tasks(self) -> TaskPanel:
        return self.query_one(TaskPanel)

    @property
    def _cases(self) -> CasesPane:
        return self.query_one(CasesPane)

    # Reading

    def show_state(self) -> None:
        """Called at every piece of news; looks only where another run is to be shown."""
        shown = self.app.shown_run is not None
        self.query_one("#no-comparison").display = not shown
        self.query_one("#compare").display = shown
        if shown and self._reading.run != self.app.shown_run:
            self._follow()
        if shown and self.focused is None and not self._cases.four:
            self._tasks.table.focus()

    def _follow(self) -> None:
        """Read a run that is newly shown, or what became of one under way, as often as reading it is cheap."""
        run = self.app.shown_run
        if run is None or self not in self.app.screen_stack:
            return
        results = self.app.state.results if self.app.opened is None else -1
        if self._reading.take_up(run, results):
            self._read(run)

    @work(exclusive=True, group="columns")
    async def _read(self, run: int) -> None:
        try:
            async for comparison in self._reading.read(run):
                if comparison is not self._comparison:
                    self._comparison, self._pair = comparison, None
                    self._begun = self._picked = False
                if not self._picked:
                    self._begin(comparison)
                self._tasks.show(comparison, self._pair)
        except QrtuiError as error:
            self.report(error)
            return
        self._show_case(again=True)

    def _begin(self, comparison: Comparison) -> None:
        """Begin at the first divergence, until the person goes elsewhere."""
        pair, table = comparison.first_pair(), self._tasks.table
        if pair is None or (pair == self._pair and self._begun):
            return
        # Before its columns are there nobody knows where a pair diverges.
        self._pair, self._begun = pair, comparison.knows(pair)
        self._tasks.show(comparison, pair)
        first = comparison.next_divergence(table.listed, table.row_count - 1, pair, 1)
        table.move_cursor(first or 0)

    # The case

    @on(TaskTable.Highlighted)
    def _task_chosen(self) -> None:
        self._show_case()

    def _show_case(self, again: bool = False) -> None:
        """Show the chosen task's case, read first if it is another one."""
        task, pair, comparison = self._tasks.chosen, self._pair, self._comparison
        asked = None if task is None or pair is None or comparison is None else (task, pair)
        if asked is None or again or asked != self._asked:
            self._asked = asked
            # What the same key changed in the list is drawn together with the case, unless that keeps one waiting.
            self._read_case(hold_drawing(self, _TOGETHER_SECONDS))
        elif self._shown is not None and (self._shown.task, self._shown.pair) == asked:
            self._cases.show(self._shown, comparison)

    @work(exclusive=True, group="case")
    async def _read_case(self, draw: Callable[[], None]) -> None:
        try:
            comparison = self._comparison
            if self._asked is None or comparison is None:
                self._shown = None
            else:
                task, pair = self._asked
                sample, raw, ansi = self._cases.sample, self._cases.raw, self.app.current_theme.ansi
                self._shown = await self.app.reader.ask(
                    lambda store: read_case(store, comparison, pair, task, sample=sample, raw=raw, ansi=ansi)
                )
            self._cases.show(self._shown, comparison)
        except QrtuiError as error:
            self._asked = None
            self.report(error)
        finally:
            draw()

    def on_resize(self, event: events.Resize) -> None:
        """The list gets its share of another width."""
        self.call_after_refresh(self._tasks.fit_anew)

    # Which two are compared

    def _to(self, pair: Pair) -> None:
        another = pair != self._pair
        self._pair, self._picked = pair, True
        if self._comparison is not None:
            if another:
                self._tasks.show(self._comparison, pair)
            self._show_case()

    @on(TaskTable.PairPicked)
    def _pair_picked(self, event: TaskTable.PairPicked) -> None:
        if self._pair is not None:
            quantized = event.quantized or self._pair.quantized
            self._to(self._pair._replace(perturbation=event.perturbation, quantized=quantized))

    def action_perturbation(self, step: int) -> None:
        """Show another perturbation."""
        if self._comparison is not None and self._pair is not None:
            self._to(another_perturbation(self._comparison, self._pair, step, with_clean=not self._cases.four))

    def action_precision(self, step: int) -> None:
        """Compare another quantized precision."""
        if self._comparison is not None and self._pair is not None:
            self._to(another_precision(self._comparison, self._pair, step))

    def action_model(self, step: int) -> None:
        """Show another model of the run."""
        if self._comparison is None or self._pair is None:
            return
        pair = another_model(self._comparison, self._pair, step)
        if pair == self._pair:
            self.notify("This run has one model.", timeout=2)
        else:
            self._to(pair)

    # Which task

    def action_divergence(self, step: int) -> None:
        """Go to the next or previous task where one passed and the other did not."""
        table = self._tasks.table
        if self._comparison is None or self._pair is None:
            return
        at = table.cursor_row
        found = self._comparison.next_divergence(table.listed, at, self._pair, step)
        if found is None:
            self.notify("No listed task diverges here. a and b show other conditions.")
            return
        if (found - at) * step <= 0:
            beginning = "Round the end: back at the first." if step > 0 else "Round the start: back at the last."
            self.notify(beginning, timeout=2)
        self._picked = True
        table.move_cursor(found)

    def action_move(self, where: str) -> None:
        """Move in the list of tasks, unless a program or a prompt has the keys."""
        if self.focused is None or self.focused is self._tasks.table:
            self._picked = True
            self._tasks.table.go(where)
        else:
            super().action_move(where)

    def action_filter(self, step: int) -> None:
        """Another filter."""
        self._tasks.another_filter(step)
        self._show_case()

    def action_search(self) -> None:
        """Find tasks by words of their ids or prompts."""
        self._tasks.begin_search()

    def action_back(self) -> None:
        """Leave the 2×2 or a program; a second time, empty the search."""
        if self._cases.four:
            self.action_four()
        elif self.focused in (None, self._tasks.table):
            self._tasks.empty_search()
        self._tasks.table.focus()

    # How it is shown

    def action_four(self) -> None:
        """Show original and quantized, clean and perturbed (the 2×2), or the two alone."""
        if self._comparison is None or self._pair is None:
            return
        four, perturbed = not self._cases.four, self._comparison.perturbed(self._pair)
        if four and perturbed.perturbation == CLEAN:
            self.notify("This run has no perturbation to show beside the clean prompts.")
            return
        set_class_for(self._tasks, four, "-four", self._tasks)
        self._cases.show_four(four)
        self._to(perturbed if four else self._pair)
        # Without the keys in a part of it, j and k go from task to task.
        self.set_focus(None if four and not self._tasks.display else self._tasks.table)

    def action_sample(self, step: int) -> None:
        """Show another of several samples."""
        count = self._shown.sample_count if self._shown else 1
        if count == 1:
            self.notify("One completion was drawn for each task: generation.samples is 1.", timeout=3)
            return
        self._cases.sample = (min(self._cases.sample, count - 1) + step) % count
        self._show_case(again=True)

    def action_raw(self) -> None:
        """Switch between the program as judged and the text as generated."""
        self._cases.raw = not self._cases.raw
        self._show_case(again=True)

    def action_fold(self) -> None:
        """Fold lines that are too long, or leave them to be scrolled to."""
        self._cases.switch_folding()

    def action_zoom(self) -> None:
        """Give the programs the whole room, or take it back."""
        # A class on the room itself would have header and footer styled anew as well.
        self.query_one("#compare").toggle_class("-zoom")

    def action_scroll(self, step: int) -> None:
        """Scroll the programs by half their height."""
        self._cases.scroll_programs(rows=step)

    def action_sideways(self, step: int) -> None:
        """Scroll the programs sideways."""
        self._cases.scroll_programs(columns=step * _SIDEWAYS)

    # Taking it along

    def action_copy(self) -> None:
        """Copy the case as Markdown."""
        self._take_along("copy")

    def action_export_text(self) -> None:
        """Save the case as Markdown in the current folder."""
        self._take_along("text")

    def action_export_picture(self) -> None:
        """Save the case as a picture (SVG) in the current folder."""
        self._take_along("picture")

    @work(exclusive=True, group="taking")
    async def _take_along(self, how: str) -> None:
        from qrtui.tui.case_taken import take_case

        if self._shown is None or self._reading.run is None or not self._shown.cases:
            self.notify("There is no case to take along here.", severity="warning")
            return
        await take_case(self.app, self._reading.run, self._shown, self._cases.sample, how)
