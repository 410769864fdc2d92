"""What a plan's work costs, told before it begins: seconds of generating, bytes of memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from qrtui.generate.peak import peak_memory
from qrtui.generate.settings import Generation
from qrtui.models.catalog import memory_needed
from qrtui.models.model_info import ModelInfo
from qrtui.models.precisions import PRECISIONS
from qrtui.results.store import Store
from qrtui.spec import Perturbation

_ROUGH_COMPLETION_TOKENS = 90
_ROUGH_CPU_RATE = 8e9
_ROUGH_GPU_RATE = 1e12


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


def generating_seconds(groups: Sequence[Work], store: Store, device: str) -> float | None:
    """Seconds of generating: at what this model's completions cost here before, else by a rough rule for the device."""
    seconds = 0.0
    for group in groups:
        if group.decoded:
            cost = store.seconds_per_completion(group.decoded[0].determinants.revision, group.precision, device)
            if cost is None:
                if not group.model.parameters:
                    return None
                rough = (_ROUGH_GPU_RATE if device == "cuda" else _ROUGH_CPU_RATE) / group.model.parameters
                cost = _ROUGH_COMPLETION_TOKENS / rough
            seconds += len(group.decoded) * cost
    return round(seconds, 1)


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
