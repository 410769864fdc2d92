"""The Playground's prompt, to be typed or pasted, and beside it what an attack makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import TextArea

from qrtui.perturb.naming import perturbation_name
from qrtui.tui.widgets.attacked_prompt import AttackedPane

if TYPE_CHECKING:
    from qrtui.perturb.attack import AttackedPrompt
    from qrtui.tui.play_choice import PlayChoice


class PlayPrompts(Horizontal):
    """Shows a `PlayChoice`'s prompt. What is typed is told by the text area's own `Changed`."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._area = TextArea(
            id="play-text", compact=True, placeholder="Type or paste a prompt", highlight_cursor_line=False
        )

    def compose(self) -> ComposeResult:
        """The prompt left, the attacked one right."""
        with Vertical(id="play-prompt", classes="panel"):
            yield self._area
        yield AttackedPane("play-attacked")

    @property
    def text(self) -> str:
        """The prompt as it stands there."""
        return self._area.text

    def put(self, text: str) -> None:
        """Put another prompt there, which nobody typed."""
        with self.prevent(TextArea.Changed):
            self._area.text = text

    def edit(self) -> None:
        """Let one type."""
        self._area.focus()

    def show(self, choice: PlayChoice) -> None:
        """Name what is chosen."""
        self.query_one("#play-prompt").border_title = choice.prompt_title()

    def show_attacked(self, choice: PlayChoice, changed: AttackedPrompt | None, problem: str) -> None:
        """The prompt as the models get it where an attack is chosen: None and no problem where that lacks data."""
        attack = choice.attack()
        if attack is not None:
            name = f"{choice.short_name()}, {perturbation_name(attack.label)}"
            self.query_one(AttackedPane).show(name, choice.seed, changed, problem)
