"""Charts as CSV: one row for each value that a chart shows, with all that names it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from qrtui.results.charts import BarChart, Chart, CurveChart
from qrtui.results.measured import Measured

_Row = dict[str, object]


def chart_csv(chart: Chart) -> str:
    """The chart's values with a header, ending in a newline; absent numbers are empty."""
    rows = list(_rows(chart))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["run"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(chart: Chart) -> Iterator[_Row]:
    if isinstance(chart, BarChart):
        for bar in (bar for panel in chart.panels for group in panel.groups for bar in group.bars):
            if chart.reference is None:
                yield _named(bar.of) | {"pass_at_1": bar.value}
            else:
                yield _named(bar.of) | {
                    "rrs": bar.value,
                    "rrs_low": bar.low,
                    "rrs_high": bar.high,
                    "more_robust": bar.more_robust,
                }
    elif isinstance(chart, CurveChart):
        for panel in chart.panels:
            for curve in panel.curves:
                noise = next(point.of.noise for point in curve.points if point.of.noise)
                for point in curve.points:
                    yield _named(point.of) | {
                        "kind": noise.kind,
                        "protocol": noise.protocol,
                        "level": point.level,
                        "pass_at_1": point.value,
                        "low": point.low,
                        "high": point.high,
                    }
    else:
        for heat in (row for panel in chart.panels for row in panel.rows):
            for one in (one for one in heat.of if one is not None):
                yield _named(one) | {"pass_at_1": one.pass_at_1, "drop": one.drop, "delta": one.delta}


def _named(one: Measured) -> _Row:
    return {
        "run": one.run,
        "model": one.model,
        "precision": one.precision,
        "dataset": one.dataset,
        "perturbation": one.perturbation,
        "weights_perturbed": one.weights_perturbed,
        "n": one.n,
    }
