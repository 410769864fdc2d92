"""The rows that the store gives and takes."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import msgspec

from qrtui.perturb.dose import Dose
from qrtui.perturb.noise import NoiseKind

RunStatus = Literal["running", "finished", "stopped", "interrupted", "failed"]
"""How a run stands. All but a finished one are taken up where they were. An interrupted one was ended by its device, or
its process by a kill."""


class Determinants(msgspec.Struct, frozen=True, kw_only=True):
    """All that determines a completion; two completions with equal determinants are the same completion.

    `dtype` is that of what the precision leaves unquantized. `noise` is None for untouched weights, else its kind,
    level, protocol and seed. `seed` and `sample` matter for sampled completions only and are 0 for greedy ones.
    `versions` are those of the libraries that do the arithmetic.
    """

    revision: str
    precision: str
    dtype: str
    noise: dict[str, Any] | None
    prompt: str
    style: str
    settings: dict[str, Any]
    seed: int
    sample: int
    device: str
    versions: dict[str, str]

    def key(self) -> str:
        """The SHA-256 under which the completion is kept."""
        return digest(json.dumps(msgspec.to_builtins(self), sort_keys=True))


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """What a model wrote for one prompt.

    `text` is the completion as decoded, `solution` the program that post-processing made of it. `finish` says why it
    ended: `stop` (at its own end), `length` (at the cap) or `nan` (the model gave no finite number). `seconds` is this
    completion's share of the time its batch took. `memory` is the size of the model's weights in bytes, `dose` the
    noise they carried (None without noise).
    """

    determinants: Determinants
    text: str
    solution: str
    finish: str
    tokens: int
    seconds: float
    memory: int | None = None
    dose: Dose | None = None


class PlannedResult(msgspec.Struct, frozen=True):
    """One completion that a condition needs: of which task, from which prompt, under which key."""

    task: str
    sample: int
    task_hash: str
    prompt: str
    key: str


class PlannedCondition(msgspec.Struct, frozen=True, kw_only=True):
    """Model x precision x perturbation x data set, with all the results it consists of."""

    model: str
    precision: str
    is_baseline: bool
    dataset: str
    perturbation: str
    results: list[PlannedResult]


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of an experiment. `experiment` is its table, `environment` what it ran on.

    Of its `total` results `judged` have a verdict of the present judge. `tags` are the person's own words, sorted.
    """

    id: int
    name: str
    experiment: dict[str, Any]
    status: RunStatus
    started: str
    finished: str | None
    environment: dict[str, Any]
    total: int
    judged: int
    tags: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One result of a run with what is known of it so far; `base` and `plus` are None until judged."""

    condition: int
    task: str
    sample: int
    base: str | None
    plus: str | None
    tokens: int | None
    seconds: float | None


class ConditionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A condition of a run as it stands in the store. `memory` is in bytes; `dose` is None without noise, or until it
    was measured."""

    id: int
    model: str
    precision: str
    is_baseline: bool
    dataset: str
    perturbation: str
    dose: Dose | None
    memory: int | None

    @property
    def weights_perturbed(self) -> float | None:
        """The share of the weights that noise reached, 0 to 1; None without noise."""
        return self.dose.share if self.dose else None

    @property
    def is_attacked(self) -> bool:
        """Whether this condition changes prompts."""
        return self.perturbation.partition(" ")[0] not in ("clean", *get_args(NoiseKind))


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One result with everything there is to show of it; the completion's and verdict's fields may be None."""

    condition: ConditionRecord
    task: str
    sample: int
    prompt: str
    text: str | None
    solution: str | None
    finish: str | None
    tokens: int | None
    seconds: float | None
    base: str | None
    plus: str | None
    failing_input: str | None
    expected: str | None
    got: str | None
    error: str | None
    level: str | None


def digest(text: str) -> str:
    """The SHA-256 of a text as the store keeps it, in hexadecimal."""
    return hashlib.sha256(storable(text).encode()).hexdigest()


def storable(text: str) -> str:
    """The text as SQLite can hold it: a lone surrogate, which a tokenizer can produce, becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def now() -> str:
    """The time as the store writes it: UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
