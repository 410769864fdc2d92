"""Charts as data: what each of the paper's Figures 3, 4 and 5 shows, before anything draws it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from qrtui.results.measured import Measured
from qrtui.results.metrics import MoreRobust

Metric = Literal["pass@1", "drop", "delta"]

METRICS: dict[Metric, str] = {"pass@1": "pass@1", "drop": "drop of pass@1", "delta": "relative drop of pass@1, Δ"}
"""What a heat map can show: pass@1, the share of tasks lost, and Eq. 1."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One value with its interval; `value` is None where there is no number, only an arrow or nothing yet.

    `low` None means no interval, `high` None beside a `low` that it has no upper end.
    """

    series: str
    value: float | None
    low: float | None = None
    high: float | None = None
    more_robust: MoreRobust | None = None
    of: Measured


class BarGroup(msgspec.Struct, frozen=True):
    """Bars that belong together, one for each series."""

    label: str
    bars: tuple[Bar, ...]


class BarPanel(msgspec.Struct, frozen=True):
    """One set of axes."""

    title: str
    groups: tuple[BarGroup, ...]


class BarChart(msgspec.Struct, frozen=True, kw_only=True):
    """Figure 5: bars by perturbation and precision.

    With a `reference` bars begin there, on an axis of ratios (twice and half are equally far from it); without one they
    begin at 0, on an axis of shares.
    """

    title: str
    axis: str
    series: tuple[str, ...]
    panels: tuple[BarPanel, ...]
    notes: tuple[str, ...] = ()
    reference: float | None = None


class CurvePoint(msgspec.Struct, frozen=True):
    """pass@1 at a noise level, 0 where clean, with its 95 % interval."""

    level: float
    value: float
    low: float
    high: float
    of: Measured


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One precision over all levels; `share` is the share of its weights that noise reached."""

    series: str
    is_baseline: bool
    share: float | None
    points: tuple[CurvePoint, ...]


class CurvePanel(msgspec.Struct, frozen=True):
    """One set of axes: a model on a data set under one kind of noise by one protocol."""

    title: str
    curves: tuple[Curve, ...]

    @property
    def levels(self) -> list[float]:
        """The levels of all curves, rising; 0 is clean."""
        return sorted({point.level for curve in self.curves for point in curve.points})


class CurveChart(msgspec.Struct, frozen=True, kw_only=True):
    """Figure 3: pass@1 against the noise level, the original beside the quantized."""

    title: str
    x_axis: str
    y_axis: str
    panels: tuple[CurvePanel, ...]
    notes: tuple[str, ...] = ()


class HeatColumn(NamedTuple):
    """A perturbation; columns of one `group` (a kind of noise and its protocol) stand beside each other."""

    group: str
    label: str


class HeatRow(msgspec.Struct, frozen=True):
    """A model in a precision: one value for each column, None where nothing was measured."""

    label: str
    precision: str
    values: tuple[float | None, ...]
    of: tuple[Measured | None, ...]


class HeatPanel(msgspec.Struct, frozen=True):
    """One data set."""

    title: str
    columns: tuple[HeatColumn, ...]
    rows: tuple[HeatRow, ...]


class HeatMap(msgspec.Struct, frozen=True, kw_only=True):
    """Figure 4: models and precisions against perturbations. All panels share the colours' `low` and `high`."""

    title: str
    metric: Metric
    low: float
    high: float
    panels: tuple[HeatPanel, ...]
    notes: tuple[str, ...] = ()


Chart = BarChart | CurveChart | HeatMap
