"""The line that says what a choice costs, or why it cannot be run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from qrtui.counting import counted
from qrtui.models.device import main_memory
from qrtui.perturb.naming import perturbation_name
from qrtui.tui.wording import in_bytes, in_time

if TYPE_CHECKING:
    from qrtui.errors import QrtuiError
    from qrtui.plan import Plan


class CostLine(Static):
    """`1 model, 9 conditions x 20 tasks: 180 completions, 60 known, about 4 min, 538 MB`."""

    def show(
        self, plan: Plan, models: int, to_fetch: int, room: int | None = None, own_code: Iterable[str] = ()
    ) -> None:
        """Say a plan in numbers; `to_fetch` bytes of models are not here yet, `room` is the device's memory.

        The models of `own_code` are named before that: code of theirs would run.
        """
        warnings = [Content.styled(f"! {name} runs code of its own  ", "bold $text-warning") for name in own_code]
        self.update(Content("").join([*warnings, Content(plan_in_words(plan, models, to_fetch, room))]))

    def working(self) -> None:
        """A new plan is being made; the old words stay, dimmed, so that the line does not flicker."""
        self.update(Content.styled(str(self.content), "$muted") if str(self.content) else "planning …")

    def impossible(self, error: QrtuiError) -> None:
        """Say why the choice cannot be run, and the way out."""
        self.update(
            Content.assemble(
                ("! ", "bold $text-warning"), (error.problem, "$text-warning"), "  ", (error.way_out, "$muted")
            )
        )


def plan_in_words(plan: Plan, models: int, to_fetch: int = 0, room: int | None = None) -> str:
    """What a plan costs, on one line."""
    sizes = {len(condition.results) for condition in plan.conditions}
    tasks = f" × {counted(sizes.pop(), 'task')}" if len(sizes) == 1 else ""
    parts = [counted(plan.total, "completion"), f"{plan.known:,} known" if plan.known else "none known"]
    if plan.to_generate:
        parts += [f"about {in_time(plan.seconds)}" if plan.seconds else "time unknown"]
    else:
        parts += ["nothing to generate"]
    if plan.memory:
        room = main_memory() if plan.device == "cpu" else room
        parts.append(
            in_bytes(plan.memory) + (f" (too much: {in_bytes(room)} here)" if room and plan.memory > room else "")
        )
    if to_fetch:
        parts.append(f"{in_bytes(to_fetch)} to fetch first")
    if plan.first:
        parts.append("first " + ", ".join(plan.first))
    return f"{counted(models, 'model')}, {counted(len(plan.conditions), 'condition')}{tasks}: {', '.join(parts)}"


def plan_as_table(plan: Plan) -> Content:
    """How many completions each perturbation needs in each precision."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for condition in plan.conditions:
        counts[condition.perturbation, condition.precision] += len(condition.results)
    perturbations, precisions = (list(dict.fromkeys(names)) for names in zip(*counts, strict=True))
    names = list(map(perturbation_name, perturbations))
    width = max(map(len, names)) + 2
    head = Content.styled(" " * width + "".join(f"{precision:>8}" for precision in precisions), "$muted")
    lines = [
        f"{name:{width}}" + "".join(f"{counts[perturbation, precision]:>8,}" for precision in precisions)
        for name, perturbation in zip(names, perturbations, strict=True)
    ]
    return Content("\n").join([head, *map(Content, lines)])
