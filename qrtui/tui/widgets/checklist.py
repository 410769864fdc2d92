"""A list of things to tick, whose ticks read without colour."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip
from textual.widgets import SelectionList
from textual.widgets.option_list import OptionDoesNotExist
from textual.widgets.selection_list import Selection

from qrtui.tui.widgets.panel import Panel


class Item(NamedTuple):
    """One line: what it says, what it stands for, whether it is ticked, and what more there is to know about it."""

    label: Content | str
    value: Any
    ticked: bool = False
    note: str = ""


class CheckList(SelectionList[Any]):
    """A compact SelectionList that draws `[x]` and `[ ]`; the lower border of the panel around it says the note of the
    line under the cursor.
    """

    def __init__(self, *items: Item, id: str) -> None:
        super().__init__(*self._selections(items), id=id, compact=True)
        self._notes = {item.value: item.note for item in items}

    @staticmethod
    def _selections(items: Iterable[Item]) -> list[Selection[Any]]:
        return [Selection(item.label, item.value, item.ticked) for item in items]

    def show(self, items: Iterable[Item]) -> None:
        """Replace every line; the cursor stays where it was. Says nothing about a change."""
        at = self.highlighted
        items = list(items)
        with self.prevent(SelectionList.SelectedChanged):
            self.clear_options()
            self.add_options(self._selections(items))
        self._notes = {item.value: item.note for item in items}
        if self.option_count:
            self.highlighted = min(at or 0, self.option_count - 1)
        self._say_note(self.has_focus)

    @property
    def ticked(self) -> tuple[Any, ...]:
        """The ticked values in the list's order."""
        chosen = set(self.selected)
        values = (self.get_option_at_index(index).value for index in range(self.option_count))  # type: ignore[attr-defined]
        return tuple(value for value in values if value in chosen)

    @property
    def at_cursor(self) -> Any:
        """The value under the cursor; None where the list is empty."""
        if self.highlighted is None or not self.option_count:
            return None
        return self.get_option_at_index(self.highlighted).value  # type: ignore[attr-defined]

    def go_to(self, *values: Any) -> None:
        """Move the cursor to the line that stands for one of the values, if there is one."""
        for index in range(self.option_count):
            if self.get_option_at_index(index).value in values:  # type: ignore[attr-defined]
                self.highlighted = index

    def on_selection_list_selection_highlighted(self) -> None:
        """Another line is under the cursor."""
        self._say_note(self.has_focus)

    def on_focus(self) -> None:
        """The cursor is seen now."""
        self._say_note(True)

    def on_blur(self) -> None:
        """The cursor is somewhere else."""
        self._say_note(False)

    def _say_note(self, here: bool) -> None:
        if any(self._notes.values()):
            panels = (parent for parent in self.ancestors if isinstance(parent, Panel) and not parent.has_class("bare"))
            for panel in itertools.islice(panels, 1):
                panel.border_subtitle = Content(self._notes.get(self.at_cursor, "") if here else "")

    def render_line(self, y: int) -> Strip:
        """The option's line behind its box."""
        # The grandparent draws the text alone; the parent would add a box that only colour fills.
        line = super(SelectionList, self).render_line(y)
        index = self.scroll_offset.y + y
        try:
            option = self.get_option_at_index(index)
        except OptionDoesNotExist:
            return line
        ticked = option.value in self._selected  # type: ignore[attr-defined]
        base = next(iter(line)).style or self.rich_style
        part = "selection-list--button-selected" if ticked else "selection-list--button"
        colour = self.get_component_rich_style(part).color
        # In the terminal's own colours the cursor may have the box's colour, and would hide it.
        seen = base.color if colour == base.bgcolor else colour
        style = base + Style(color=seen, bold=ticked, meta={"option": index})
        return Strip([Segment("[x] " if ticked else "[ ] ", style), *line])
