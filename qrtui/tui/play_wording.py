"""What the Playground says: of a side that has no verdict, of both verdicts together, and of what can be done next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from qrtui.perturb.naming import perturbation_name
from qrtui.tui.wording import in_bytes

if TYPE_CHECKING:
    from qrtui.playground.turn import Turn
    from qrtui.tui.play_state import PlayState, Side

NO_PROMPT = "There is no prompt yet: t picks a task, e types or pastes one of your own."
RUN_UNDER_WAY = "A run is under way and has the engine: wait, or stop it (2, then x). It can be resumed later."
_WAITING = "s puts the prompt to both models; what they write appears here while they write it."


def status_in_words(side: Side, turn: Turn | None) -> str:
    """The status that decides whether a side passed; empty while it is not judged."""
    from qrtui.playground.writing import status_of

    return status_of(side.verdict, turn.task.dataset) if side.verdict and turn else ""


def side_in_words(play: PlayState, side: Side, has_prompt: bool) -> str:
    """What a side is at, while it has no verdict."""
    if play.turn is None:
        return _WAITING if has_prompt else NO_PROMPT
    if side.written.finish is None:
        return ("writing" if side.written.text else "waiting") if play.under_way else "stopped"
    if not play.judged:
        return "not judged: the prompt has no tests (assert lines would be)"
    return "judging" if play.under_way else "not judged"


def former_in_words(played: Turn | None, chosen: Turn | None) -> str:
    """That what was played is not what is chosen now; empty where it is."""
    if played is None or played == chosen:
        return ""
    return "of the former choice" if chosen and _asks(played) == _asks(chosen) else "not of the prompt above"


def _asks(turn: Turn) -> tuple[object, ...]:
    attack = turn.perturbation.attack
    return turn.task, turn.prompt, attack, turn.seed if attack else None


def turn_in_words(turn: Turn) -> str:
    """A turn's task and perturbation: `HumanEval/1, edited, char`."""
    from qrtui.playground.own_task import is_own

    name = "your own prompt" if is_own(turn.task) else turn.task.task_id
    return ", ".join([name, *(["edited"] if turn.is_edited else []), perturbation_name(turn.perturbation.label)])


def state_in_words(play: PlayState, turn: Turn | None, *, engine_runs: bool, editing: bool) -> Content:
    """One line: what is going on, else what came out, else what can be done."""
    if engine_runs:
        return Content.styled(RUN_UNDER_WAY, "$text-warning")
    if play.under_way:
        return Content(f"{play.stage or 'writing'} …   x stops")
    if editing:
        return Content("Esc leaves the prompt   Ctrl+R starts")
    if play.phase == "failed" and (turn is None or turn == play.turn):
        return Content.styled(play.reason, "$text-error")
    if play.stage:
        return Content(f"{play.stage} …")
    if turn is None:
        return Content(NO_PROMPT)
    if play.turn is not None and turn != play.turn:
        return Content("The choice has changed: s starts it.")
    if play.kept is not None:
        return Content(f"Kept as run {play.kept}: 3 opens it in Compare, 5 lists it in History.")
    if play.phase == "finished":
        return Content(f"{outcome_in_words(play, turn)}   w keeps it   r rerolls   a next attack")
    return Content(" ".join(filter(None, [_models_in_words(play), "s starts."])))


def outcome_in_words(play: PlayState, turn: Turn) -> str:
    """What the two verdicts say together."""
    original, quantized = (status_in_words(side, turn) for side in play.sides)
    if not original or not quantized:
        same = play.original.written.text == play.quantized.written.text
        return "Both wrote the same." if same else "Both have ended."
    if (original == "passed") == (quantized == "passed"):
        return "Both pass." if original == "passed" else "Both fail."
    return f"They diverge: only the {'original' if original == 'passed' else 'quantized'} passes."


def _models_in_words(play: PlayState) -> str:
    """Which models are in memory: `smollm2-135m in fp32 and int8 loaded, 758 MB.`"""
    if not play.held:
        return f"No model is loaded: {play.reason}." if play.reason else ""
    first, *others = play.held
    model = first.rpartition(" in ")[0]
    names = [first, *(name.removeprefix(f"{model} in ") for name in others)]
    return f"{' and '.join(names)} loaded, {in_bytes(play.memory)}."


def differing_lines(play: PlayState) -> tuple[frozenset[int], frozenset[int]]:
    """The lines of each side that the other does not have in that place; none before both have ended."""
    from qrtui.results.differences import paired_lines

    ours, theirs = (side.written.text.splitlines() for side in play.sides)
    if play.phase != "finished" or not ours or not theirs:
        return frozenset(), frozenset()
    pairs = [pair for pair in paired_lines(ours, theirs) if not pair.same]
    return (
        frozenset(pair.left for pair in pairs if pair.left is not None),
        frozenset(pair.right for pair in pairs if pair.right is not None),
    )
