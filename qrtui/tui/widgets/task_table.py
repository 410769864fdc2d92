"""The tasks of a run with a strip of marks for each perturbation."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.binding import Binding
from textual.widgets import DataTable

from qrtui.tui.comparison import Comparison, Pair, TaskKey
from qrtui.tui.widgets.themed_text import themed
from qrtui.tui.wording import is_noise, mark, scientific


class TaskTable(DataTable[Text]):
    """A row for each task; under each perturbation the original's mark, then the quantized ones'."""

    BINDINGS = [Binding("j", "cursor_down", "Down", show=False), Binding("k", "cursor_up", "Up", show=False)]

    def __init__(self, id: str) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False, fixed_columns=1, cell_padding=1)
        self.listed: list[TaskKey] = []
        self._shape: tuple[object, ...] = ()
        self._strips: dict[tuple[str, str], str] = {}

    @property
    def chosen(self) -> TaskKey | None:
        """The task under the cursor."""
        return self.listed[self.cursor_row] if 0 <= self.cursor_row < len(self.listed) else None

    def show(self, comparison: Comparison, pair: Pair, listed: list[TaskKey]) -> None:
        """Show these tasks; the cursor stays on its task where that is still listed."""
        shape = (tuple(listed), pair, tuple(comparison.perturbations), self.app.theme)
        if shape != self._shape:
            chosen = self.chosen
            self._shape, self.listed = shape, listed
            self._rebuild(comparison, pair)
            if chosen in listed:
                self.move_cursor(row=listed.index(chosen))
            return
        for task in listed:
            for perturbation in comparison.perturbations:
                strip = self._strip(comparison, task, pair, perturbation)
                if self._strips.get((_key(task), perturbation)) != strip.plain:
                    self._strips[_key(task), perturbation] = strip.plain
                    self.update_cell(_key(task), perturbation, strip)

    def _rebuild(self, comparison: Comparison, pair: Pair) -> None:
        self.clear(columns=True)
        self._strips = {}
        self.add_column("task", key="task")
        names = short_names(comparison.perturbations)
        width = 2 * (1 + len(comparison.quantized(pair.model))) - 1
        for perturbation, name in zip(comparison.perturbations, names, strict=True):
            here = perturbation == pair.perturbation
            label = themed(self.app, name, "accent" if here else "muted", bold=here)
            self.add_column(label, key=perturbation, width=max(width, len(name)))
        for task in self.listed:
            strips = [self._strip(comparison, task, pair, perturbation) for perturbation in comparison.perturbations]
            self._strips |= {
                (_key(task), perturbation): strip.plain
                for perturbation, strip in zip(comparison.perturbations, strips, strict=True)
            }
            diverges = comparison.diverges(task, pair)
            name = Text(("≠ " if diverges else "  ") + task.task, no_wrap=True)
            self.add_row(name, *strips, key=_key(task))

    def _strip(self, comparison: Comparison, task: TaskKey, pair: Pair, perturbation: str) -> Text:
        precisions = [comparison.baselines.get(pair.model, ""), *comparison.quantized(pair.model)]
        strip = Text(no_wrap=True)
        for number, precision in enumerate(precisions):
            cell = comparison.cell(task, pair.model, precision, perturbation)
            colour = "muted" if cell.passed is None else "text-success" if cell.passed else "text-error"
            strip.append_text(themed(self.app, (" " if number else "") + mark(cell.status), colour))
        return strip


def short_names(perturbations: Sequence[str]) -> list[str]:
    """Names for column heads: an attack's kind, a noise's level, with as much more as tells them apart.

    >>> short_names(["clean", "char", "gaussian 0.003 published"])
    ['clean', 'char', '3e-3']
    >>> short_names(["uniform 0.01 published", "gaussian 0.01 published"])
    ['u 1e-2', 'g 1e-2']
    """
    noises = [perturbation.split() for perturbation in perturbations if is_noise(perturbation)]
    kinds, protocols = {words[0] for words in noises}, {words[2] for words in noises}
    return [_short(perturbation, len(kinds) > 1, len(protocols) > 1) for perturbation in perturbations]


def _short(perturbation: str, with_kind: bool, with_protocol: bool) -> str:
    if not is_noise(perturbation):
        return perturbation
    kind, level, protocol = perturbation.split()
    size = scientific(float(level))
    return " ".join(filter(None, [kind[0] if with_kind else "", size, protocol[:3] if with_protocol else ""]))


def _key(task: TaskKey) -> str:
    return f"{task.dataset}\0{task.task}"
