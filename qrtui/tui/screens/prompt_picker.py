"""A dialog to pick one prompt: a data set's task, found by search, or one of one's own."""

from __future__ import annotations

import asyncio
import itertools
from typing import Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Label, OptionList, Select, Static
from textual.widgets.option_list import Option

from qrtui.errors import QrtuiError
from qrtui.tasks.datasets import DATASETS
from qrtui.tasks.task import Task
from qrtui.tui.screens.dialogs import Dialog

Picked = Task | Literal["own"] | None
"""A task, a prompt of one's own, or nothing."""

_ENDS = (">>>", "assert ", '"""', "'''")
"""Lines that begin so are no longer what the task says."""


class PromptPicker(Dialog[Picked]):
    """Search and data set over the list; the first line is a prompt of one's own."""

    BINDINGS = [
        Binding("down", "list(1)", show=False),
        Binding("up", "list(-1)", show=False),
        Binding("ctrl+n", "list(1)", show=False),
        Binding("ctrl+p", "list(-1)", show=False, priority=True),
    ]

    def __init__(self, dataset: str, datasets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._datasets = list(dict.fromkeys([*DATASETS, *datasets]))
        self._dataset = dataset if dataset in self._datasets else self._datasets[0]
        self._tasks: list[tuple[Task, str]] = []
        self._listed: list[Task] = []

    def compose(self) -> ComposeResult:
        """The search first: typing narrows the list at once."""
        with Vertical(id="prompt-picker", classes="dialog -question") as box:
            box.border_title = "Pick a task"
            box.border_subtitle = "type to search  ↑ ↓ move  Enter takes it  Tab data set  Esc back"
            with Horizontal(classes="picker-line"):
                yield Input(placeholder="find in ids and prompts", id="picker-search", compact=True)
                yield Label("data set", classes="field")
                yield Select(
                    [(name.rpartition("/")[2], name) for name in self._datasets],
                    value=self._dataset,
                    id="picker-dataset",
                    compact=True,
                    allow_blank=False,
                )
            yield OptionList(id="picker-list", compact=True, markup=False)
            yield Static("", id="picker-note", markup=False)

    def on_mount(self) -> None:
        """Typing goes to the search."""
        self.query_one(Input).focus()

    @on(Select.Changed)
    @work(exclusive=True)
    async def _load(self, event: Select.Changed) -> None:
        self._dataset = str(event.value)
        note = self.query_one("#picker-note", Static)
        note.update(f"reading {self._dataset} …")
        try:
            self._tasks = await asyncio.to_thread(_tasks_of, self._dataset)
        except QrtuiError as error:
            self._tasks = []
            note.update(f"{error.problem}; {error.way_out}")
        else:
            note.update("")
        self._list()

    @on(Input.Changed)
    def _list(self) -> None:
        words = self.query_one(Input).value.lower().split()
        found = [(task, said) for task, said in self._tasks if all(word in _searched(task) for word in words)]
        self._listed = [task for task, _ in found]
        width = max((len(task.task_id) for task in self._listed), default=0)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_option(Option(Content.styled("a prompt of your own", "italic")))
        options.add_options(
            Option(Content.assemble(f"{task.task_id:{width}}  ", (said, "$muted"))) for task, said in found
        )
        options.highlighted = 1 if found else 0
        if self._tasks:
            note = "" if found else "No task says that; Tab leads to the data sets."
            self.query_one("#picker-note", Static).update(note)

    @on(Input.Submitted)
    def _found(self) -> None:
        self._take(self.query_one(OptionList).highlighted)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self._take(event.option_index)

    def _take(self, index: int | None) -> None:
        if index is not None:
            self.dismiss("own" if index == 0 else self._listed[index - 1])

    def action_list(self, step: int) -> None:
        """Move in the list while the search has the keys."""
        options = self.query_one(OptionList)
        if options.option_count:
            options.highlighted = ((options.highlighted or 0) + step) % options.option_count


def _tasks_of(dataset: str) -> list[tuple[Task, str]]:
    """Every task with the paragraph that says what to do."""
    from qrtui.tasks.datasets import load_tasks

    return [(task, _paragraph(task)) for task in load_tasks(dataset)]


def _paragraph(task: Task) -> str:
    from qrtui.perturb.spans import natural_language_spans

    spans = natural_language_spans(task.prompt)
    lines = task.prompt[spans[0].start :].splitlines() if spans else []
    prose = itertools.takewhile(lambda line: line.strip() and not line.lstrip().startswith(_ENDS), lines)
    return " ".join(" ".join(prose).split()).strip("\"'") or task.entry_point


def _searched(task: Task) -> str:
    return f"{task.task_id} {task.entry_point} {task.prompt}".lower()
