"""The Playground's row of choices: model, precisions, perturbation and its seed, how many tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label, Select, Static

from qrtui.models.precisions import PRECISIONS

if TYPE_CHECKING:
    from qrtui.tui.play_choice import PlayChoice


class PlayChoices(Horizontal):
    """Shows a `PlayChoice`, and writes into it what is chosen."""

    class Changed(Message):
        """Something else was chosen. `loads` tells whether it takes other models."""

        def __init__(self, loads: bool) -> None:
            super().__init__()
            self.loads = loads

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._choice: PlayChoice | None = None

    def compose(self) -> ComposeResult:
        """Narrow screens leave the labels out."""
        yield Select[str]([], id="play-model", compact=True)
        for id, label in (("play-baseline", "original"), ("play-quantized", "quantized")):
            yield Label(label, classes="field")
            yield Select([(name, name) for name in PRECISIONS], id=id, compact=True, allow_blank=False)
        yield Select[str]([], id="play-perturbation", compact=True)
        yield Static(id="play-seed", markup=False)
        yield Label("tokens", classes="field")
        yield Input(id="play-tokens", compact=True, restrict=r"\d{0,5}", select_on_focus=True)

    def fill(self, choice: PlayChoice) -> None:
        """Show a choice, and change it from now on."""
        self._choice = choice
        with self.prevent(Select.Changed, Input.Changed):
            self._offer("#play-model", [(name.rpartition("/")[2], name) for name in choice.models], choice.model)
            self._offer("#play-perturbation", choice.perturbation_options(), choice.perturbation)
            self.query_one("#play-baseline", Select).value = choice.baseline
            self.query_one("#play-quantized", Select).value = choice.quantized
            self.query_one("#play-tokens", Input).value = str(choice.max_new_tokens)
        self.show_perturbation()

    def show_perturbation(self) -> None:
        """Show which perturbation and seed the choice has now."""
        if self._choice is None:
            return
        with self.prevent(Select.Changed):
            self.query_one("#play-perturbation", Select).value = self._choice.perturbation
        self.query_one("#play-seed", Static).update(f"seed {self._choice.seed}" if self._choice.is_perturbed else "")

    def next_quantized(self) -> None:
        """Take the next precision for the quantized side."""
        if self._choice is not None:
            names = [name for name in PRECISIONS if name != self._choice.baseline]
            at = names.index(self._choice.quantized) if self._choice.quantized in names else -1
            self.query_one("#play-quantized", Select).value = names[(at + 1) % len(names)]

    def _offer(self, selector: str, options: Iterable[tuple[str, str]], value: str) -> None:
        select = self.query_one(selector, Select)
        select.set_options(options)
        select.value = value

    @on(Select.Changed)
    @on(Input.Changed)
    def _selected(self, event: Message) -> None:
        event.stop()
        choice = self._choice
        if choice is None:
            return
        before = choice.needed()
        choice.model = self._value("#play-model", choice.model)
        choice.baseline = self._value("#play-baseline", choice.baseline)
        choice.quantized = self._value("#play-quantized", choice.quantized)
        choice.perturb(self._value("#play-perturbation", choice.perturbation))
        choice.max_new_tokens = int(self.query_one("#play-tokens", Input).value or 0) or 1
        self.show_perturbation()
        self.post_message(self.Changed(choice.needed() != before))

    def _value(self, selector: str, otherwise: str) -> str:
        value = self.query_one(selector, Select).value
        return otherwise if value is Select.NULL else str(value)
