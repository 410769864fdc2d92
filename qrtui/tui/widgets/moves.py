"""Moving as in vi, in whatever has the focus: any table, list or scrolling part of any screen.

A screen that adds `MOVES` to its bindings and inherits `Moves` (rooms and dialogs of this app do) gives these keys to
all its widgets: nothing needs to be said in a table or list. One that pages its rows from the database defines
`action_first`, `action_last`, `action_page_up` and `action_page_down` of its own, and they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding

if TYPE_CHECKING:
    from textual.widget import Widget
    from textual.widgets import DataTable

MOVES = [
    Binding("j", "move('down')", show=False, id="move.down"),
    Binding("k", "move('up')", show=False, id="move.up"),
    Binding("g", "move('top')", show=False, id="move.top"),
    Binding("G", "move('bottom')", show=False, id="move.bottom"),
    Binding("ctrl+d", "move('half_down')", show=False, id="move.half_page_down"),
    Binding("ctrl+u", "move('half_up')", show=False, id="move.half_page_up"),
]
"""Key bindings for a screen's `BINDINGS`."""


class Moves:
    """For a screen: `action_move` moves the focused widget, or the first list or table where none has the focus."""

    def action_move(self, where: str) -> None:
        """Move down, up, to the top or bottom, or by half a page."""
        focused: Widget | None = self.focused  # type: ignore[attr-defined]
        widget = focused or next((found for found in self.query("DataTable, OptionList") if found.display), None)  # type: ignore[attr-defined]
        if widget is not None:
            _move(widget, where)


def _move(widget: Widget, where: str) -> None:
    # Imported here: the first paint needs no table.
    from textual.widgets import OptionList

    if isinstance(widget, OptionList) or _has_cursor(widget):
        _move_cursor(widget, where)
        return
    half = max(1, widget.size.height // 2)
    steps = {"down": 1, "up": -1, "half_down": half, "half_up": -half}
    if where in steps:
        widget.scroll_relative(y=steps[where], animate=False)
    elif where == "top":
        widget.scroll_home(animate=False)
    else:
        widget.scroll_end(animate=False)


def _has_cursor(widget: Widget) -> bool:
    from textual.widgets import DataTable

    return isinstance(widget, DataTable) and widget.cursor_type != "none" and widget.show_cursor


def _move_cursor(widget: Widget, where: str) -> None:
    from textual.widgets import DataTable

    own = {"top": "first", "bottom": "last", "half_down": "page_down", "half_up": "page_up"}
    if where in own and not (isinstance(widget, DataTable) and _is_textuals(widget, own[where])):
        getattr(widget, f"action_{own[where]}")()
    elif where in ("down", "up"):
        getattr(widget, f"action_cursor_{where}")()
    elif isinstance(widget, DataTable):
        half = max(1, widget.size.height // 2)
        rows = {"top": 0, "bottom": widget.row_count - 1}
        at = rows.get(where, widget.cursor_row + (half if where == "half_down" else -half))
        widget.move_cursor(row=min(max(at, 0), max(widget.row_count - 1, 0)))


def _is_textuals(table: DataTable[object], action: str) -> bool:
    """Whether a table has no such action of its own."""
    from textual.widgets import DataTable

    own = getattr(type(table), f"action_{action}", None)
    return own is None or own is getattr(DataTable, f"action_{action}", None)
