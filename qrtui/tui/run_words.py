"""What the Run room says: of the stage, the time that is left, what waits, and how strong a perturbation is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qrtui.perturb.naming import perturbation_name
from qrtui.tui.run_state import RunState
from qrtui.tui.wording import in_time

if TYPE_CHECKING:
    from qrtui.results.strengths import AttackStrength
    from qrtui.results.table import Row


def stage_in_words(state: RunState) -> str:
    """What the engine is doing: `generating with smollm2-135m in nf4, 74 tok/s`."""
    if state.phase == "paused":
        return f"paused while {state.stage}; p goes on"
    rate = f", {state.tokens_per_second:.0f} tok/s" if state.tokens_per_second and state.phase == "running" else ""
    words = state.stage + (rate if state.stage.startswith("generating") else "")
    if state.phase in ("stopped", "interrupted"):
        return f"{words}   r resumes it"
    return words if state.under_way else f"{words}   3 compares, r runs it again"


def waiting_in_words(state: RunState) -> str:
    """Which experiments wait for the run under way: `then equal-dose, demo; d drops demo`."""
    names = [experiment.name for experiment in state.waiting]
    if not names:
        return ""
    start = "" if state.under_way else "; w starts it"
    return f"{'then' if state.under_way else 'waiting:'} {', '.join(names)}{start}; d drops {names[-1]}"


def progress_in_words(state: RunState, now: float) -> tuple[float | None, str]:
    """The share of a run's results that are judged, and the words beside the bar."""
    if state.fetched is not None and state.fetched[1]:
        return state.fetched[0] / state.fetched[1], f"{state.fetched[0] / state.fetched[1]:.0%}"
    if not state.total:
        return None, ""
    words = f"{state.judged:,} of {state.total:,}"
    left = state.remaining(now)
    if state.under_way and left is not None and state.phase != "stopping":
        words += f"   {'less than a minute' if left < 60 else 'about ' + in_time(left)} left"
    return state.judged / state.total, words


def reach_in_words(rows: Sequence[Row]) -> str:
    """Which share of the weights the noise reached, for each precision: the doses are not equal."""
    precisions: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.condition.weights_perturbed:
            precisions.setdefault(f"{row.condition.weights_perturbed:.0%}", {})[row.condition.precision] = None
    reached = [f"{share} of {' and '.join(names)}" for share, names in precisions.items()]
    return f" on {', '.join(reached)}" if reached else ""


def strength_in_words(row: Row, attacks: Sequence[AttackStrength]) -> str:
    """How strong the row's perturbation was: the dose of its noise, or what its attack changed; nothing for clean."""
    condition = row.condition
    if condition.dose is not None:
        return f"{condition.precision} {condition.perturbation}: {condition.dose.in_words}"
    for attack in attacks:
        if (attack.dataset, attack.perturbation) == (condition.dataset, condition.perturbation):
            return f"{perturbation_name(condition.perturbation)}: {attack.in_words}"
    return ""
