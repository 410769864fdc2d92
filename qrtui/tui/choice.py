"""What is picked on the Setup screen, and the experiment it makes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from qrtui.errors import PresetError
from qrtui.generate.settings import Generation
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
    """The state of Setup's widgets; `typed` holds the number fields by their keys in a preset, as they were typed."""

    name: str
    models: tuple[str, ...]
    baseline: str
    quantized: tuple[str, ...]
    attacks: tuple[Attack, ...]
    noise_kinds: tuple[str, ...]
    noise_levels: tuple[float, ...]
    noise_protocols: tuple[str, ...]
    datasets: tuple[str, ...]
    tasks: tuple[str, ...]
    prompt: str
    typed: Mapping[str, str]


def experiment_of(choice: Choice, base: Experiment) -> Experiment:
    """The experiment that `choice` makes of `base`; only what Setup does not show (the description,
    the memory taken for speed) is kept.

    Raises PresetError for a choice that cannot be run; its problem names the key but no file.
    """
    trusted = {model.id: model for model in base.models}
    if choice.baseline in choice.quantized:
        raise PresetError(f"{choice.baseline} is the baseline and quantized too", "pick another for one of them")
    typed = choice.typed
    changed = msgspec.structs.replace(
        base,
        name=choice.name.strip() or base.name,
        seed=_whole(typed["seed"], "seed", least=None),
        device=typed["device"].strip().lower() or "auto",
        models=tuple(trusted.get(id, ModelChoice(id=id)) for id in choice.models),
        precisions=Precisions(baseline=choice.baseline, quantized=choice.quantized),
        attacks=choice.attacks,
        noise=_noise(choice),
        generation=_generation(choice, base.generation),
        tasks=TaskSelection(
            datasets=choice.datasets,
            tasks=choice.tasks,
            limit=_whole(typed["limit"], "limit") if typed["limit"].strip() else None,
        ),
    )
    return _checked(changed)


def typed_of(experiment: Experiment) -> dict[str, str]:
    """What stands in the number fields for an experiment: the inverse of what `experiment_of` reads."""
    generation = experiment.generation
    return {
        "limit": str(experiment.tasks.limit or ""),
        "max_new_tokens": str(generation.max_new_tokens),
        "temperature": f"{generation.temperature:g}",
        "samples": str(generation.samples),
        "batch_size": str(generation.batch_size),
        "seed": str(experiment.seed),
        "device": experiment.device,
    }


def is_edited(experiment: Experiment, base: Experiment) -> bool:
    """Whether the experiment is no longer what the preset says."""
    return to_table(experiment) != to_table(base)


def _noise(choice: Choice) -> NoiseGrid:
    values: dict[str, Any] = {"kinds": choice.noise_kinds, "levels": choice.noise_levels}
    if not any(values.values()):
        return NoiseGrid()
    return NoiseGrid(**values, protocols=choice.noise_protocols)


def _generation(choice: Choice, base: Generation) -> Generation:
    typed = choice.typed
    batch = typed["batch_size"].strip().lower() or "auto"
    return msgspec.structs.replace(
        base,
        max_new_tokens=_whole(typed["max_new_tokens"], "max new tokens"),
        temperature=number(typed["temperature"], "temperature", above_zero=False),
        samples=_whole(typed["samples"], "samples"),
        batch_size="auto" if batch == "auto" else _whole(batch, "batch size", or_else=' or "auto"'),
        prompt=choice.prompt,  # type: ignore[arg-type]
    )


def _whole(typed: str, what: str, *, least: int | None = 1, or_else: str = "") -> int:
    text = typed.strip().replace("_", "").replace(",", "")
    digits = text.removeprefix("-") if least is None else text
    if not digits.isdecimal() or len(digits) > _MOST_DIGITS or (least is not None and int(text) < least):
        above = "" if least is None else f" above {least - 1}"
        raise PresetError(
            f"{what}: {typed.strip() or 'nothing'!r} is not a whole number{above}{or_else}", "type one, such as 20"
        )
    return int(text)


def number(typed: str, what: str, *, above_zero: bool = True) -> float:
    """The number that was typed. Raises PresetError for words, infinity, and what is below (or is) zero."""
    text = typed.strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (above_zero and value == 0):
        wanted = "a number above 0" if above_zero else "a number from 0 on"
        raise PresetError(f"{what}: {text or 'nothing'!r} is not {wanted}", "type one, such as 2e-3")
    return value


_MOST_DIGITS = 15


def _checked(experiment: Experiment) -> Experiment:
    # A table leaves out what is empty, and an absent part would be complained of in other words.
    table = {"models": [], "precisions": {}, "tasks": {}} | to_table(experiment)
    try:
        return read_experiment(table, _SOURCE)
    except PresetError as error:
        raise PresetError(error.problem.removeprefix(f"{_SOURCE}: "), error.way_out) from None
