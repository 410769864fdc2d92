"""Which charts there are, and how each is made: the one list that the command and the app go by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from qrtui.errors import QrtuiError
from qrtui.printable import one_line
from qrtui.results.charts import BarChart, Chart, CurveChart, Metric
from qrtui.results.figures import heat_map, noise_curves, rrs_bars
from qrtui.results.measured import Measured, part_of

if TYPE_CHECKING:
    from qrtui.results.table_one import TableOne

ChartKind = Literal["rrs", "noise", "heatmap", "table1"]

CHARTS: dict[ChartKind, str] = {
    "rrs": "RRS bars",
    "noise": "Noise curves",
    "heatmap": "Heat map",
    "table1": "Table I",
}
"""Every chart with its title."""

_LACKING: dict[ChartKind, tuple[str, str]] = {
    "rrs": ("no RRS here", "it needs results of the original and the quantized model, clean and perturbed"),
    "noise": ("no noise curves here", "they need results at two noise levels or more; qrtui run equal-dose has five"),
    "heatmap": ("no pass rates here", "a heat map needs judged results"),
}


def make_chart(
    kind: ChartKind, measured: Sequence[Measured], names: dict[str, str], metric: Metric = "pass@1"
) -> Chart | TableOne:
    """The chart of what was measured; `names` are the runs' names, for Table I.

    Raises QrtuiError, which says what is lacking, where there is nothing to show.
    """
    if kind in ("noise", "heatmap") and measured and all(one.run == "paper" for one in measured):
        raise QrtuiError("of the paper only the RRS values of Table I were published", "rrs and table1 show them")
    if kind == "table1":
        return _table_one(measured, names)
    chart: Chart
    if kind == "rrs":
        chart = rrs_bars(measured)
    elif kind == "noise":
        chart = noise_curves(measured)
    else:
        chart = heat_map(measured, metric)
    if not is_filled(chart):
        raise QrtuiError(*_LACKING[kind])
    return chart


def is_filled(chart: Chart) -> bool:
    """Whether there is anything to see."""
    if isinstance(chart, BarChart | CurveChart):
        return bool(chart.panels)
    return any(panel.rows for panel in chart.panels)


def _table_one(measured: Sequence[Measured], names: dict[str, str]) -> TableOne:
    # The app shows the other charts without what this takes to import.
    from qrtui.results.merged import merge
    from qrtui.results.table_one import table_one

    runs = dict.fromkeys(one.run for one in measured)
    parts = [
        part_of(
            int(run) if run.isdigit() else run,
            one_line(names.get(run, run)),
            [one for one in measured if one.run == run],
        )
        for run in runs
    ]
    if not parts:
        raise QrtuiError("no RRS here", "the choice of models, data sets and perturbations leaves nothing")
    return table_one(merge(parts))
