"""A table of texts whose columns are as wide as what is in them, and which is quick with hundreds of rows."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.widgets import DataTable
from textual.widgets.data_table import CellKey, Column, RowKey


class FittedTable(DataTable[Text]):
    """Rows are one line high. What was drawn before, cut to the old widths, is drawn again once widths are known.

    Textual lets Rich measure each new or changed cell, which takes a second of the screen's time for six hundred rows.
    """

    def on_mount(self) -> None:
        """In the terminal's own colours a cell's colour may not read on the cursor's."""
        self.watch(self.app, "theme", self._choose_cursor_colour)

    def _choose_cursor_colour(self) -> None:
        self.cursor_foreground_priority = "css" if self.app.current_theme.ansi else "renderable"
        self._clear_caches()

    def _update_column_widths(self, updated_cells: set[CellKey]) -> None:
        for key in {cell.column_key for cell in updated_cells} & self.columns.keys():
            self._fit(self.columns[key])
        self._require_update_dimensions = True

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        if [*new_rows]:
            for column in self.columns.values():
                self._fit(column)
        super()._update_dimensions(())
        self._clear_caches()
        self.refresh()

    def _fit(self, column: Column) -> None:
        cells = (row[column.key].cell_len for row in self._data.values())
        column.content_width = max(column.label.cell_len, *cells, 0)
