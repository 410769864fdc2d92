"""What a tall screen says of a plan: its completions in a table, and an attack shown on one of its prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from qrtui.perturb.attack import Attack
from qrtui.perturb.naming import perturbation_name
from qrtui.tui.widgets.panel import Panel

if TYPE_CHECKING:
    from qrtui.plan import Plan

_NOT_YET = "not here yet:"


class PlanPanel(Panel):
    """How many completions each perturbation needs."""

    def __init__(self) -> None:
        super().__init__("Completions", id="plan-panel")

    def compose(self) -> ComposeResult:
        """A table in text."""
        with VerticalScroll(can_focus=False):
            yield Static("", id="plan-table", markup=False)


class ExamplePanel(Panel):
    """What an attack does to a prompt."""

    def __init__(self) -> None:
        super().__init__("Example", id="example-panel")

    def compose(self) -> ComposeResult:
        """The prompt."""
        with VerticalScroll(can_focus=False):
            yield Static("", id="example", markup=False)

    def show(self, title: str, words: Content) -> None:
        """Show a prompt, or why there is none."""
        self.border_title = title
        for text in self.query(Static):
            text.update(words)


def example_of(plan: Plan | None, attack: object) -> tuple[str, Content]:
    """A title, and the first prompt that the attack changes with the changes marked, or why it cannot be shown."""
    if not isinstance(attack, Attack):
        return "Example", Content.styled("Go to an attack to see what it does to a prompt.", "$muted")
    title = f"Example: {perturbation_name(attack.label)}"
    if plan is None:
        return title, Content("")
    clean, attacked = (_prompts(plan, perturbation) for perturbation in ("clean", attack.label))
    if not clean or not attacked:
        return title, Content.styled("Tick it to see what it does to a prompt.", "$muted")
    task = next((task for task in clean if clean[task] != attacked[task]), next(iter(clean)))
    before, after = clean[task], attacked[task]
    if after.startswith(_NOT_YET) or before.startswith(_NOT_YET):
        return title, Content.styled("Shown when what it works with is here.", "$muted")
    from qrtui.tui.widgets.diff import marked

    return f"{title} on {task}", marked(before.strip(), after.strip())


def _prompts(plan: Plan, perturbation: str) -> dict[str, str]:
    """The prompts of the first condition under a perturbation, by task."""
    for condition in plan.conditions:
        if condition.perturbation == perturbation:
            return {result.task: result.prompt for result in condition.results}
    return {}
