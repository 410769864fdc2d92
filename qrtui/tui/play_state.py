"""What the Playground's screen knows of the turn under way: the engine's events, folded into one state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from qrtui.events import (
    Event,
    ModelsHeld,
    SideJudged,
    Streamed,
    TurnEnded,
    TurnStage,
    TurnStarted,
    Written,
)

if TYPE_CHECKING:
    from qrtui.judge.verdict import Verdict
    from qrtui.playground.turn import Turn

Phase = Literal["idle", "playing", "stopping", "finished", "stopped", "failed"]


@dataclass
class Side:
    """What one of the two wrote, and its verdict once there is one."""

    written: Written = field(default_factory=Written)
    verdict: Verdict | None = None


@dataclass
class PlayState:
    """The turn that is being played, or was played last. `version` counts the changes.

    `turn` is None until there was one, `prompt` is what both models get. `judged` tells whether there are tests for it,
    `kept` the run it was kept as. `held` names the models that are in memory, `stage` says what the engine is at,
    `reason` why a turn failed, or why no model is in memory any more.
    """

    phase: Phase = "idle"
    number: int | None = None
    turn: Turn | None = None
    prompt: str = ""
    judged: bool = True
    original: Side = field(default_factory=Side)
    quantized: Side = field(default_factory=Side)
    stage: str = ""
    reason: str = ""
    held: tuple[str, ...] = ()
    memory: int = 0
    kept: int | None = None
    version: int = 0

    @property
    def under_way(self) -> bool:
        """Whether a turn is being played."""
        return self.phase in ("playing", "stopping")

    @property
    def sides(self) -> tuple[Side, Side]:
        """The original, then the quantized model."""
        return self.original, self.quantized

    def begin(self, number: int, turn: Turn) -> None:
        """A turn was handed to the engine."""
        self.phase, self.number, self.turn = "playing", number, turn
        self.original, self.quantized = Side(), Side()
        self.prompt, self.judged, self.stage, self.reason, self.kept = turn.prompt, True, "starting", "", None
        self.version += 1

    def ask_to_stop(self) -> None:
        """The person wants the turn to end."""
        if self.under_way:
            self.phase, self.stage = "stopping", "stopping"
            self.version += 1

    def keep(self, run: int) -> None:
        """The turn is in the store, as this run."""
        self.kept = run
        self.version += 1

    def fold(self, event: Event) -> None:
        """Take in an event; those of a run, and of a turn that another has taken the place of, change nothing."""
        match event:
            case ModelsHeld(names, memory, reason):
                self.held, self.memory = names, memory
                self.stage = self.stage if self.under_way else ""
                self.reason = reason or self.reason
            case TurnStage(None, text) if not self.under_way:
                self.stage, self.reason = text, ""
            case (
                TurnStage(turn=number)
                | TurnStarted(turn=number)
                | Streamed(turn=number)
                | SideJudged(turn=number)
                | TurnEnded(turn=number)
            ) if number == self.number:
                self._fold_own(event)
            case _:
                return
        self.version += 1

    def _fold_own(self, event: Event) -> None:
        match event:
            case TurnStage(_, text):
                self.stage = text
            case TurnStarted(_, prompt, judged):
                self.prompt, self.judged = prompt, judged
            case Streamed(_, original, quantized):
                self.original.written, self.quantized.written = original, quantized
                self.stage = ""
            case SideJudged(_, is_original, verdict):
                (self.original if is_original else self.quantized).verdict = verdict
            case TurnEnded(_, status, reason):
                self.phase = "finished" if status == "finished" else "failed" if status == "failed" else "stopped"
                self.stage, self.reason = "", reason
