"""The table of a run's conditions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from qrtui.tui.strip_columns import short_names
from qrtui.tui.widgets.fitted_table import FittedTable
from qrtui.tui.widgets.themed_text import themed
from qrtui.tui.wording import NOTHING, in_bytes, interval, rate, robustness, share, without_common_protocol

if TYPE_CHECKING:
    from textual.app import App

    from qrtui.results.table import Row

Intervals = Mapping[int, tuple[float | None, float | None]]

_NUMBERS = ("done", "pass@1", "drop", "RRS")
# What else there is to say, the most wanted first, and how wide it is with the space around it.
_MORE_NUMBERS = {"95 %": 9, "tok/s": 7, "memory": 8, "weights hit": 13, "drop %": 8, "|d|/|W|": 9}
_WIDTHS = {"state": 3, "pass@1": 8, "drop": 7, "RRS": 9}
_DONE = 5
_ARROW_COLOURS = {"quantized": "accent", "original": "secondary", "equal": "foreground", None: "muted"}


class ConditionsTable(FittedTable):
    """A row for each condition: how far it is, and its numbers. A column that says the same in each row is left out."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False, cell_padding=1)
        self._shape: tuple[object, ...] = ()
        self._columns: tuple[str, ...] = _NUMBERS
        self._words: Mapping[str, str] = {}
        self._shown: tuple[Sequence[Row], Collection[int], Intervals | None] = ((), (), None)
        self._written: dict[int, tuple[Row, tuple[float | None, float | None], bool]] = {}
        self.protocol = ""
        """The noise protocol that all rows share, and that they therefore do not repeat."""

    def show(self, rows: Sequence[Row], at_work: Collection[int] = (), intervals: Intervals | None = None) -> None:
        """Show the rows; `at_work` are the ids of the conditions that are being generated.

        `intervals` has the ends of the RRS's 95 % interval by condition, where there is one; without it the table has
        no column for them.
        """
        rows = _side_by_side(rows)
        self._shown = (rows, at_work, intervals)
        names = _names(rows)
        self._columns, self._words = self._fitting(rows, names)
        shape = (names, self._columns, tuple(self._words.items()), [row.condition.id for row in rows], self.app.theme)
        if shape != self._shape:
            self._shape = shape
            self._written.clear()
            self._rebuild(rows, names)
        for row in rows:
            busy = row.condition.id in at_work and row.n < row.total
            written = (row, self._ends(row), busy)
            if self._written.get(row.condition.id) == written:
                # Of hundreds of rows few change at a time.
                continue
            self._written[row.condition.id] = written
            for column, cell in zip(self._columns, self._numbers(row), strict=True):
                self._put(row, column, cell)
            self._put(row, "state", _state(self.app, row, busy))

    @property
    def row_at_cursor(self) -> Row | None:
        """The row that the cursor is on, if there is any."""
        rows = self._shown[0]
        return rows[self.cursor_row] if 0 <= self.cursor_row < len(rows) else None

    def on_resize(self) -> None:
        """A wide table says more."""
        self.show(*self._shown)

    def _fitting(self, rows: Sequence[Row], names: Sequence[str]) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The columns of numbers that the width allows, and the perturbations' names, short where they must be."""
        perturbations = [row.condition.perturbation for row in rows]
        words, self.protocol = without_common_protocol(perturbations)
        done = max([_DONE, *(len(_done(row)) for row in rows)]) + 2
        left = self.size.width - sum(_WIDTHS.values()) - done
        room = left - _names_width(rows, names, words)
        if room < 0:
            # The numbers are what one has come for.
            distinct = [*dict.fromkeys(perturbations)]
            words = dict(zip(distinct, short_names(distinct), strict=True))
            room = left - _names_width(rows, names, words)
        columns = [*_NUMBERS]
        for column, width in _MORE_NUMBERS.items():
            if column == "95 %" and self._shown[2] is None:
                continue
            room -= width
            if room < 0:
                break
            columns.append(column)
        return tuple(columns), words

    def _put(self, row: Row, column: str, cell: Text) -> None:
        key = str(row.condition.id)
        before = self.get_cell(key, column)
        if before.plain != cell.plain or before.style != cell.style:
            self.update_cell(key, column, cell, update_width=True)

    def _rebuild(self, rows: Sequence[Row], names: tuple[str, ...]) -> None:
        at = self.cursor_row
        self.clear(columns=True)
        self.add_column(" ", key="state", width=1)
        for name in names:
            self.add_column(_HEADERS.get(name, name), key=name)
        for name in self._columns:
            self.add_column(Text(name, justify="right"), key=name)
        for row in rows:
            words = [themed(self.app, self._words.get(word, word)) for word in (_NAMED[name](row) for name in names)]
            state = _state(self.app, row, busy=False)
            self.add_row(state, *words, *self._numbers(row), key=str(row.condition.id))
            self._written[row.condition.id] = (row, self._ends(row), False)
        if at < len(rows):
            self.move_cursor(row=at)

    def _ends(self, row: Row) -> tuple[float | None, float | None]:
        """The interval of the row's RRS, where there is one."""
        return (self._shown[2] or {}).get(row.condition.id, (None, None))

    def _numbers(self, row: Row) -> list[Text]:
        app = self.app
        done = _done(row)
        hit = row.condition.weights_perturbed
        size = row.condition.dose.noise if row.condition.dose else None
        width = max(len(done), _DONE)
        numbers = {
            "done": themed(app, f"{done:>{width}}", "muted" if row.n == row.total else "foreground", right=True),
            "pass@1": themed(app, share(row.pass_at_1), right=True, bold=row.pass_at_1 is not None),
            "drop": themed(app, share(row.drop), right=True),
            "RRS": themed(
                app, f"{robustness(row.rrs, row.more_robust):>7}", _ARROW_COLOURS[row.more_robust], right=True
            ),
            "95 %": themed(app, interval(*self._ends(row)), "muted", right=True),
            "tok/s": themed(app, rate(row.tokens_per_second), "muted", right=True),
            "memory": themed(app, in_bytes(row.condition.memory), "muted", right=True),
            "weights hit": themed(app, NOTHING if hit is None else f"{hit:.0%}", "muted", right=True),
            "drop %": themed(app, NOTHING if row.delta is None else f"{row.delta:.1%}", right=True),
            "|d|/|W|": themed(app, NOTHING if size is None else f"{size:.2g}", "muted", right=True),
        }
        return [numbers[column] for column in self._columns]


_HEADERS = {"precision": "prec."}

_NAMED = {
    "model": lambda row: row.condition.model,
    "data set": lambda row: row.condition.dataset.rpartition("/")[2],
    "precision": lambda row: row.condition.precision,
    "perturbation": lambda row: row.condition.perturbation,
}


def _side_by_side(rows: Sequence[Row]) -> list[Row]:
    """What is compared stands together: under each perturbation the original, then the quantized precisions."""
    places = [(row.condition.model, row.condition.dataset, row.condition.perturbation) for row in rows]
    orders = [{value: at for at, value in enumerate(dict.fromkeys(values))} for values in zip(*places, strict=True)]
    order = {
        row.condition.id: [one[value] for one, value in zip(orders, place, strict=True)]
        for row, place in zip(rows, places, strict=True)
    }
    return sorted(rows, key=lambda row: order[row.condition.id])


def _names_width(rows: Sequence[Row], names: Sequence[str], words: Mapping[str, str]) -> int:
    width = 0
    for name in names:
        shown = [words.get(word, word) for word in map(_NAMED[name], rows)]
        width += max(map(len, [_HEADERS.get(name, name), *shown])) + 2
    return width


def _names(rows: Sequence[Row]) -> tuple[str, ...]:
    models, datasets = ({name(row) for row in rows} for name in (_NAMED["model"], _NAMED["data set"]))
    left_out = {name for name, values in (("model", models), ("data set", datasets)) if len(values) < 2}
    return tuple(name for name in _NAMED if name not in left_out)


def _done(row: Row) -> str:
    return f"{row.n}/{row.total}"


def _state(app: App[object], row: Row, busy: bool) -> Text:
    return themed(app, "▸" if busy else "✓" if row.n == row.total else " ", "accent" if busy else "muted")
