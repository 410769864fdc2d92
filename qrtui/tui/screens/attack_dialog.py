"""A prompt attack's parameters, to be changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static

from qrtui.errors import PresetError
from qrtui.perturb.attack import Attack
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.naming import perturbation_name
from qrtui.tui.attack_fields import Field, attack_from, fields_of
from qrtui.tui.screens.dialogs import Dialog

Way = Literal["change", "add", "remove"]


class Changed(NamedTuple):
    """What is to be done with an attack's line, and the attack that the fields make."""

    way: Way
    attack: Attack


class AttackDialog(Dialog[Changed | None]):
    """The parameters of one kind of attack; Enter changes the line, Ctrl+N adds another variant; None on Escape.

    `given` is the attack whose line it is; None for a kind that has no defaults. `others` are those that it must not
    come to equal.
    """

    BINDINGS = [
        Binding("ctrl+n", "take('add')", show=False),
        Binding("ctrl+r", "take('remove')", show=False),
    ]

    def __init__(self, kind: str, given: Attack | None, others: Sequence[Attack], *, adding: bool = False) -> None:
        super().__init__()
        self._kind = kind
        self._given = given
        self._others = others
        self._adding = adding or given is None
        self._typed = {field.name: str(given.parameters()[field.name]) if given else "" for field in fields_of(kind)}

    def compose(self) -> ComposeResult:
        """What it does, a line for each parameter, what they make of it, and the buttons."""
        with Vertical(classes="dialog -question") as box:
            box.border_title = f"{'Another' if self._adding and self._given else 'The'} {self._kind} attack"
            box.border_subtitle = "Enter takes it   Ctrl+N adds a variant   Esc goes back"
            yield Label(_what_it_does(self._kind), classes="dialog-text", markup=False)
            for field in fields_of(self._kind):
                with Horizontal(classes="parameter"):
                    yield Label(field.title, classes="field")
                    yield self._entry(field)
                    yield Label("" if field.choices else field.allowed, classes="unit", markup=False)
            yield Static("", id="attack-says", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield from self._buttons()

    def _buttons(self) -> Iterator[Button]:
        if not self._adding:
            yield Button("Change", id="change", compact=True, variant="primary")
        yield Button("Add a variant" if self._given else "Add", id="add", compact=True)
        if self._given is not None and not self._adding:
            yield Button("Remove", id="remove", compact=True)
        yield Button("Back", id="back", compact=True)

    def _entry(self, field: Field) -> Widget:
        value = self._typed[field.name]
        if field.choices:
            return Select(
                [(word, word) for word in field.choices], value=value, name=field.name, compact=True, allow_blank=False
            )
        return Input(value, name=field.name, compact=True)

    def on_mount(self) -> None:
        """Say at once what is wrong."""
        self._say()

    @on(Input.Changed)
    def _is_typed(self, event: Input.Changed) -> None:
        self._typed[str(event.input.name)] = event.value
        self._say()

    @on(Select.Changed)
    def _is_chosen(self, event: Select.Changed) -> None:
        self._typed[str(event.select.name)] = str(event.value)
        self._say()

    def _say(self) -> None:
        says = self.query_one("#attack-says", Static)
        try:
            attack = self._attack("add" if self._adding else "change")
            says.update(Content.assemble(("tables call it: ", "$muted"), perturbation_name(attack.label)))
        except PresetError as error:
            words = [(error.problem, "$text-warning"), "  ", (error.way_out, "$muted")]
            says.update(Content.assemble(("! ", "bold $text-warning"), *words))

    def _attack(self, way: Way) -> Attack:
        """The attack that the fields make. Raises PresetError."""
        attack = attack_from(self._kind, self._typed)
        same = [other for other in self._others if way != "change" or other != self._given]
        if attack.label in [other.label for other in same] and way != "remove":
            raise PresetError(
                f"{perturbation_name(attack.label)} is in the list already", "give a parameter another value"
            )
        return attack

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_take("add" if self._adding else "change")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id in ("change", "add", "remove"):
            self.action_take(event.button.id)
        else:
            self.action_harmless()

    def action_take(self, way: Way) -> None:
        """Close with what the fields make; stay where they make nothing."""
        if way == "remove" and self._given is not None:
            self.dismiss(Changed("remove", self._given))
            return
        try:
            attack = self._attack(way)
        except PresetError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        self.dismiss(Changed(way, attack))


def _what_it_does(kind: str) -> str:
    """The first sentence of the attack's own description."""
    first = (ATTACKS[kind].__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(first.split())
