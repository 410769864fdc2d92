"""What the Charts room has read of runs, so that nothing is read or computed twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from qrtui.results.measured import Intervals, Measured, MeasuredRun
    from qrtui.results.records import RunRecord
    from qrtui.results.store import Store

PAPER = "paper"


class _Known(NamedTuple):
    judged: int
    run: MeasuredRun
    measured: list[Measured]


class ChartRuns:
    """The numbers of the runs that were looked at. Each is read again only when more of it is judged."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._intervals: dict[int, Intervals] = {}
        self._whole: set[tuple[int, int]] = set()

    def read(self, store: Store, records: Sequence[RunRecord]) -> None:
        """Bring these runs up to date; called on the reader's thread."""
        from qrtui.results.measured import read_measured

        for record in records:
            before = self._known.get(record.id)
            if before is None or before.judged != record.judged:
                run = read_measured(store, record.id)
                self._known[record.id] = _Known(record.judged, run, run.measured())

    def add_intervals(self, records: Sequence[RunRecord]) -> None:
        """Compute what is missing of the intervals of RRS; called on a thread of its own."""
        from qrtui.results.measured import Intervals

        for record in self.without_intervals(records):
            known = self._known[record.id]
            intervals = self._intervals.setdefault(record.id, Intervals())
            self._known[record.id] = known._replace(measured=known.run.with_intervals(intervals))
            self._whole.add((record.id, known.judged))

    def without_intervals(self, records: Sequence[RunRecord]) -> list[RunRecord]:
        """Those of the runs that were read but whose intervals were not computed since."""
        return [
            record
            for record in records
            if record.id in self._known and (record.id, self._known[record.id].judged) not in self._whole
        ]

    def lacks(self, records: Sequence[RunRecord]) -> bool:
        """Whether one of these runs was not read yet."""
        return any(record.id not in self._known for record in records)

    def measured(self, names: Sequence[str]) -> list[Measured]:
        """All that is known of these runs (numbers, or the paper), one after the other."""
        from qrtui.results.measured import measured_report
        from qrtui.results.published import published_table

        found: list[Measured] = []
        for name in names:
            if name == PAPER:
                found += measured_report(published_table())
            elif int(name) in self._known:
                found += self._known[int(name)].measured
        return found
