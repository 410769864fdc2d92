"""The list of runs: as many as were read so far, changed in place, with marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text
from textual.binding import Binding
from textual.message import Message
from textual.widgets.data_table import CellKey, Column, ColumnKey, RowKey

from qrtui.printable import printable
from qrtui.tui.widgets.fitted_table import FittedTable
from qrtui.tui.widgets.themed_text import themed
from qrtui.tui.wording import local_time

if TYPE_CHECKING:
    from qrtui.results.records import RunRecord

_COLUMNS = ("mark", "run", "name", "status", "began", "judged", "tags", "what")
_NUMBERS = ("run", "judged")
_NEAR_THE_END = 60
_LONGEST_NAME = 32
_SHORTEST_SUBJECT = 10
_COLOURS = {
    "finished": "text-success",
    "failed": "text-error",
    "interrupted": "text-warning",
    "stopped": "text-warning",
    "running": "accent",
}
_MARKS = {"finished": "✓", "failed": "✗", "interrupted": "✗", "stopped": "■", "running": "▸"}


class ListedRun(NamedTuple):
    """A run and, in a few words, what it was about."""

    record: RunRecord
    subject: str


class RunsTable(FittedTable):
    """The runs; Enter, which a table otherwise keeps to itself, is offered in the footer."""

    BINDINGS = [Binding("enter", "select_cursor", "Compare")]

    class NearEnd(Message):
        """The last of the rows that were read will soon be seen."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1)
        self._runs: list[ListedRun] = []
        self._marked: tuple[int, ...] = ()
        self._under_way: int | None = None
        self._theme = ""

    def on_mount(self) -> None:
        """Columns are as wide as what is in them."""
        for name in _COLUMNS:
            header = "" if name == "mark" else name
            self.add_column(Text(header, justify="right" if name in _NUMBERS else "left"), key=name)

    def on_resize(self) -> None:
        """What a run was about gets the room that is left."""
        if "what" in self.columns:
            self._update_column_widths({CellKey(RowKey(""), ColumnKey("what"))})
            self._clear_caches()
            self.refresh()

    def _fit(self, column: Column) -> None:
        super()._fit(column)
        if column.key == "what":
            others = sum(one.get_render_width(self) for one in self.columns.values() if one is not column)
            room = self.scrollable_content_region.width - others - 2 * self.cell_padding
            if room >= _SHORTEST_SUBJECT:
                column.content_width = min(column.content_width, room)

    def show(self, runs: Sequence[ListedRun], running: int | None, marked: tuple[int, ...]) -> None:
        """Show the runs. The cursor stays on its run, or where it is if that is gone."""
        before = self._runs
        same = [run.record.id for run in before] == [run.record.id for run in runs[: len(before)]]
        changed = self._under_way != running or self._marked != marked
        repaint = not same or self._theme != self.app.theme
        self._under_way, self._marked, self._theme, self._runs = running, marked, self.app.theme, list(runs)
        if repaint:
            self._rebuild(before)
            return
        for old, new in zip(before, runs, strict=False):
            if changed or old != new:
                for column, cell in zip(_COLUMNS, self._cells(new), strict=True):
                    self.update_cell(str(new.record.id), column, cell, update_width=True)
        for new in runs[len(before) :]:
            self.add_row(*self._cells(new), key=str(new.record.id))

    def mark(self, marked: tuple[int, ...]) -> None:
        """Show these runs as marked."""
        self.show(self._runs, self._under_way, marked)

    def go_to(self, run: int) -> None:
        """Move the cursor to a run, if it is in the list."""
        places = [one.record.id for one in self._runs]
        if run in places:
            self.move_cursor(row=places.index(run))

    @property
    def chosen(self) -> RunRecord | None:
        """The run under the cursor."""
        return self._runs[self.cursor_row].record if 0 <= self.cursor_row < len(self._runs) else None

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say when the end comes near."""
        super().watch_scroll_y(old_value, new_value)
        if self._runs and new_value + self.size.height + _NEAR_THE_END > len(self._runs):
            self.post_message(self.NearEnd())

    def _rebuild(self, before: Sequence[ListedRun]) -> None:
        at = self.cursor_row
        was = before[at].record.id if 0 <= at < len(before) else None
        self.clear()
        for run in self._runs:
            self.add_row(*self._cells(run), key=str(run.record.id))
        places = [run.record.id for run in self._runs]
        # A new run comes in above: the cursor goes with its own, unless it was at the top to see what comes.
        kept = places.index(was) if was in places and at > 0 else min(at, len(places) - 1)
        self.move_cursor(row=max(kept, 0))

    def _cells(self, run: ListedRun) -> list[Text]:
        return list(self._each_cell(run))

    def _each_cell(self, run: ListedRun) -> Iterator[Text]:
        app, record = self.app, run.record
        status = "running" if record.id == self._under_way else record.status
        name = printable(record.name)
        yield themed(app, "●" if record.id in self._marked else " ", "accent")
        yield themed(app, str(record.id), right=True)
        yield themed(app, name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…")
        yield themed(app, f"{_MARKS[status]} {status}", _COLOURS[status])
        yield themed(app, local_time(record.started), "muted")
        yield themed(app, f"{record.judged:,}/{record.total:,}", right=True)
        yield themed(app, printable(" ".join(record.tags)), "accent")
        subject = themed(app, printable(run.subject), "muted")
        subject.no_wrap, subject.overflow = True, "ellipsis"
        yield subject
