"""What the charts of a run show: bars made from the rows of its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qrtui.results.metrics import ARROWS
from qrtui.tui.widgets.chart import Bar, BarChart
from qrtui.tui.wording import NOTHING, share, without_common_protocol

if TYPE_CHECKING:
    from qrtui.results.table import Row

_WINNER_COLOURS = {"quantized": "accent", "original": "secondary", "equal": "muted", None: "muted"}
_NO_RRS = "No RRS yet: it needs results of the original and the quantized model, clean and perturbed."


def rrs_chart() -> BarChart:
    """The RRS with the line at 1."""
    return BarChart(id="rrs-chart", axis="RRS (1: equally robust)", empty=_NO_RRS, reference=1.0)


def pass_chart() -> BarChart:
    """The pass@1."""
    return BarChart(id="pass-chart", axis="pass@1", empty="No pass@1 yet: nothing is judged.")


def rrs_bars(rows: Sequence[Row]) -> list[Bar]:
    """A bar for each condition that has an arrow; where the ratio has no meaning, the arrow alone."""
    told = [row for row in rows if row.more_robust is not None]
    labels = _labels(told)
    return [
        Bar(
            label,
            row.rrs,
            f"{row.rrs:.2f} {ARROWS[row.more_robust]}"
            if row.rrs is not None
            else f"{ARROWS[row.more_robust]} no ratio",
            _WINNER_COLOURS[row.more_robust],
        )
        for row, label in zip(told, labels, strict=True)
    ]


def pass_bars(rows: Sequence[Row]) -> list[Bar]:
    """A bar for each condition with a result, the precisions of one perturbation under each other."""
    if not any(row.n for row in rows):
        return []
    order = list(
        dict.fromkeys((row.condition.model, row.condition.dataset, row.condition.perturbation) for row in rows)
    )
    grouped = sorted(
        rows, key=lambda row: order.index((row.condition.model, row.condition.dataset, row.condition.perturbation))
    )
    return [
        Bar(
            label,
            row.pass_at_1,
            share(row.pass_at_1) if row.n else NOTHING,
            "muted" if row.condition.is_baseline else "accent",
        )
        for row, label in zip(grouped, _labels(grouped), strict=True)
    ]


def _labels(rows: Sequence[Row]) -> list[str]:
    """Perturbation and precision, and model and data set where there are several."""
    names, _ = without_common_protocol([row.condition.perturbation for row in rows])
    several_models = len({row.condition.model for row in rows}) > 1
    several_datasets = len({row.condition.dataset for row in rows}) > 1
    labels = []
    for row in rows:
        condition = row.condition
        words = [condition.model if several_models else "", condition.dataset if several_datasets else ""]
        labels.append(" ".join(filter(None, [*words, names[condition.perturbation], f"{condition.precision:>4}"])))
    return labels
