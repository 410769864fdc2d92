"""A prompt with its changes marked, and below it the original's and the quantized model's completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message

from qrtui.perturb.naming import perturbation_name
from qrtui.tui.case_shown import ShownCase, program
from qrtui.tui.comparison import CLEAN
from qrtui.tui.widgets.completion_pane import SideBySide
from qrtui.tui.widgets.diff import marked
from qrtui.tui.widgets.prompt_panel import PromptPanel
from qrtui.tui.widgets.steady import SteadyHorizontal, SteadyVertical, set_class_for
from qrtui.tui.widgets.verdict_badge import VerdictBadge
from qrtui.tui.wording import without_common_protocol

if TYPE_CHECKING:
    from qrtui.results.records import Case


class CaseView(SteadyVertical):
    """One row of the 2 x 2: a perturbation's prompt and both completions."""

    class Entered(Message):
        """The person looks at this one."""

        def __init__(self, view: CaseView) -> None:
            super().__init__()
            self.view = view

    def compose(self) -> ComposeResult:
        """The prompt above, the programs below."""
        yield PromptPanel(id="prompt-panel")
        with SteadyVertical(id="pair", classes="panel"):
            with SteadyHorizontal(id="badges"):
                yield VerdictBadge(id="original", markup=False)
                yield VerdictBadge(id="quantized", markup=False)
            yield SideBySide(id="programs")

    @property
    def programs(self) -> SideBySide:
        """Both programs."""
        return self.query_one(SideBySide)

    def frame(self, framed: bool) -> None:
        """Draw one frame around all of it, as in the 2 x 2, or one around the prompt and one around the programs."""
        parts = [self.query_one(part) for part in ("#prompt-panel", "#pair", "#badges", "#programs")]
        set_class_for(self, framed, "-four", self, *parts)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Something in here has the keys."""
        self.post_message(self.Entered(self))

    def on_focus(self) -> None:
        """This has the keys."""
        self.post_message(self.Entered(self))

    def show(self, shown: ShownCase | None, perturbation: str, sample: int, *, raw: bool) -> None:
        """Show a case under a perturbation, or nothing."""
        # Without a task there is nothing to say of one, least of all that it was not generated.
        self.query_one("#pair").display = shown is not None
        if shown is None:
            self.query_one(PromptPanel).show("Prompt", Content(""))
            return
        original, quantized = shown.both(perturbation, sample)
        self._show_badges(shown, perturbation, original, quantized)
        self.programs.show(program(original, raw=raw), program(quantized, raw=raw))
        pair = self.query_one("#pair")
        named = perturbation_name(perturbation)
        pair.border_title = f"{shown.task.task}, {named}: {shown.baseline} beside {shown.pair.quantized}"
        pair.border_subtitle = "text as generated" if raw else "program as judged"
        self._show_prompt_of(shown, perturbation)

    def _show_badges(self, shown: ShownCase, perturbation: str, original: Case | None, quantized: Case | None) -> None:
        sides = (
            ("#original", original, shown.baseline, "original"),
            ("#quantized", quantized, shown.pair.quantized, "quantized"),
        )
        for place, case, precision, kind in sides:
            badge = self.query_one(place, VerdictBadge)
            badge.show(case, f"{precision} {kind}", shown.samples(precision, perturbation))

    def _show_prompt_of(self, shown: ShownCase, perturbation: str) -> None:
        clean, prompt = shown.prompt(CLEAN), shown.prompt(perturbation)
        changed = shown.what_changed(perturbation)
        short = without_common_protocol([perturbation])[0][perturbation]
        same = changed.startswith("unchanged")
        set_class_for(self, same, "-same-prompt", self.query_one(PromptPanel))
        self.border_title = f"{short}: prompt {changed}" if same else f"{short} prompt: {changed}"
        if not changed:
            self.border_title = "clean prompt"
        about = f", {short}: {changed}" if changed else ""
        text = Content("") if prompt is None else marked(clean if clean is not None else prompt, prompt)
        self.query_one(PromptPanel).show(f"{shown.task.task}: prompt{about}", text)
