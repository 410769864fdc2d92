"""What quantization costs without any perturbation, beside what the paper reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

import msgspec

from qrtui.counting import counted
from qrtui.results.merged import Cell, precision_place
from qrtui.results.published import published


class CleanLoss(msgspec.Struct, frozen=True):
    """The mean clean loss of a precision over `cells` models and data sets, and the paper's (None without one)."""

    precision: str
    cells: int
    mean: float
    published: float | None


def clean_losses(cells: Iterable[Cell]) -> list[CleanLoss]:
    """For each quantized precision the mean share of the original's clean pass@1 that is lost, Eq. 1's way.

    Negative where quantization helped. Counted are models and data sets of which both sides judged as many tasks and
    the original passed any.
    """
    losses: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        loss = None if cell.is_original else _loss(cell)
        if loss is not None:
            losses[cell.condition.precision].append(loss)
    known = published().clean_loss.by_precision
    return [
        CleanLoss(name, len(losses[name]), fmean(losses[name]), known.get(name))
        for name in sorted(losses, key=precision_place)
    ]


def in_words(loss: CleanLoss) -> str:
    """The loss as a sentence, beside the paper's."""
    beside = f" (the paper: {percent(loss.published)})" if loss.published is not None else ""
    over = counted(loss.cells, "model and data set", "models and data sets")
    return (
        f"Mean clean loss of {loss.precision}, as a share of the original's pass@1: {percent(loss.mean)}{beside}, over"
        f" {over}."
    )


def percent(share: float) -> str:
    """A share as the paper prints it: `51.59 %`."""
    return f"{100 * share:.2f} %"


def _loss(cell: Cell) -> float | None:
    own = cell.condition
    if own.perturbation != "clean":
        return None
    for other in cell.part.report.conditions:
        if (other.model, other.dataset, other.perturbation) == (own.model, own.dataset, "clean"):
            comparable = other.precision == cell.original and other.n == own.n
            if comparable and other.pass_at_1 and own.pass_at_1 is not None:
                return (other.pass_at_1 - own.pass_at_1) / other.pass_at_1
    return None
