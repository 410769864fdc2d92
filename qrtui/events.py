"""What a run tells whoever watches it: small frozen facts, emitted on the runner's thread."""

from __future__ import annotations

from dataclasses import dataclass

from qrtui.judge.verdict import Verdict
from qrtui.perturb.dose import Dose
from qrtui.results.records import RunStatus


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened during a run."""


@dataclass(frozen=True, slots=True)
class Stage(Event):
    """What the runner is about to spend time on, in words: `loading smollm2-135m in nf4`."""

    text: str


@dataclass(frozen=True, slots=True)
class Fetching(Event):
    """A model on its way here: `done` of `total` bytes (None while unknown), or steps where `stage` is `convert`.

    `stage` is download, verify or convert.
    """

    model: str
    stage: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The run is planned and noted in the store.

    Of `total` results, `to_generate` need a completion that is still to be made; `known` are the others, made before or
    the same completion as another result's. `level` is the judge's isolation.
    """

    run: int
    name: str
    total: int
    known: int
    to_generate: int
    device: str
    level: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class ModelLoaded(Event):
    """A model is ready. `memory` is the measured size of its weights in bytes."""

    model: str
    precision: str
    device: str
    memory: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ConditionStarted(Event):
    """Completions of a condition (its id in the store) are being made; `dose` is that of their noise."""

    condition: int
    model: str
    precision: str
    perturbation: str
    dataset: str
    to_generate: int
    dose: Dose | None


@dataclass(frozen=True, slots=True)
class Decoding(Event):
    """A sign of life between completions: tokens made so far by this run, and the seconds spent on them."""

    tokens: int
    seconds: float
    active: int


@dataclass(frozen=True, slots=True)
class Generated(Event):
    """A completion is in the store. `done` of `to_generate` are made."""

    key: str
    tokens: int
    seconds: float
    done: int
    to_generate: int


@dataclass(frozen=True, slots=True)
class Judged(Event):
    """A result of the run has its verdict, new or known; `judged` of `total` have one. Committed before emitted."""

    condition: int
    task: str
    sample: int
    verdict: Verdict
    judged: int
    total: int


@dataclass(frozen=True, slots=True)
class Paused(Event):
    """The run waits, or goes on again."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something a person should know, that does not stop the run."""

    text: str


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """The run is over: finished, stopped (resumable) or failed, with the reason in words."""

    run: int | None
    status: RunStatus
    reason: str = ""
