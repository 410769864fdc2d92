"""The paper's Figures 3, 4 and 5 made of what was measured: pure functions from conditions to charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from qrtui.counting import counted
from qrtui.perturb.naming import level_name, perturbation_name
from qrtui.results.charts import (
    METRICS,
    Bar,
    BarChart,
    BarGroup,
    BarPanel,
    Curve,
    CurveChart,
    CurvePanel,
    CurvePoint,
    HeatColumn,
    HeatMap,
    HeatPanel,
    HeatRow,
    Metric,
)
from qrtui.results.measured import Measured, NoiseName, unequal_dose
from qrtui.results.statistics import wilson


def rrs_bars(measured: Sequence[Measured]) -> BarChart:
    """Figure 5: the RRS of every condition that has an arrow.

    One panel for each model and data set, the precisions of a perturbation beside each other; where several models
    have one quantized precision, as in Table I, one panel for each data set and a model's attacks beside each other.
    """
    told = [one for one in measured if one.more_robust is not None]
    name, perturbation = _model_names(told), _perturbation_names(told)
    by_attack = len({one.precision for one in told}) == 1 and len({name(one) for one in told}) > 1

    def bar(one: Measured) -> Bar:
        return Bar(
            series=perturbation(one) if by_attack else one.precision,
            value=one.rrs,
            low=one.rrs_low,
            high=one.rrs_high,
            more_robust=one.more_robust,
            of=one,
        )

    in_title = (_precision, _dataset) if by_attack else (name, _dataset)
    subject, panels = _bar_panels(told, in_title, name if by_attack else perturbation, bar)
    intervals = any(one.rrs_low is not None for one in told)
    return BarChart(
        title=_title("RRS", subject),
        axis="RRS",
        series=_series(panels),
        panels=panels,
        notes=_notes(
            told,
            "Lines: 95 % intervals, bootstrap over tasks." if intervals else "",
            unequal_dose(_under(told, measured)),
        ),
        reference=1.0,
    )


def pass_bars(measured: Sequence[Measured]) -> BarChart:
    """The pass@1 of every condition, the precisions of a perturbation beside each other."""
    told = [one for one in measured if one.n]
    name, perturbation = _model_names(told), _perturbation_names(told)

    def bar(one: Measured) -> Bar:
        return Bar(series=one.precision, value=one.pass_at_1, of=one)

    subject, panels = _bar_panels(told, (name, _dataset), perturbation, bar)
    return BarChart(
        title=_title("pass@1", subject),
        axis="pass@1",
        series=_series(panels),
        panels=panels,
        notes=_notes(told, unequal_dose(told)),
    )


def _bar_panels(
    measured: Sequence[Measured],
    in_title: Sequence[Callable[[Measured], str]],
    group_label: Callable[[Measured], str],
    bar: Callable[[Measured], Bar],
) -> tuple[str, tuple[BarPanel, ...]]:
    subject, parts = _parted(measured, in_title)
    panels = []
    for title, members in parts:
        groups: dict[str, list[Measured]] = {}
        for one in members:
            groups.setdefault(group_label(one), []).append(one)
        panels.append(BarPanel(title, tuple(BarGroup(label, tuple(map(bar, ones))) for label, ones in groups.items())))
    return subject, tuple(panels)


def _series(panels: Iterable[BarPanel]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(bar.series for panel in panels for group in panel.groups for bar in group.bars))


def noise_curves(measured: Sequence[Measured]) -> CurveChart:
    """Figure 3: pass@1 against the noise level, one panel for each model, data set, kind and protocol of noise.

    The clean condition is level 0. A panel needs two levels beside it to be a curve; others are left out.
    """
    judged = [one for one in measured if one.pass_at_1 is not None]
    noisy = [one for one in judged if one.noise]
    name = _model_names(noisy)
    in_title = (name, _dataset, lambda one: f"{_noise(one).kind} noise", lambda one: _noise(one).protocol)
    subject, parts = _parted(noisy, in_title)
    found = [CurvePanel(title, _curves(members, judged)) for title, members in parts]
    panels = tuple(panel for panel in found if len(panel.levels) > 2)
    shown = [point.of for panel in panels for curve in panel.curves for point in curve.points]
    return CurveChart(
        title=_title("pass@1 against noise", subject),
        x_axis="noise level",
        y_axis="pass@1",
        panels=panels,
        notes=_notes(shown, _widest_interval(panels), unequal_dose(shown)),
    )


def _curves(noisy: Sequence[Measured], judged: Sequence[Measured]) -> tuple[Curve, ...]:
    curves = []
    for precision in dict.fromkeys(one.precision for one in noisy):
        mine = [one for one in noisy if one.precision == precision]
        clean = [one for one in judged if one.kind == "clean" and _cell(one) == _cell(mine[0])]
        points = [_point(0.0, one) for one in clean] + [_point(_noise(one).level, one) for one in mine]
        curves.append(
            Curve(
                series=precision,
                is_baseline=mine[0].is_baseline,
                share=mine[0].weights_perturbed,
                points=tuple(sorted(points, key=lambda point: point.level)),
            )
        )
    return tuple(curves)


def _point(level: float, one: Measured) -> CurvePoint:
    value = one.pass_at_1 or 0.0
    return CurvePoint(level, value, *wilson(value, one.n), one)


def _widest_interval(panels: Sequence[CurvePanel]) -> str:
    halves = [(point.high - point.low) / 2 for panel in panels for curve in panel.curves for point in curve.points]
    return f"95 % intervals (Wilson) reach up to {max(halves):.2f} either way." if halves else ""


def heat_map(measured: Sequence[Measured], metric: Metric = "pass@1") -> HeatMap:
    """Figure 4: models and precisions against perturbations, one panel for each data set.

    A drop has no clean column. pass@1 is coloured from 0 to the highest value, drops about 0.
    """
    told = [one for one in measured if _value(one, metric) is not None and (metric == "pass@1" or one.kind != "clean")]
    name = _model_names(told)
    subject, parts = _parted(told, (_dataset,))
    several_protocols = len({one.noise.protocol for one in told if one.noise}) > 1
    columns = {one.perturbation: _column(one, several_protocols) for one in told}
    panels = tuple(HeatPanel(title, *_heat_cells(members, columns, name, metric)) for title, members in parts)
    values = [value for panel in panels for row in panel.rows for value in row.values if value is not None]
    top = max(map(abs, values), default=0.0)
    return HeatMap(
        title=_title(METRICS[metric], subject),
        metric=metric,
        low=0.0 if metric == "pass@1" else -top,
        high=top,
        panels=panels,
        notes=_notes(told, unequal_dose(told)),
    )


def _heat_cells(
    members: Sequence[Measured], columns: dict[str, HeatColumn], name: Callable[[Measured], str], metric: Metric
) -> tuple[tuple[HeatColumn, ...], tuple[HeatRow, ...]]:
    present = {one.perturbation for one in members}
    shown = [perturbation for perturbation in columns if perturbation in present]
    cells: dict[tuple[str, str], dict[str, Measured]] = {}
    for one in members:
        cells.setdefault((name(one), one.precision), {})[one.perturbation] = one
    rows = tuple(
        HeatRow(
            model,
            precision,
            tuple(_value(row[wanted], metric) if wanted in row else None for wanted in shown),
            tuple(row.get(wanted) for wanted in shown),
        )
        for (model, precision), row in cells.items()
    )
    return tuple(columns[wanted] for wanted in shown), rows


def _column(one: Measured, several_protocols: bool) -> HeatColumn:
    if one.noise is None:
        head, _, last = perturbation_name(one.perturbation).rpartition(" ")
        return HeatColumn(head, last)
    protocol = f" {one.noise.protocol}" if several_protocols else ""
    return HeatColumn(f"{one.noise.kind}{protocol}", level_name(one.noise.level))


def _value(one: Measured, metric: Metric) -> float | None:
    return {"pass@1": one.pass_at_1, "drop": one.drop, "delta": one.delta}[metric]


# Titles, names and notes


def _parted(
    measured: Sequence[Measured], in_title: Sequence[Callable[[Measured], str]]
) -> tuple[str, list[tuple[str, list[Measured]]]]:
    """What all have in common, and the others' parts under a title each."""
    parts: dict[tuple[str, ...], list[Measured]] = {}
    for one in measured:
        parts.setdefault(tuple(field(one) for field in in_title), []).append(one)
    common = [len(set(column)) == 1 for column in zip(*parts, strict=True)]

    def words(key: tuple[str, ...], *, shared: bool) -> str:
        return ", ".join(word for word, same in zip(key, common, strict=True) if same == shared)

    subject = words(next(iter(parts)), shared=True) if parts else ""
    return subject, [(words(key, shared=False), members) for key, members in parts.items()]


def _title(what: str, subject: str) -> str:
    return f"{what}: {subject}" if subject else what


def _precision(one: Measured) -> str:
    return one.precision


def _dataset(one: Measured) -> str:
    return one.dataset


def _noise(one: Measured) -> NoiseName:
    assert one.noise is not None
    return one.noise


def _cell(one: Measured) -> tuple[str, str, str, str]:
    return one.run, one.model, one.precision, one.dataset


def _model_names(measured: Sequence[Measured]) -> Callable[[Measured], str]:
    """The model's name, with the run's where two runs measured the same."""
    runs: dict[tuple[str, str, str, str], set[str]] = {}
    for one in measured:
        runs.setdefault((one.model, one.precision, one.dataset, one.perturbation), set()).add(one.run)
    twice = {model for (model, *_), of in runs.items() if len(of) > 1}
    return lambda one: f"{one.model}, run {one.run}" if one.model in twice else one.model


def _perturbation_names(measured: Sequence[Measured]) -> Callable[[Measured], str]:
    """The perturbation in short; a noise's protocol only where there are several."""
    several = len({one.noise.protocol for one in measured if one.noise}) > 1

    def name(one: Measured) -> str:
        if one.noise is None:
            return perturbation_name(one.perturbation)
        return " ".join(
            filter(None, [one.noise.kind, level_name(one.noise.level), one.noise.protocol if several else ""])
        )

    return name


def _under(told: Sequence[Measured], measured: Sequence[Measured]) -> list[Measured]:
    """All precisions of the models and perturbations that are told of, the originals too."""
    wanted = {(one.run, one.model, one.perturbation) for one in told}
    return [one for one in measured if (one.run, one.model, one.perturbation) in wanted]


def _notes(shown: Sequence[Measured], *notes: str) -> tuple[str, ...]:
    """The given notes, and what else must be known to read the chart right."""
    protocols = list(dict.fromkeys(one.noise.protocol for one in shown if one.noise))
    sizes = sorted({one.n for one in shown})
    judged, planned = sum(one.n for one in shown), sum(one.planned for one in shown)
    return tuple(
        filter(
            None,
            [
                "Published values: the paper's Table I." if {one.run for one in shown} == {"paper"} else "",
                f"n = {_tasks(sizes)}." if sizes else "",
                *notes,
                f"Noise by the {protocols[0]} protocol." if len(protocols) == 1 else "",
                f"Not finished: {judged / planned:.0%} of what is shown is judged." if judged < planned else "",
            ],
        )
    )


def _tasks(sizes: Sequence[int]) -> str:
    least, most = sizes[0], sizes[-1]
    return f"{least} to {most} tasks" if least < most else counted(most, "task")
