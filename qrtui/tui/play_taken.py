"""A turn taken along from the Playground: kept as a run, or as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qrtui.perturb.attack import AttackedPrompt
    from qrtui.playground.turn import Turn
    from qrtui.results.records import RunRecord
    from qrtui.results.store import Store
    from qrtui.tui.play_state import PlayState


def kept(store: Store, turn: Turn) -> RunRecord:
    """The run that the turn is kept as from now on. Raises StoreError for one that was not played to its end."""
    from qrtui.playground.keeping import keep

    return store.run(str(keep(store, turn)))


def prepared(store: Store, turn: Turn) -> tuple[AttackedPrompt | None, bool]:
    """The turn's prompt before and after its attack (None where that lacks data), and whether its end is known."""
    from qrtui.attacking import Attacker
    from qrtui.playground.keeping import is_known
    from qrtui.playground.turn import attacked

    changed = attacked(turn, Attacker(store, turn.seed))
    return changed, changed is not None and turn.baseline != turn.quantized and is_known(store, turn)


def as_markdown(play: PlayState) -> str:
    """The turn that is shown; empty where nothing was written yet."""
    from qrtui.playground.writing import Side, turn_markdown

    if play.turn is None or not any(side.written.text for side in play.sides):
        return ""
    parts = zip(play.turn.precisions, play.sides, strict=True)
    sides = [Side(precision, side.written, side.verdict) for precision, side in parts]
    return turn_markdown(play.turn, play.prompt, sides)
