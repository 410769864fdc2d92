"""A table whose rows are drawn again once its columns have their widths."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.widgets import DataTable
from textual.widgets.data_table import RowKey


class FittedTable(DataTable[Text]):
    """Textual measures new rows when it is idle; what it drew before, cut to the old widths, it would keep."""

    def on_mount(self) -> None:
        """In the terminal's own colours a cell's colour may not read on the cursor's."""
        self.watch(self.app, "theme", self._choose_cursor_colour)

    def _choose_cursor_colour(self) -> None:
        self.cursor_foreground_priority = "css" if self.app.current_theme.ansi else "renderable"
        self._clear_caches()

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        super()._update_dimensions(new_rows)
        self._clear_caches()
        self.refresh()
