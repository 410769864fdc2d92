"""Picks tasks by hand: all tasks of the data sets in one list, with a search."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, SelectionList, Static

from qrtui.counting import counted
from qrtui.errors import QrtuiError
from qrtui.tui.screens.dialogs import Dialog
from qrtui.tui.widgets.checklist import CheckList, Item

if TYPE_CHECKING:
    from textual.timer import Timer

    from qrtui.tasks.task import Task

_TYPING_PAUSE = 0.15


class TaskPicker(Dialog[tuple[str, ...] | None]):
    """The ids of the picked tasks, in the data sets' order; none means all of them. None on Escape."""

    BINDINGS = [
        Binding("slash", "find", show=False),
        Binding("a", "tick(True)", show=False),
        Binding("n", "tick(False)", show=False),
        Binding("enter", "done", show=False),
        Binding("ctrl+s", "done", show=False, priority=True),
    ]

    def __init__(self, datasets: Sequence[str], picked: Sequence[str]) -> None:
        super().__init__()
        self._datasets = datasets
        self._picked = {task.lower() for task in picked}
        self._tasks: dict[str, Task] = {}
        self._shown: list[Task] = []
        self._waiting: Timer | None = None

    def compose(self) -> ComposeResult:
        """Search line, list, the prompt under the cursor, and the count."""
        with Vertical(id="task-picker", classes="dialog -question") as box:
            box.border_title = f"Tasks of {', '.join(name.rpartition('/')[2] for name in self._datasets)}"
            box.border_subtitle = "/ find  Space ticks  a all shown  n none  Enter done  Esc back"
            yield Input(placeholder="find in ids, names and prompts", id="find-task", compact=True)
            with Horizontal(id="task-columns"):
                yield TaskList(id="task-list")
                with VerticalScroll(id="task-prompt-pane", can_focus=False):
                    yield Static("", id="task-prompt", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Static("reading …", id="task-count", markup=False)
                yield Button("Done", id="done", compact=True, variant="primary")
                yield Button("Back", id="back", compact=True)

    def on_mount(self) -> None:
        """Read the tasks; that may need a download."""
        self.query_one(TaskList).focus()
        self._read()

    @work
    async def _read(self) -> None:
        from qrtui.tasks.datasets import load_tasks

        for dataset in self._datasets:
            try:
                tasks = await asyncio.to_thread(load_tasks, dataset)
            except QrtuiError as error:
                self.notify(str(error), severity="warning", markup=False, timeout=15)
            else:
                # MBPP and MBPP+ share their ids: picking one picks the other.
                for task in tasks:
                    self._tasks.setdefault(task.task_id, task)
        self._find()

    @on(Input.Changed, "#find-task")
    def _typed(self) -> None:
        if self._waiting is not None:
            self._waiting.stop()
        self._waiting = self.set_timer(_TYPING_PAUSE, self._find)

    def _find(self) -> None:
        words = self.query_one("#find-task", Input).value.lower().split()
        self._shown = [task for task in self._tasks.values() if all(word in _searched(task) for word in words)]
        width = max((len(task.task_id) for task in self._shown), default=0)
        self.query_one(TaskList).show(
            Item(_line(task, width), task.task_id, task.task_id.lower() in self._picked) for task in self._shown
        )
        self._count()
        self._show_prompt()

    @on(SelectionList.SelectedChanged, "#task-list")
    def _ticked(self) -> None:
        ticked = {str(task).lower() for task in self.query_one(TaskList).selected}
        self._picked = (self._picked - {task.task_id.lower() for task in self._shown}) | ticked
        self._count()

    def _count(self) -> None:
        picked = len(self._result())
        chosen = f"{picked:,} picked" if picked else "none picked: as Setup says"
        shown = f"{len(self._shown):,} shown of {counted(len(self._tasks), 'task')}"
        self.query_one("#task-count", Static).update(f"{chosen}, {shown}")

    @on(SelectionList.SelectionHighlighted, "#task-list")
    def _show_prompt(self) -> None:
        task = self._tasks.get(self.query_one(TaskList).at_cursor)
        self.query_one("#task-prompt", Static).update(Content(task.prompt.strip()) if task else "")

    def _result(self) -> tuple[str, ...]:
        return tuple(id for id in self._tasks if id.lower() in self._picked)

    # Actions

    def action_find(self) -> None:
        """Type what to look for."""
        self.query_one("#find-task").focus()

    def action_tick(self, ticked: bool) -> None:
        """Pick all that are shown, or none of them."""
        tasks = self.query_one(TaskList)
        tasks.select_all() if ticked else tasks.deselect_all()

    @on(Input.Submitted, "#find-task")
    def _found(self) -> None:
        self.query_one(TaskList).focus()

    @on(Button.Pressed, "#done")
    def action_done(self) -> None:
        """Close with what is picked."""
        self.dismiss(self._result())

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.action_harmless()


class TaskList(CheckList):
    """Enter, which a list takes for a tick, is left to the dialog."""

    BINDINGS = [Binding("enter", "screen.done", show=False)]


def _line(task: Task, width: int) -> Content:
    return Content.assemble(f"{task.task_id:{width}}", (f"  {task.entry_point}", "$muted"))


def _searched(task: Task) -> str:
    return f"{task.task_id} {task.entry_point} {task.prompt}".lower()
