"""Compare: one task after the other, the original's completion beside the quantized model's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import DataTable, Input, Select, Static

from qrtui.errors import QrtuiError
from qrtui.results.case import printable
from qrtui.tui.comparison import FILTERS, Comparison, Filter, Pair, TaskKey
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.widgets.completion_pane import SideBySide
from qrtui.tui.widgets.diff import marked
from qrtui.tui.widgets.task_table import TaskTable
from qrtui.tui.widgets.verdict_badge import VerdictBadge
from qrtui.tui.wording import counted

if TYPE_CHECKING:
    from qrtui.results.records import Case, RunRecord

_LOOK_AGAIN_SECONDS = 2.0
_NO_RUN = "Nothing to compare yet. Start a run in Setup (1), or open an earlier one in History (5) with Enter."
_NO_TASK = "No task here: f changes the filter, / the search."


class CompareScreen(FramedScreen):
    """Tasks at the left; at the right the prompt and both completions."""

    ROOM = "compare"
    CSS_PATH = "compare.tcss"
    BINDINGS = [
        Binding("n", "divergence(1)", "Next", tooltip="go to the next task where the two diverge"),
        Binding("p", "divergence(-1)", "Prev", tooltip="go to the previous task where the two diverge"),
        Binding("a", "perturbation(1)", "Perturb", tooltip="show the next perturbation"),
        Binding("A", "perturbation(-1)", "Perturbation before", show=False, tooltip="show the perturbation before"),
        Binding("b", "precision", "Precision"),
        Binding("m", "model", "Model", show=False),
        Binding("f", "filter", "Filter"),
        Binding("slash", "search", "Find", key_display="/"),
        Binding("t", "raw", "Raw"),
        Binding("z", "zoom", "Zoom", show=False),
        Binding("y", "copy", "Copy", show=False),
        Binding("e", "export", "Export"),
        Binding("j", "task(1)", "Next task", show=False),
        Binding("k", "task(-1)", "Previous task", show=False),
        Binding("d", "scroll(1)", "Scroll the programs down", show=False),
        Binding("u", "scroll(-1)", "Scroll the programs up", show=False),
        Binding("escape", "back", "Back to the tasks", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._record: RunRecord | None = None
        self._comparison: Comparison | None = None
        self._pair: Pair | None = None
        self._cases: list[Case] = []
        self._raw = False
        self._read_state: tuple[int | None, int] | None = None
        self._reading = False

    def body(self) -> ComposeResult:
        """Tasks, prompt, programs."""
        yield Static(_NO_RUN, id="no-comparison", classes="empty")
        with Horizontal(id="compare"):
            with Vertical(id="tasks", classes="panel") as tasks:
                tasks.border_title = "Tasks"
                with Horizontal(id="task-filter"):
                    yield Input(placeholder="/ find", id="find", compact=True)
                    yield Select([(name, name) for name in FILTERS], id="filter", compact=True, allow_blank=False)
                yield TaskTable(id="task-table")
                yield Static(_NO_TASK, id="no-task", classes="empty")
            with Vertical(id="case"):
                with VerticalScroll(id="prompt-panel", classes="panel"):
                    yield Static(id="prompt", markup=False)
                with Vertical(id="pair", classes="panel"):
                    with Horizontal(id="badges"):
                        yield VerdictBadge(id="original", markup=False)
                        yield VerdictBadge(id="quantized", markup=False)
                    yield SideBySide(id="programs")

    def on_mount(self) -> None:
        """Follow a run under way at a quiet pace."""
        self.set_interval(_LOOK_AGAIN_SECONDS, self._follow)
        self.query_one(TaskTable).focus()

    def show_state(self) -> None:
        """Called at every piece of news; looks only where another run is to be shown."""
        shown = self.app.shown_run is not None
        self.query_one("#no-comparison").display = not shown
        self.query_one("#compare").display = shown
        if shown and (self._record is None or self._record.id != self.app.shown_run):
            self._follow()

    def _follow(self) -> None:
        wanted = (self.app.shown_run, self.app.state.results if self.app.opened is None else -1)
        if self in self.app.screen_stack and wanted[0] is not None and wanted != self._read_state and not self._reading:
            self._reading = True
            self._read_state = wanted
            self._read(wanted[0])

    @work
    async def _read(self, run: int) -> None:
        try:
            record, comparison = await self.app.reader.ask(lambda store: _comparison(store, run))
        except QrtuiError as error:
            self.report(error)
            return
        finally:
            self._reading = False
        another = self._record is None or self._record.id != run
        self._record, self._comparison = record, comparison
        if another or self._pair not in comparison.pairs():
            self._pair = comparison.first_pair()
            self._cases = []
        self._show_tasks()
        if another:
            self._to_first_divergence()
        self._show_case()

    def _to_first_divergence(self) -> None:
        table = self.query_one(TaskTable)
        if self._comparison is None or self._pair is None or not table.listed:
            return
        first = self._comparison.next_divergence(table.listed, len(table.listed) - 1, self._pair, 1)
        table.move_cursor(row=first or 0)

    # Tasks

    def _show_tasks(self) -> None:
        comparison, pair = self._comparison, self._pair
        if comparison is None or pair is None:
            return
        which: Filter = self.query_one("#filter", Select).value  # type: ignore[assignment]
        listed = comparison.listed(pair, which, self.query_one("#find", Input).value)
        table = self.query_one(TaskTable)
        table.show(comparison, pair, listed)
        table.display = bool(listed)
        self.query_one("#no-task").display = not listed
        diverging = sum(comparison.diverges(task, pair) for task in comparison.tasks)
        panel = self.query_one("#tasks")
        panel.border_title = f"Tasks: {diverging} of {len(comparison.tasks)} diverge"
        panel.border_subtitle = " ".join([comparison.baselines.get(pair.model, ""), *comparison.quantized(pair.model)])

    @on(DataTable.RowHighlighted)
    def _task_chosen(self) -> None:
        self._show_case()

    @on(Input.Changed, "#find")
    @on(Select.Changed, "#filter")
    def _narrowed(self) -> None:
        self._show_tasks()
        self._show_case()

    @on(Input.Submitted, "#find")
    def _found(self) -> None:
        self.query_one(TaskTable).focus()

    # The case

    @work(exclusive=True, group="case")
    async def _show_case(self) -> None:
        """Read and show what the run holds of the chosen task."""
        task, record = self.query_one(TaskTable).chosen, self._record
        if task is None or record is None:
            self._cases = []
            self._draw_case(None)
            return
        try:
            cases = await self.app.reader.ask(lambda store: store.cases(record.id, task.task))
        except QrtuiError as error:
            self.report(error)
            return
        self._cases = [case for case in cases if case.condition.dataset == task.dataset]
        self._draw_case(task)

    def _draw_case(self, task: TaskKey | None) -> None:
        comparison, pair = self._comparison, self._pair
        if comparison is None or pair is None:
            return
        # Without a task there is nothing to say of one, least of all that it was not generated.
        self.query_one("#pair").display = task is not None
        baseline = comparison.baselines.get(pair.model, "")
        original = self._find(pair.model, baseline, pair.perturbation)
        quantized = self._find(pair.model, pair.quantized, pair.perturbation)
        self.query_one("#original", VerdictBadge).show(original, f"{baseline} original")
        self.query_one("#quantized", VerdictBadge).show(quantized, f"{pair.quantized} quantized")
        self.query_one(SideBySide).show(self._program(original), self._program(quantized))
        model = f"{pair.model}, " if len(comparison.models) > 1 else ""
        name = f"{task.task}, " if task else ""
        self.query_one("#pair").border_title = f"{name}{model}{pair.perturbation}: {baseline} beside {pair.quantized}"
        self.query_one("#pair").border_subtitle = "text as generated" if self._raw else "program as judged"
        self._draw_prompt(task, original or quantized)

    def _draw_prompt(self, task: TaskKey | None, case: Case | None) -> None:
        panel, prompt = self.query_one("#prompt-panel"), self.query_one("#prompt", Static)
        if task is None or case is None:
            panel.border_title = "Prompt"
            prompt.update("")
            return
        clean = self._find(case.condition.model, case.condition.precision, "clean")
        panel.border_title = f"{task.task}: prompt{_what_changed(case, clean)}"
        prompt.update(marked((clean or case).prompt.strip("\n"), case.prompt.strip("\n")))

    def _find(self, model: str, precision: str, perturbation: str) -> Case | None:
        wanted = (model, precision, perturbation)
        found = (
            c for c in self._cases if (c.condition.model, c.condition.precision, c.condition.perturbation) == wanted
        )
        return next(found, None)

    def _program(self, case: Case | None) -> str:
        if case is None:
            return ""
        return printable((case.text if self._raw else case.solution) or "")

    # Actions

    def action_divergence(self, step: int) -> None:
        """Go to the next or previous task where one passed and the other did not."""
        table = self.query_one(TaskTable)
        if self._comparison is None or self._pair is None:
            return
        found = self._comparison.next_divergence(table.listed, table.cursor_row, self._pair, step)
        if found is None:
            self.notify("No listed task diverges here. a and b show other conditions.")
        elif (found - table.cursor_row) * step <= 0:
            self.notify(
                "Round the end: back at the first." if step > 0 else "Round the start: back at the last.", timeout=2
            )
        if found is not None:
            table.move_cursor(row=found)

    def action_perturbation(self, step: int) -> None:
        """Show another perturbation."""
        if self._comparison is not None and self._pair is not None:
            self._to(
                self._pair._replace(perturbation=_next(self._comparison.perturbations, self._pair.perturbation, step))
            )

    def action_precision(self) -> None:
        """Compare another quantized precision."""
        if self._comparison is not None and self._pair is not None:
            quantized = self._comparison.quantized(self._pair.model)
            self._to(self._pair._replace(quantized=_next(quantized, self._pair.quantized, 1)))

    def action_model(self) -> None:
        """Show another model of the run."""
        if self._comparison is not None and self._pair is not None:
            model = _next(self._comparison.models, self._pair.model, 1)
            quantized = self._comparison.quantized(model)
            kept = self._pair.quantized if self._pair.quantized in quantized else next(iter(quantized), "")
            self._to(self._pair._replace(model=model, quantized=kept))

    def _to(self, pair: Pair) -> None:
        self._pair = pair
        self._show_tasks()
        self._show_case()

    def action_filter(self) -> None:
        """The next filter."""
        select = self.query_one("#filter", Select)
        select.value = _next(list(FILTERS), str(select.value), 1)

    def action_search(self) -> None:
        """Type part of a task's id."""
        self.query_one("#find", Input).focus()

    def action_back(self) -> None:
        """Leave the search; a second time, empty it."""
        table, find = self.query_one(TaskTable), self.query_one("#find", Input)
        if not find.has_focus:
            find.value = ""
        table.focus()

    def action_raw(self) -> None:
        """Switch between the program as judged and the text as generated."""
        self._raw = not self._raw
        self._draw_case(self.query_one(TaskTable).chosen)

    def action_zoom(self) -> None:
        """Give the programs the whole room, or take it back."""
        self.toggle_class("-zoom")

    def action_task(self, step: int) -> None:
        """Go to the next or previous task."""
        table = self.query_one(TaskTable)
        table.move_cursor(row=table.cursor_row + step)

    def action_scroll(self, step: int) -> None:
        """Scroll both programs by half their height."""
        programs = self.query_one(SideBySide)
        programs.scroll_relative(y=step * max(1, programs.size.height // 2), animate=False)

    def action_copy(self) -> None:
        """Copy the case as Markdown."""
        text = self._markdown()
        if text:
            self.app.copy_to_clipboard(text)
            self.notify(
                f"{counted(len(text.splitlines()), 'line')} copied, if the terminal allows it; e saves them to a file."
            )

    def action_export(self) -> None:
        """Save the case as Markdown in the current folder."""
        text, task = self._markdown(), self.query_one(TaskTable).chosen
        if not text or task is None or self._record is None:
            return
        path = _unused(Path(f"qrtui-run{self._record.id}-{task.task.replace('/', '-')}.md"))
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self.report(
                QrtuiError(f"{path.resolve()} cannot be written: {error.strerror}", "start qrtui in a folder of yours")
            )
            return
        self.notify(f"Saved to {path.resolve()}")

    def _markdown(self) -> str:
        from qrtui.results.case import case_markdown

        task = self.query_one(TaskTable).chosen
        if task is None or self._record is None or not self._cases:
            self.notify("There is no case to take along here.", severity="warning")
            return ""
        return case_markdown(self._record, task.task, self._cases)


def _comparison(store: Any, run: int) -> tuple[Any, Comparison]:
    return store.run(str(run)), Comparison(store.conditions(run), store.outcomes(run))


def _what_changed(case: Case, clean: Case | None) -> str:
    perturbation = case.condition.perturbation
    if perturbation == "clean" or clean is None:
        return ""
    if case.prompt != clean.prompt:
        return f", changed by {perturbation}: changes marked"
    if case.condition.dose is not None:
        return f" (unchanged; {case.condition.dose.in_words})"
    return f" (unchanged under {perturbation})"


def _next(values: list[str], value: str, step: int) -> str:
    return values[(values.index(value) + step) % len(values)] if value in values else value


def _unused(path: Path) -> Path:
    candidates = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, 1000))]
    return next((candidate for candidate in candidates if not candidate.exists()), path)
