"""What is picked on the Setup screen, and the experiment it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from qrtui.errors import PresetError
from qrtui.perturb.attack import Attack
from qrtui.perturb.attacks import ATTACKS
from qrtui.spec import (
    Experiment,
    ModelChoice,
    NoiseGrid,
    Precisions,
    TaskSelection,
    read_experiment,
    to_table,
)

_SOURCE = "Setup"

PLAIN = Experiment(
    name="setup",
    models=(ModelChoice(id="smollm2-135m"),),
    precisions=Precisions(baseline="fp32", quantized=("int8", "nf4")),
    tasks=TaskSelection(datasets=("demo",), limit=20),
    attacks=(ATTACKS["char"](),),
)
"""What Setup shows where no preset can be read."""


@dataclass(frozen=True)
class Choice:
    """The state of Setup's widgets; `limit` and `max_new_tokens` as they were typed."""

    models: tuple[str, ...]
    baseline: str
    quantized: tuple[str, ...]
    attacks: tuple[Attack, ...]
    noise_kinds: tuple[str, ...]
    noise_levels: tuple[float, ...]
    noise_protocols: tuple[str, ...]
    datasets: tuple[str, ...]
    limit: str
    max_new_tokens: str
    prompt: str


def experiment_of(choice: Choice, base: Experiment) -> Experiment:
    """The experiment that `choice` makes of `base`, whose other settings (seed, device, ...) stay.

    Raises PresetError for a choice that cannot be run; its problem names the key but no file.
    """
    trusted = {model.id: model for model in base.models}
    if choice.baseline in choice.quantized:
        raise PresetError(f"{choice.baseline} is the baseline and quantized too", "pick another for one of them")
    changed = msgspec.structs.replace(
        base,
        models=tuple(trusted.get(id, ModelChoice(id=id)) for id in choice.models),
        precisions=Precisions(baseline=choice.baseline, quantized=choice.quantized),
        attacks=choice.attacks,
        noise=_noise(choice),
        generation=msgspec.structs.replace(
            base.generation,
            max_new_tokens=_whole(choice.max_new_tokens, "max new tokens"),
            prompt=choice.prompt,
        ),
        tasks=msgspec.structs.replace(
            base.tasks,
            datasets=choice.datasets,
            limit=_whole(choice.limit, "limit") if choice.limit.strip() else None,
        ),
    )
    return _checked(changed)


def is_edited(experiment: Experiment, base: Experiment) -> bool:
    """Whether the experiment is no longer what the preset says."""
    return to_table(experiment) != to_table(base)


def _noise(choice: Choice) -> NoiseGrid:
    values: dict[str, Any] = {"kinds": choice.noise_kinds, "levels": choice.noise_levels}
    if not any(values.values()):
        return NoiseGrid()
    return NoiseGrid(**values, protocols=choice.noise_protocols)


def _whole(typed: str, what: str) -> int:
    text = typed.strip().replace("_", "").replace(",", "")
    if not text.isdecimal() or int(text) == 0:
        raise PresetError(
            f"{what}: {typed.strip() or 'nothing'!r} is not a whole number above 0", "type one, such as 20"
        )
    return int(text)


def _checked(experiment: Experiment) -> Experiment:
    # A table leaves out what is empty, and an absent part would be complained of in other words.
    table = {"models": [], "precisions": {}, "tasks": {}} | to_table(experiment)
    try:
        return read_experiment(table, _SOURCE)
    except PresetError as error:
        raise PresetError(error.problem.removeprefix(f"{_SOURCE}: "), error.way_out) from None
