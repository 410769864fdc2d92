"""What the screens know of the run under way: the engine's events, folded into one state."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Literal

from qrtui.counting import counted
from qrtui.events import (
    ConditionStarted,
    Decoding,
    Event,
    Fetching,
    Generated,
    Judged,
    ModelLoaded,
    Notice,
    Paused,
    RunEnded,
    RunStarted,
    Stage,
)
from qrtui.pace import Pace
from qrtui.perturb.naming import perturbation_name
from qrtui.tui.engine import EngineFailed
from qrtui.tui.wording import in_bytes, in_time

if TYPE_CHECKING:
    from qrtui.spec import Experiment

Phase = Literal["idle", "starting", "running", "paused", "stopping", "finished", "stopped", "interrupted", "failed"]

UNDER_WAY: tuple[Phase, ...] = ("starting", "running", "paused", "stopping")
_LOG_LINES = 500
_FETCH_STAGES = {"download": "fetching", "verify": "checking", "convert": "preparing"}


@dataclass
class RunState:
    """The run that the engine works on, or worked on last.

    `version` counts the changes, `results` those that a table shows; a screen compares them with what it drew.
    `stage` says in words what is being done; `seconds` is the clock of generating, pauses left out. `waiting` are the
    experiments that run when this one has finished.
    """

    phase: Phase = "idle"
    experiment: Experiment | None = None
    run: int | None = None
    device: str = ""
    level: str = ""
    total: int = 0
    known: int = 0
    judged: int = 0
    to_generate: int = 0
    generated: int = 0
    stage: str = ""
    fetched: tuple[int, int | None] | None = None
    conditions: set[int] = field(default_factory=set)
    tokens_per_second: float | None = None
    reason: str = ""
    waiting: deque[Experiment] = field(default_factory=deque)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=_LOG_LINES))
    logged: int = 0
    version: int = 0
    results: int = 0
    _seconds: float = 0.0
    _since: float | None = None
    _group_complete: bool = False
    _pace: Pace = field(default_factory=lambda: Pace(()))

    @property
    def under_way(self) -> bool:
        """Whether the engine is at it."""
        return self.phase in UNDER_WAY

    def begin(self, experiment: Experiment) -> None:
        """Forget the last run: a new one was handed to the engine."""
        kept = self.version, self.results, self.logged, self.waiting
        self.__init__(phase="starting", experiment=experiment)  # type: ignore[misc]
        self.version, self.results, self.logged, self.waiting = kept
        self.stage = "planning"
        self._changed(results=True)

    def wait(self, experiment: Experiment) -> None:
        """Another experiment is to run when this one has finished."""
        self.waiting.append(experiment)
        self._note(f"{experiment.name} waits")
        self._changed()

    def drop_waiting(self) -> str | None:
        """Let the last one that waits wait no more; returns its name."""
        if not self.waiting:
            return None
        experiment = self.waiting.pop()
        self._note(f"{experiment.name} waits no more")
        self._changed()
        return experiment.name

    def ask_to_stop(self) -> None:
        """The person wants the run to end."""
        self.phase = "stopping"
        self.stage = "stopping"
        self._changed()

    def remaining(self, now: float) -> float | None:
        """Seconds that generating will still take; None while that is not known."""
        if not self.under_way or self.run is None:
            return None
        return self._pace.left(self._spent(now))

    def summary(self, there: str = "") -> list[str]:
        """What to say of the last run on the terminal, once the app is closed: nothing where there was none.

        `there` is what commands must be given to find it.
        """
        if self.run is None:
            return [f"The run {self.phase}: {self.reason}"] if self.reason else []
        first = (
            f"Run {self.run} {'stopped' if self.under_way else self.phase}: {self.judged:,} of {self.total:,} judged."
        )
        go_on = "" if self.phase == "finished" else f"   go on: qrtui{there}, 5 History, r"
        return [first, f"See it: qrtui report {self.run}{there}{go_on}"]

    def _spent(self, now: float) -> float:
        return self._seconds + (now - self._since if self._since is not None else 0.0)

    def _changed(self, *, results: bool = False) -> None:
        self.version += 1
        self.results += results

    def _note(self, line: str) -> None:
        if not self.log or self.log[-1] != line:
            self.log.append(line)
            self.logged += 1

    def _clock(self, running: bool, now: float) -> None:
        self._seconds = self._spent(now)
        self._since = now if running else None

    @singledispatchmethod
    def fold(self, event: Event, now: float) -> None:
        """Take in an event that came at `now` (seconds of a monotonic clock)."""

    @fold.register
    def _(self, event: Stage, now: float) -> None:
        self.stage, self.fetched = event.text, None
        self._note(event.text)
        self._changed()

    @fold.register
    def _(self, event: Fetching, now: float) -> None:
        doing = _FETCH_STAGES.get(event.stage, event.stage)
        of = ""
        if event.stage == "convert" and event.total:
            of = f", step {min(event.done + 1, event.total)} of {event.total}"
        elif event.total:
            of = f" {in_bytes(event.done)} of {in_bytes(event.total)}"
        self.stage, self.fetched = f"{doing} {event.model}{of}", (event.done, event.total)
        self._changed()

    @fold.register
    def _(self, event: RunStarted, now: float) -> None:
        self.phase = "stopping" if self.phase == "stopping" else "running"
        self.run, self.device, self.level = event.run, event.device, event.level
        self.total, self.known, self.to_generate = event.total, event.known, event.to_generate
        self.fetched = None
        self._pace = Pace(event.ahead)
        begun = "goes on" if event.resumed else "begins"
        known = f", {event.known:,} known" if event.known else ""
        self._note(f"run {event.run} {begun}: {counted(event.total, 'completion')}{known}")
        self._changed(results=True)

    @fold.register
    def _(self, event: ModelLoaded, now: float) -> None:
        self._pace.fold(event, self._spent(now))
        self._note(
            f"loaded {event.model} in {event.precision} on {event.device}: "
            f"{in_bytes(event.memory)}, {in_time(event.seconds)}"
        )
        self._changed(results=True)

    @fold.register
    def _(self, event: ConditionStarted, now: float) -> None:
        if self._since is None:
            self._clock(True, now)
        self._pace.fold(event, self._spent(now))
        # The conditions that run on the same weights are announced in one go.
        if self._group_complete:
            self.conditions, self._group_complete = set(), False
        self.conditions.add(event.condition)
        self.fetched = None
        share = f", {event.dose.share:.0%} of the weights perturbed" if event.dose else ""
        self._note(f"{event.precision} {perturbation_name(event.perturbation)}: {event.to_generate} to generate{share}")
        self._changed(results=True)

    @fold.register
    def _(self, event: Decoding, now: float) -> None:
        self._group_complete = True
        self._pace.fold(event, self._spent(now))
        if event.seconds > 0:
            self.tokens_per_second = event.tokens / event.seconds
        self._changed()

    @fold.register
    def _(self, event: Generated, now: float) -> None:
        self._group_complete = True
        self._pace.fold(event, self._spent(now))
        self.generated, self.to_generate = event.done, event.to_generate
        self._changed(results=True)

    @fold.register
    def _(self, event: Judged, now: float) -> None:
        self.judged, self.total = event.judged, event.total
        self._changed(results=True)

    @fold.register
    def _(self, event: Paused, now: float) -> None:
        if self.phase != "stopping":
            self.phase = "paused" if event.paused else "running"
        if self._since is not None or self._seconds:
            self._clock(not event.paused, now)
        self._note("paused" if event.paused else "going on")
        self._changed()

    @fold.register
    def _(self, event: Notice, now: float) -> None:
        self._note(f"note: {event.text}")
        self._changed()

    @fold.register
    def _(self, event: RunEnded, now: float) -> None:
        self._end(event.status if event.status != "running" else "stopped", event.reason, now)
        self.run = event.run if event.run is not None else self.run

    @fold.register
    def _(self, event: EngineFailed, now: float) -> None:
        self._end("failed", event.reason, now)

    def _end(self, phase: Phase, reason: str, now: float) -> None:
        self._clock(False, now)
        self.phase, self.reason, self.conditions, self.fetched = phase, reason, set(), None
        took = f" after {in_time(self._seconds)}" if self._seconds else ""
        # Of a stopped run it says how to resume it on the command line: here there is a key for that.
        self.stage = f"{phase}{took}" + (f": {reason}" if reason and phase != "stopped" else "")
        self._note(self.stage)
        self._changed(results=True)
