"""A table whose rows are drawn again once its columns have their widths."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.widgets import DataTable
from textual.widgets.data_table import RowKey


class FittedTable(DataTable[Text]):
    """Textual measures new rows when it is idle; what it drew before, cut to the old widths, it would keep."""

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        super()._update_dimensions(new_rows)
        self._clear_caches()
        self.refresh()
