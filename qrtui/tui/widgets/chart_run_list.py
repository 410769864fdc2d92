"""The runs of which a chart is drawn, to be ticked; the paper's table is one of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from qrtui.tui.chart_runs import PAPER
from qrtui.tui.widgets.checklist import CheckList, Item

if TYPE_CHECKING:
    from qrtui.results.records import RunRecord


class ChartRunList(Vertical):
    """Runs by number and name. That another is ticked is told by the list's own `SelectedChanged`."""

    BORDER_TITLE = "Runs"

    def __init__(self, id: str) -> None:
        super().__init__(id=id, classes="panel")

    def compose(self) -> ComposeResult:
        """The list."""
        yield CheckList(id="chart-runs")

    @property
    def check_list(self) -> CheckList:
        """What has the keys here."""
        return self.query_one(CheckList)

    @property
    def ticked(self) -> tuple[str, ...]:
        """The numbers of those that are ticked, and PAPER."""
        return self.check_list.ticked

    def show(self, records: Sequence[RunRecord], ticked: Collection[str]) -> None:
        """List these runs, and the paper's table."""
        items = [Item(_label(record), str(record.id), str(record.id) in ticked) for record in records]
        self.check_list.show([*items, Item("the paper, Table I", PAPER, PAPER in ticked)])
        self.count(ticked)

    def count(self, ticked: Collection[str]) -> None:
        """Say how many are shown."""
        self.border_subtitle = f"{len(ticked)} shown"


def _label(record: RunRecord) -> str:
    """The run's number and name, and how far it is unless it is finished."""
    status = record.status
    share = f", {record.judged / record.total:.0%}" if record.total else ""
    return f"{record.id} {record.name}" + ("" if status == "finished" else f"  {status}{share}")
