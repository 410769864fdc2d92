"""Which part of the runs a chart shows: a Select for model, data set, precision, perturbation, protocol, value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Select, Static

if TYPE_CHECKING:
    from qrtui.results.chart_kinds import ChartKind
    from qrtui.results.charts import Metric
    from qrtui.results.measured import Measured, Selection

ALL = "all"


class Field(NamedTuple):
    """One choice: its key, its name, and what it is for one condition (None where that has none)."""

    key: str
    title: str
    of: Callable[[Measured], str | None]


FIELDS = {
    "models": Field("m", "model", lambda one: one.model),
    "datasets": Field("d", "data set", lambda one: one.dataset),
    "precisions": Field("b", "precision", lambda one: None if one.is_baseline else one.precision),
    "kinds": Field("a", "perturbed by", lambda one: None if one.kind == "clean" else one.kind),
    "protocols": Field("p", "protocol", lambda one: one.noise.protocol if one.noise else None),
}
METRICS: dict[str, str] = {"pass@1": "pass@1", "drop": "drop", "delta": "relative drop"}


class ChartChoice(Vertical):
    """A Select for each field; those that leave nothing to choose are not shown."""

    class Changed(Message):
        """Another part is to be shown."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._told: tuple[Selection, Metric] | None = None

    def compose(self) -> ComposeResult:
        """A line for each field."""
        for name, field in FIELDS.items():
            yield _line(name, field.key, field.title, [ALL])
        yield _line("metric", "v", "values", list(METRICS))

    def offer(self, measured: Sequence[Measured], kind: ChartKind) -> None:
        """Offer what the runs have; what was chosen stays chosen where it still exists."""
        for name, field in FIELDS.items():
            values = list(dict.fromkeys(value for one in measured if (value := field.of(one)) is not None))
            if kind == "noise" and name == "kinds":
                values = list(dict.fromkeys(one.kind for one in measured if one.noise))
            self._offer(name, values)
        self.query_one("#line-metric").display = kind == "heatmap"
        self._told = self.selection, self.metric

    def _offer(self, name: str, values: Sequence[str]) -> None:
        select = self.query_one(f"#{name}", Select)
        options = [ALL, *values]
        if options != getattr(select, "offered", [ALL]):
            chosen = select.value
            with self.prevent(Select.Changed):
                select.set_options([(option, option) for option in options])
                select.value = chosen if chosen in options else ALL
            select.offered = options
        self.query_one(f"#line-{name}").display = len(values) > 1

    @property
    def selection(self) -> Selection:
        """What is chosen."""
        from qrtui.results.measured import Selection

        chosen = {name: self.query_one(f"#{name}", Select).value for name in FIELDS}
        return Selection(**{name: () if value == ALL else (str(value),) for name, value in chosen.items()})

    @property
    def metric(self) -> Metric:
        """What a heat map is to show."""
        return self.query_one("#metric", Select).value  # type: ignore[return-value]

    def has(self, name: str) -> bool:
        """Whether a field leaves anything to choose."""
        return bool(self.query_one(f"#line-{name}").display)

    def cycle(self, name: str) -> None:
        """Choose the next value of a field."""
        select = self.query_one(f"#{name}", Select)
        options = list(METRICS) if name == "metric" else select.offered
        select.value = options[(options.index(select.value) + 1) % len(options)]

    @on(Select.Changed)
    def _changed(self, event: Select.Changed) -> None:
        event.stop()
        # Each field says what it begins with: a chart of hundreds of bars is not made anew for that.
        if (chosen := (self.selection, self.metric)) != self._told:
            self._told = chosen
            self.post_message(self.Changed())


def _line(name: str, key: str, title: str, values: Sequence[str]) -> Horizontal:
    options = [(METRICS.get(value, value), value) for value in values]
    select = Select(options, id=name, compact=True, allow_blank=False)
    line = Horizontal(Static(f"{key} {title}", classes="field"), select, id=f"line-{name}", classes="choice-line")
    # Shown once there is something to choose.
    line.display = False
    return line
