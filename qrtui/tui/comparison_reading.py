"""A run's comparison, read step by step, and again while the run goes on."""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from qrtui.results.columns import Column, read_columns, read_conditions
from qrtui.tui.comparison import Comparison

if TYPE_CHECKING:
    from qrtui.results.records import ConditionRecord
    from qrtui.results.store import Store
    from qrtui.tui.reader import Reader

_READING_SHARE = 0.1
_STEP_SECONDS = 0.15


class ComparisonReading:
    """What was read of which run, and when it is worth reading more."""

    def __init__(self, reader: Reader) -> None:
        self.run: int | None = None
        self.under_way = False
        self._reader = reader
        self._comparison: Comparison | None = None
        self._results = -1
        self._next_look = 0.0

    def take_up(self, run: int, results: int) -> bool:
        """Whether to `read` now: another run, or one of which more is judged, as often as reading it is cheap."""
        if run != self.run:
            self._comparison = None
        elif results == self._results or self.under_way or time.monotonic() < self._next_look:
            return False
        self.run, self._results = run, results
        return True

    async def read(self, run: int) -> AsyncIterator[Comparison]:
        """The comparison, each time that more of it is there: the columns that are looked at first come first.

        So the list is there at once. Raises StoreError where the run cannot be read.
        """
        self.under_way, started, comparison = True, time.monotonic(), self._comparison
        try:
            if another := comparison is None:
                comparison = Comparison(await self._reader.ask(lambda store: read_conditions(store, run)))
                self._comparison = comparison
            waiting = comparison.to_read()
            while waiting:
                columns = await self._reader.ask(_first_of(waiting))
                comparison.take(columns)
                waiting = waiting[len(columns) :]
                yield comparison
            if another:
                # What was read stays. Looked at in every pass of the collector, it would hold up keys.
                gc.freeze()
        finally:
            self.under_way = False
            now = time.monotonic()
            self._next_look = now + (now - started) / _READING_SHARE


def _first_of(waiting: list[ConditionRecord]) -> Callable[[Store], list[Column]]:
    return lambda store: read_columns(store, waiting, _STEP_SECONDS)
