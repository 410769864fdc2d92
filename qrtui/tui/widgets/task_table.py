"""The tasks of a run with a strip of marks for each perturbation. Only the rows in sight are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from qrtui.printable import printable
from qrtui.results.columns import Cell
from qrtui.tui.comparison import Comparison, Pair, TaskKey
from qrtui.tui.strip_columns import Group, StripColumns, strip_columns
from qrtui.tui.widgets.steady import SteadyScrollView
from qrtui.tui.wording import mark

_HEAD = 2
_LONGEST_NAME = 28
_GAP = 2
_SHORTEST = TaskKey("", "task")
_PARTS = ("head", "here", "shown", "passed", "failed", "unknown", "cursor")


class TaskTable(SteadyScrollView, can_focus=True):
    """A row for each task; under each perturbation the original's mark, then the quantized ones'."""

    COMPONENT_CLASSES = {f"task-table--{part}" for part in _PARTS}
    BINDINGS = [
        Binding("up", "go('up')", "Up", show=False),
        Binding("down", "go('down')", "Down", show=False),
        Binding("pageup", "go('page_up')", "A page up", show=False),
        Binding("pagedown", "go('page_down')", "A page down", show=False),
        Binding("home", "go('top')", "First", show=False),
        Binding("end", "go('bottom')", "Last", show=False),
    ]

    cursor_row: reactive[int] = reactive(0, repaint=False)

    class Highlighted(Message):
        """The cursor is on another task."""

    class PairPicked(Message):
        """A perturbation was clicked on, and in it perhaps a quantized precision."""

        def __init__(self, perturbation: str, quantized: str | None) -> None:
            super().__init__()
            self.perturbation = perturbation
            self.quantized = quantized

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.listed: list[TaskKey] = []
        self._comparison = Comparison([])
        self._pair = Pair("", "", "")
        self._columns = StripColumns((), (), 0)
        self._names = self._named = 0
        self._announced: TaskKey | None = None
        self._strips: dict[tuple[int, bool], Strip] = {}
        self._styles_checked = False
        self._drawn_in: list[Style] = []

    # What is shown

    @property
    def chosen(self) -> TaskKey | None:
        """The task under the cursor."""
        return self.listed[self.cursor_row] if 0 <= self.cursor_row < len(self.listed) else None

    @property
    def row_count(self) -> int:
        """How many tasks are listed."""
        return len(self.listed)

    def show(self, comparison: Comparison, pair: Pair, listed: list[TaskKey], room: int) -> None:
        """Show these tasks; the cursor stays on its task where that is still listed. `room` is the width there is."""
        chosen, another = self.chosen, pair != self._pair
        if comparison is not self._comparison or len(comparison.tasks) != self._named:
            self._comparison, self._named = comparison, len(comparison.tasks)
            self._names = min(_LONGEST_NAME, max(len(self._label(task)) for task in [*comparison.tasks, _SHORTEST]))
        self._pair, self.listed = pair, listed
        left = room - self._names - _GAP
        self._columns = strip_columns(comparison.perturbations, comparison.quantized(pair.model), left)
        self._strips.clear()
        self.set_extent(self.width_wanted, len(listed) + _HEAD)
        self.move_cursor(_place(listed, chosen, self.cursor_row))
        if another:
            self._show_group()
        self.refresh()

    @property
    def width_wanted(self) -> int:
        """The width that shows every column."""
        return self._names + _GAP + self._columns.width

    def _label(self, task: TaskKey) -> str:
        return f"  {task.task}" if self._comparison.ids_are_unique else f"  {task.task} {task.dataset}"

    # The cursor

    def move_cursor(self, row: int) -> None:
        """Put the cursor on a row, the nearest there is."""
        self.cursor_row = max(0, min(row, len(self.listed) - 1))
        self._keep_in_sight()
        if self.chosen != self._announced:
            self._announced = self.chosen
            # Whoever moved the cursor, it is the table that says so: from its parent it would go no further than that.
            self.post_message(self.Highlighted().set_sender(self))

    def watch_cursor_row(self, before: int, now: int) -> None:
        """The old row and the new one look different."""
        top, width = round(self.scroll_y) - _HEAD, self.size.width
        self.refresh(*(Region(0, row - top, width, 1) for row in (before, now)))

    def on_resize(self) -> None:
        """The cursor's row, and the columns of the pair, stay in sight."""
        self._strips.clear()
        self._keep_in_sight()
        self._show_group()

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        """Other columns come into sight."""
        super().watch_scroll_x(old_value, new_value)
        self._strips.clear()

    def notify_style_update(self) -> None:
        """Colours may have changed."""
        super().notify_style_update()
        self._styles_checked = False

    def watch_show_vertical_scrollbar(self) -> None:
        """A scrollbar that comes when the list has been scrolled already shows how far."""
        # Textual tells it only of scrolling that it sees.
        self.vertical_scrollbar.position = self.scroll_y

    def _keep_in_sight(self) -> None:
        if not self.size.height:
            # Not laid out yet: when it is, on_resize looks again.
            return
        rows = max(1, self.scrollable_content_region.height - _HEAD)
        top = round(self.scroll_target_y)
        wanted = min(max(top, self.cursor_row - rows + 1), self.cursor_row)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, immediate=True, force=True)

    def _show_group(self) -> None:
        """Scroll sideways to the pair's perturbation where it is out of sight, to where a group begins."""
        group = self._columns.group(self._pair.perturbation)
        room = self.scrollable_content_region.width - self._names - _GAP
        left = round(self.scroll_target_x)
        if group is None or room <= 0 or (left <= group.start and group.start + group.width <= left + room):
            return
        least = group.start if group.start < left else group.start + group.width - room
        wanted = next((one.start for one in self._columns.groups if one.start >= least), group.start)
        self.scroll_to(x=min(wanted, group.start), animate=False, immediate=True, force=True)

    def go(self, where: str) -> None:
        """Move the cursor: up, down, to the top or bottom, by a page or half of one."""
        page = max(1, self.scrollable_content_region.height - _HEAD - 1)
        steps = {"down": 1, "up": -1, "page_down": page, "page_up": -page}
        steps |= {"half_down": max(1, page // 2), "half_up": -max(1, page // 2)}
        ends = {"top": 0, "bottom": len(self.listed) - 1}
        self.move_cursor(ends[where] if where in ends else self.cursor_row + steps[where])

    def action_go(self, where: str) -> None:
        """Move the cursor."""
        self.go(where)

    def on_click(self, event: events.Click) -> None:
        """A click chooses the task, and the perturbation and precision whose mark was hit."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        found = self._columns.at(offset.x - self._names - _GAP + round(self.scroll_x))
        if offset.x >= self._names + _GAP and found:
            group, at = found
            quantized = self._comparison.quantized(self._pair.model)
            picked = quantized[at - 1] if at > 0 and offset.y > 0 else None
            self.post_message(self.PairPicked(group.perturbation, picked))
        if offset.y >= _HEAD and (row := offset.y - _HEAD + round(self.scroll_y)) < len(self.listed):
            self.move_cursor(row)

    # Drawing

    def render_line(self, y: int) -> Strip:
        """The two lines of the head stay where they are; the rows scroll below them."""
        if y < _HEAD:
            return self._line(*self._head(y), self.line_style)
        row = y - _HEAD + round(self.scroll_y)
        if row >= len(self.listed):
            return self._line(Segment(""), [], self.line_style)
        at_cursor = row == self.cursor_row
        if not self._styles_checked:
            self._check_styles()
        if (row, at_cursor) not in self._strips:
            style = self._style("cursor") if at_cursor else self.line_style
            self._strips[row, at_cursor] = self._line(*self._row(row), style)
        return self._strips[row, at_cursor]

    def _check_styles(self) -> None:
        """Drop the rows whose colours are others now: of a focus that comes or goes the cursor alone tells."""
        before, self._drawn_in = self._drawn_in, [self.line_style, *map(self._style, _PARTS)]
        self._styles_checked = True
        if before[:-1] != self._drawn_in[:-1]:
            self._strips.clear()
        elif before != self._drawn_in:
            self._strips = {place: strip for place, strip in self._strips.items() if not place[1]}

    def _line(self, name: Segment, marks: list[Segment], base: Style) -> Strip:
        left = Strip([name]).adjust_cell_length(self._names + _GAP)
        right = Strip(marks).crop(round(self.scroll_x))
        return Strip([*left, *right]).adjust_cell_length(self.scrollable_content_region.width).apply_style(base)

    def _groups_in_sight(self) -> Iterator[Group]:
        """A run may have hundreds of perturbations; those that are out of sight are not drawn."""
        left = round(self.scroll_x)
        right = left + self.scrollable_content_region.width
        return (group for group in self._columns.groups if group.start < right and group.start + group.width > left)

    def _head(self, line: int) -> tuple[Segment, list[Segment]]:
        texts = []
        for group in self._groups_in_sight():
            here = group.perturbation == self._pair.perturbation
            style = self._style("here" if here else "head")
            if line == 0:
                texts.append((group.start, group.name, style))
                continue
            for at, (place, letter) in enumerate(zip(group.marks, self._columns.letters, strict=False)):
                shown = here and self._is_shown(at)
                texts.append((group.start + place, letter, self._style("here" if shown else "head")))
        return Segment("  task" if line else self._more(), self._style("head")), list(_placed(texts))

    def _more(self) -> str:
        """Arrows to the columns that are out of sight; left and right bring them in."""
        left, right = self.scroll_x > 0, self.scroll_x < self.max_scroll_x
        return f"{'◂' if left else ' '} more {'▸' if right else ''}" if left or right else ""

    def _row(self, row: int) -> tuple[Segment, list[Segment]]:
        task = self.listed[row]
        diverges = self._comparison.diverges(task, self._pair)
        name = printable(self._label(task))
        if len(name) > self._names:
            name = f"  …{name[len(name) - self._names + 3 :]}"
        texts = []
        precisions = self._comparison.precisions(self._pair.model)
        for group in self._groups_in_sight():
            here = group.perturbation == self._pair.perturbation
            for at, (place, precision) in enumerate(zip(group.marks, precisions, strict=False)):
                cell = self._comparison.cell(task, self._pair.model, precision, group.perturbation)
                style = self._style(cell_colour(cell))
                if here and self._is_shown(at):
                    style += self._style("shown") + Style(color=style.color)
                texts.append((group.start + place, cell_mark(cell), style))
        return Segment(f"≠{name[1:]}" if diverges else name, Style(bold=diverges)), list(_placed(texts))

    def _is_shown(self, at: int) -> bool:
        quantized = self._comparison.quantized(self._pair.model)
        return at == 0 or quantized[at - 1 : at] == [self._pair.quantized]

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"task-table--{part}", partial=True)


def cell_mark(cell: Cell) -> str:
    """One character for a task under a condition; of several samples some of which passed, how many."""
    return (str(cell.passes) if cell.passes < 10 else "+") if cell.mixed else mark(cell.status)


def cell_colour(cell: Cell) -> str:
    """The component class that a mark is drawn in."""
    return "unknown" if cell.passed is None else "passed" if cell.passed else "failed"


def _place(listed: Sequence[TaskKey], task: TaskKey | None, otherwise: int) -> int:
    if listed[otherwise : otherwise + 1] == [task]:
        return otherwise
    try:
        return listed.index(task)  # type: ignore[arg-type]
    except ValueError:
        return otherwise


def _placed(texts: Sequence[tuple[int, str, Style]]) -> Iterator[Segment]:
    """Texts at their columns, blanks between them."""
    x = 0
    for start, text, style in texts:
        if start > x:
            yield Segment(" " * (start - x))
        yield Segment(text, style)
        x = max(x, start) + len(text)
