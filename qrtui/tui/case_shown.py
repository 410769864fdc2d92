"""One task's case as the Compare room shows it: which completion stands where, and what is said above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qrtui.counting import counted
from qrtui.printable import printable
from qrtui.results.differences import changed_words
from qrtui.tui.comparison import CLEAN, Cell, Comparison, Pair, TaskKey
from qrtui.tui.widgets.diff import side_by_side

if TYPE_CHECKING:
    from qrtui.results.records import Case
    from qrtui.results.store import Store


@dataclass(frozen=True)
class ShownCase:
    """Original and quantized, clean and perturbed: what the run holds of one task for one pair, all samples."""

    task: TaskKey
    pair: Pair
    baseline: str
    cases: tuple[Case, ...]

    def samples(self, precision: str, perturbation: str) -> list[Case]:
        """All samples of one of the four, the first one first."""
        wanted = (precision, perturbation)
        return [case for case in self.cases if (case.condition.precision, case.condition.perturbation) == wanted]

    def case(self, precision: str, perturbation: str, sample: int) -> Case | None:
        """One completion."""
        found = self.samples(precision, perturbation)
        return found[min(sample, len(found) - 1)] if found else None

    def both(self, perturbation: str, sample: int) -> tuple[Case | None, Case | None]:
        """The original's and the quantized model's completion."""
        return self.case(self.baseline, perturbation, sample), self.case(self.pair.quantized, perturbation, sample)

    @property
    def sample_count(self) -> int:
        """How many completions there are of each of the four."""
        return max((case.sample + 1 for case in self.cases), default=1)

    def prompt(self, perturbation: str) -> str | None:
        """The prompt as it was under a perturbation."""
        found = self.case(self.baseline, perturbation, 0) or self.case(self.pair.quantized, perturbation, 0)
        return found.prompt.strip("\n") if found else None

    def what_changed(self, perturbation: str) -> str:
        """In words what a perturbation did: to the prompt, or to the weights."""
        case = self.case(self.baseline, perturbation, 0)
        if perturbation == CLEAN or case is None:
            return ""
        clean, prompt = self.prompt(CLEAN), self.prompt(perturbation)
        if clean is None or prompt is None:
            return ""
        if prompt != clean:
            words = sum(max(len(a.split()), len(b.split())) for a, b in changed_words(clean, prompt))
            return f"{counted(words, 'word')} changed" if words else "changed in blanks only"
        quantized = self.case(self.pair.quantized, perturbation, 0)
        doses = [side.condition.dose for side in (case, quantized) if side and side.condition.dose]
        return f"unchanged; {doses[-1].in_words}" if doses else "unchanged"


def read_case(
    store: Store, comparison: Comparison, pair: Pair, task: TaskKey, *, sample: int, raw: bool, ansi: bool
) -> ShownCase:
    """A task's case from the store; its programs are compared here, not where keys are waited for."""
    from qrtui.results.columns import read_cases

    cases = read_cases(store, comparison.sides(pair, task.dataset), task.task)
    shown = ShownCase(task, pair, comparison.baselines.get(pair.model, ""), tuple(cases))
    for perturbation in (pair.perturbation, CLEAN):
        side_by_side(*(program(case, raw=raw) for case in shown.both(perturbation, sample)), ansi)
    return shown


def program(case: Case | None, *, raw: bool) -> str:
    """What is shown of a completion: the program as judged, or the text as generated."""
    return "" if case is None else printable((case.text if raw else case.solution) or "")


def story(name: str, clean: Cell, perturbed: Cell) -> str:
    """What a perturbation did to one side, such as `fp32 lost it: ✓ → ✗`; nothing while that is not known."""
    if not clean.judged or not perturbed.judged:
        return ""
    before, after = clean.passes * perturbed.judged, perturbed.passes * clean.judged
    verb = "lost it" if after < before else "gained it" if after > before else "kept it" if before else "failed both"
    return f"{name} {verb}: {_score(clean)} → {_score(perturbed)}"


def _score(cell: Cell) -> str:
    if cell.samples > 1:
        return f"{cell.passes}/{cell.judged}"
    return "✓" if cell.passed else "✗"


def stories(comparison: Comparison, pair: Pair, task: TaskKey) -> Sequence[str]:
    """The story of the original and that of the quantized model."""
    precisions = (comparison.baselines.get(pair.model, ""), pair.quantized)
    cells = [
        [comparison.cell(task, pair.model, precision, perturbation) for perturbation in (CLEAN, pair.perturbation)]
        for precision in precisions
    ]
    return [story(precision, *both) for precision, both in zip(precisions, cells, strict=True)]
