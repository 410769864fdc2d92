"""What a plan's work costs, told before it begins: seconds of generating, bytes of memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from qrtui.generate.peak import peak_memory
from qrtui.generate.settings import Generation
from qrtui.models.catalog import memory_needed
from qrtui.models.model_info import ModelInfo
from qrtui.models.precisions import PRECISIONS
from qrtui.results.store import Store
from qrtui.spec import Perturbation

_ROUGH_TOKENS = 80


class _Rough(NamedTuple):
    """How fast a precision is where nothing is known of it: tokens a second, times parameters, in a large batch.

    A step costs something however few sequences are left in it: together as much as `last` completions more.
    """

    rate: float
    last: int


_ROUGH_CPU = {
    "fp32": _Rough(2.4e10, 0),
    "fp16": _Rough(1.0e10, 0),
    "bf16": _Rough(5.6e10, 8),
    "int8": _Rough(4.0e10, 14),
    "nf4": _Rough(3.5e10, 14),
    "fp4": _Rough(3.5e10, 14),
}
"""Measured on two cores with the embedded model: `benchmarks/time_left.py` shows what comes of it."""
_ROUGH_GPU = _Rough(1e12, 0)


class Work(Protocol):
    """Completions to make on the same weights: a plan's group."""

    @property
    def model(self) -> ModelInfo: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102
    @property
    def perturbation(self) -> Perturbation: ...  # noqa: D102
    @property
    def decoded(self) -> Sequence[Any]: ...  # noqa: D102


def generating_seconds(groups: Sequence[Work], store: Store, device: str) -> list[float | None]:
    """Seconds of generating each group: at what this model's completions cost here before, else by a rough rule.

    None for a group of which neither is known.
    """
    known: dict[tuple[str, str], float | None] = {}
    seconds: list[float | None] = []
    for group in groups:
        if not group.decoded:
            seconds.append(0.0)
            continue
        weights = group.decoded[0].determinants.revision, group.precision
        if weights not in known:
            known[weights] = store.seconds_per_completion(*weights, device)
        cost = known[weights]
        seconds.append(_rough_seconds(group, device) if cost is None else len(group.decoded) * cost)
    return seconds


def completion_tokens(settings: Generation) -> int:
    """How long a completion is to be expected."""
    return min(_ROUGH_TOKENS, settings.max_new_tokens)


def _rough_seconds(group: Work, device: str) -> float | None:
    if not group.model.parameters:
        return None
    rough = _ROUGH_GPU if device == "cuda" else _ROUGH_CPU[group.precision]
    tokens: int = min(_ROUGH_TOKENS, group.decoded[0].determinants.settings["max_new_tokens"])
    return (len(group.decoded) + rough.last) * tokens * group.model.parameters / rough.rate


def largest_weights(groups: Sequence[Work], device: str) -> int | None:
    """Bytes of the largest weights to be loaded; None where no model's size is known."""
    return _most([memory_needed(group.model, PRECISIONS[group.precision], device) for group in groups])


def peak(groups: Sequence[Work], settings: Generation, device: str) -> int | None:
    """Bytes held at most while any of the groups is made; None where no model is here."""
    return _most(
        [
            peak_memory(
                group.model,
                PRECISIONS[group.precision],
                device,
                [job.determinants.prompt for job in group.decoded],
                settings,
                group.perturbation.noise,
            )
            for group in groups
        ]
    )


def _most(needs: Sequence[int | None]) -> int | None:
    return max((need for need in needs if need is not None), default=None)
