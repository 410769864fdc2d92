"""What the original and the quantized model write in the Playground, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal

from qrtui.perturb.naming import perturbation_name
from qrtui.tui.play_wording import (
    differing_lines,
    former_in_words,
    side_in_words,
    status_in_words,
    turn_in_words,
)
from qrtui.tui.widgets.stream_pane import Shown, StreamPane

if TYPE_CHECKING:
    from qrtui.tui.play_choice import PlayChoice
    from qrtui.tui.play_state import PlayState

_NAMES = ("original", "quantized")


class PlaySides(Horizontal):
    """Shows the turn that is played or was played last; until there is one, what is chosen.

    A turn that is not what is chosen now is dimmed, says so, and names its task.
    """

    def compose(self) -> ComposeResult:
        """Both sides."""
        for name in _NAMES:
            yield StreamPane(f"side-{name}")

    def take_keys(self) -> None:
        """Give the keys to the original's text."""
        self.query_one("#side-original .stream-body").focus()

    def show(self, play: PlayState, choice: PlayChoice) -> None:
        """Show how far both sides are."""
        chosen = choice.turn()
        turn = play.turn or chosen
        differing = differing_lines(play)
        precisions = turn.precisions if turn else (choice.baseline, choice.quantized)
        former = former_in_words(play.turn, chosen)
        of = ""
        if play.turn:
            of = f": {turn_in_words(play.turn) if former else perturbation_name(play.turn.perturbation.label)}"
        for at, (name, side) in enumerate(zip(_NAMES, play.sides, strict=True)):
            says, status = side_in_words(play, side, chosen is not None), status_in_words(side, turn)
            title = f"{precisions[at]} {name}{of}"
            shown = Shown(title, side.written, side.verdict, status, says, differing[at], former)
            self.query_one(f"#side-{name}", StreamPane).show(shown)
