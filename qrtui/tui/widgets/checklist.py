"""A list of things to tick, whose ticks read without colour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.content import Content
from textual.strip import Strip
from textual.widgets import SelectionList
from textual.widgets.option_list import OptionDoesNotExist
from textual.widgets.selection_list import Selection


class Item(NamedTuple):
    """One line: what it says, what it stands for, whether it is ticked, whether it can be."""

    label: Content | str
    value: Any
    ticked: bool = False
    disabled: bool = False


class CheckList(SelectionList[Any]):
    """A compact SelectionList that draws `[x]` and `[ ]`."""

    BINDINGS = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
    ]

    def __init__(self, *items: Item, id: str) -> None:
        super().__init__(*self._selections(items), id=id, compact=True)

    @staticmethod
    def _selections(items: Iterable[Item]) -> list[Selection[Any]]:
        return [Selection(item.label, item.value, item.ticked, disabled=item.disabled) for item in items]

    def show(self, items: Iterable[Item]) -> None:
        """Replace every line; the cursor stays where it was. Says nothing about a change."""
        at = self.highlighted
        with self.prevent(SelectionList.SelectedChanged):
            self.clear_options()
            self.add_options(self._selections(items))
        if self.option_count:
            self.highlighted = min(at or 0, self.option_count - 1)

    @property
    def ticked(self) -> tuple[Any, ...]:
        """The ticked values in the list's order."""
        chosen = set(self.selected)
        values = (self.get_option_at_index(index).value for index in range(self.option_count))  # type: ignore[attr-defined]
        return tuple(value for value in values if value in chosen)

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
        style = base + Style(color=colour, bold=ticked, meta={"option": index})
        return Strip([Segment("[x] " if ticked else "[ ] ", style), *line])
