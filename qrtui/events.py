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
class Ahead:
    """Completions to make on the same weights, and what the plan expects of them.

    `seconds` is for all that is decoded, None where nobody knows; `tokens` is the length of one. `beside` are known
    ones that are decoded again to keep the others company, where completions depend on their batch.
    """

    model: str
    precision: str
    completions: int
    seconds: float | None
    tokens: float = 1.0
    beside: int = 0


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The run is planned and noted in the store.

    Of `total` results, `to_generate` need a completion that is still to be made; `known` are the others, made before or
    the same completion as another result's. `level` is the judge's isolation; `ahead` is what will be generated, in its
    order.
    """

    run: int
    name: str
    total: int
    known: int
    to_generate: int
    device: str
    level: str
    resumed: bool
    ahead: tuple[Ahead, ...] = ()


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
    """The run is over: finished, stopped, interrupted (both resumable) or failed, with the reason in words."""

    run: int | None
    status: RunStatus
    reason: str = ""


# The Playground's. `turn` is the number under which its turn was asked for.


@dataclass(frozen=True, slots=True)
class Written:
    """What one side has written so far.

    `seconds` is the time this side's own steps took, reading the prompt included and loading left out; `first_token`
    the part of it until the first token, None where that is not known. `finish` is stop, length or nan at the end,
    None before. `known` tells of a completion that was made earlier.
    """

    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    first_token: float | None = None
    finish: str | None = None
    known: bool = False


@dataclass(frozen=True, slots=True)
class TurnStage(Event):
    """What the Playground is about to spend time on, in words. `turn` is None where nobody asked for a turn yet."""

    turn: int | None
    text: str


@dataclass(frozen=True, slots=True)
class TurnStarted(Event):
    """The prompt that both models get. `judged` tells whether there are tests to judge the completions by."""

    turn: int
    prompt: str
    judged: bool


@dataclass(frozen=True, slots=True)
class Streamed(Event):
    """How far both sides are. Each says all of it, so that only the last one matters."""

    turn: int
    original: Written
    quantized: Written


@dataclass(frozen=True, slots=True)
class SideJudged(Event):
    """One side's verdict. Its completion and the verdict are in the store."""

    turn: int
    is_original: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class TurnEnded(Event):
    """The turn is over: finished, stopped or failed, with the reason in words."""

    turn: int
    status: RunStatus
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ModelsHeld(Event):
    """The models that the Playground keeps in memory between turns, such as `smollm2-135m fp32`, and their bytes.

    `reason` says why there are none any more.
    """

    names: tuple[str, ...]
    memory: int
    reason: str = ""
