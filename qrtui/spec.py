"""What an experiment is: the models, precisions, perturbations and tasks that a person picked.

An experiment is written as TOML (a preset); `read_experiment` and `to_toml` are inverse. All classes are frozen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args

import msgspec

from qrtui.errors import AttackError, PresetError, nearest
from qrtui.generate.settings import Generation, PromptStyle
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.attack import Attack
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.noise import Noise, NoiseKind, Protocol
from qrtui.perturb.translation.engine import EngineName
from qrtui.printable import is_name
from qrtui.tasks.datasets import DATASETS, unknown_dataset


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of a preset."""


class ModelChoice(_Table, frozen=True, kw_only=True):
    """A model to measure: a catalog name, a hub id, a folder, or a `.gguf` file.

    `trust_remote_code` lets the model's own Python code run in this process; without it such a model is refused.
    """

    id: str
    trust_remote_code: bool = False


class Precisions(_Table, frozen=True, kw_only=True):
    """The baseline precision ("original" in the paper) and those compared with it."""

    baseline: str = "fp32"
    quantized: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """The baseline first, then the others in the preset's order."""
        return (self.baseline, *self.quantized)


class TaskSelection(_Table, frozen=True, kw_only=True):
    """Which tasks: whole data sets (names or `.jsonl` files), or single tasks by id.

    `limit` keeps the first so many of each data set. Where both are given, `tasks` picks within `datasets`.
    """

    datasets: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None


class NoiseGrid(_Table, frozen=True, kw_only=True):
    """Every combination of kinds, levels and protocols of noise on the weights."""

    kinds: tuple[NoiseKind, ...] = ()
    levels: tuple[Annotated[float, msgspec.Meta(gt=0)], ...] = ()
    protocols: tuple[Protocol, ...] = ("published",)


class Perturbation(msgspec.Struct, frozen=True):
    """What is done to the prompt or to the weights; neither is `clean`."""

    attack: Attack | None = None
    noise: Noise | None = None

    @property
    def label(self) -> str:
        """As tables and reports print it: `clean`, `char`, `gaussian 0.003 published`."""
        part = self.attack or self.noise
        return part.label if part else "clean"


CLEAN = Perturbation()


class Experiment(_Table, frozen=True, kw_only=True):
    """All that a person decides before a run.

    `seed` fixes every random choice; `device` is auto, cpu, cuda or cuda:N.
    """

    name: str
    description: str = ""
    seed: int = 0
    device: str = "auto"
    models: tuple[ModelChoice, ...]
    precisions: Precisions
    tasks: TaskSelection
    attacks: tuple[Attack, ...] = ()
    noise: NoiseGrid = NoiseGrid()
    generation: Generation = Generation()

    def perturbations(self) -> Iterator[Perturbation]:
        """Clean first, then the attacks, then the noise, each in the preset's order."""
        yield CLEAN
        for attack in self.attacks:
            yield Perturbation(attack=attack)
        for protocol in self.noise.protocols:
            for kind in self.noise.kinds:
                for level in self.noise.levels:
                    yield Perturbation(noise=Noise(kind=kind, level=level, protocol=protocol, seed=self.seed))


def read_experiment(table: dict[str, Any], source: str) -> Experiment:
    """The experiment that a preset's table says; `source` (a file name) begins every error.

    Raises PresetError with one line: the source, the key, what is wrong, what is allowed, and the nearest known name.
    """
    table = dict(table)
    attacks = tuple(
        read_attack(entry, f"attacks[{at}]", source) for at, entry in enumerate(_tables(table, "attacks", source))
    )
    table.pop("attacks", None)
    _refuse_unknown_keys(table, Experiment, "", source)
    try:
        experiment = msgspec.convert(table, Experiment)
    except msgspec.ValidationError as error:
        raise PresetError(f"{source}: {_plain(str(error))}", _remedy(str(error))) from None
    experiment = msgspec.structs.replace(experiment, attacks=attacks)
    _check(experiment, source)
    return experiment


def to_table(experiment: Experiment) -> dict[str, Any]:
    """The experiment as plain values, defaults left out: what `read_experiment` reads."""
    table: dict[str, Any] = _without_empty(msgspec.to_builtins(experiment))
    table["precisions"] = {"baseline": experiment.precisions.baseline, "quantized": [*experiment.precisions.quantized]}
    if experiment.attacks:
        table["attacks"] = [msgspec.to_builtins(attack) for attack in experiment.attacks]
    return table


def to_toml(experiment: Experiment) -> str:
    """The experiment as a preset."""
    import tomli_w

    return tomli_w.dumps(to_table(experiment))


def _without_empty(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value not in (None, {}, [], ())}


def _tables(table: dict[str, Any], key: str, source: str) -> list[dict[str, Any]]:
    entries = table.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PresetError(f"{source}: {key} is not a list of tables", f"write [[{key}]] above each")
    return entries


def read_attack(entry: dict[str, Any], key: str, source: str) -> Attack:
    """The attack that a preset's table says; `key` and `source` say in errors where it stands. Raises PresetError."""
    kind = entry.get("kind")
    if "kind" not in entry:
        raise PresetError(f"{source}: {key} has no kind", _choices(next(iter(entry), ""), {"kind": None, **ATTACKS}))
    if not isinstance(kind, str) or kind not in ATTACKS:
        raise PresetError(f"{source}: {key}.kind: there is no attack {kind!r}", _choices(str(kind), dict(ATTACKS)))
    try:
        attack = ATTACKS[kind]
    except AttackError as error:
        raise PresetError(f"{source}: {key}.kind: {error.problem}", error.way_out) from None
    _refuse_unknown_keys({k: v for k, v in entry.items() if k != "kind"}, attack, key + ".", source)
    try:
        return msgspec.convert(entry, attack)
    except msgspec.ValidationError as error:
        raise PresetError(f"{source}: {_plain(str(error), key)}", _remedy(str(error))) from None


def _refuse_unknown_keys(table: dict[str, Any], kind: type[msgspec.Struct], prefix: str, source: str) -> None:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    known = [*fields, "attacks"] if kind is Experiment else list(fields)
    for key, value in table.items():
        if key not in known:
            raise PresetError(f"{source}: unknown key {prefix}{key}", _choices(key, dict.fromkeys(known)))
        part = _TABLES.get(f"{prefix}{key}")
        entries = value if isinstance(value, list) else [value]
        for entry in entries if part else []:
            if isinstance(entry, dict):
                _refuse_unknown_keys(entry, part or kind, f"{prefix}{key}.", source)


_TABLES: dict[str, type[msgspec.Struct]] = {
    "models": ModelChoice,
    "precisions": Precisions,
    "tasks": TaskSelection,
    "noise": NoiseGrid,
    "generation": Generation,
}


def _plain(message: str, where: str = "") -> str:
    """msgspec's message with the key first: `tasks.limit: expected int >= 1`."""
    what, _, path = message.partition(" - at `$")
    key = (where + path.rstrip("`")).lstrip(".")
    what = what.replace("`", "").replace("Object missing", "missing").replace("Object contains", "has")
    return f"{key}: {what[:1].lower()}{what[1:]}" if key else what[:1].lower() + what[1:]


_WORDS: dict[str, Any] = {
    "kinds": NoiseKind,
    "protocols": Protocol,
    "prompt": PromptStyle,
    "engine": EngineName,
}


def _remedy(message: str) -> str:
    """The allowed words and the nearest, where a key takes one of a few; else just what to do."""
    if absent := re.search(r"missing required field `(\w+)`", message):
        return f"give {absent.group(1)}"
    given = re.search(r"Invalid enum value '(.*?)' - at `\$\.(?:\w+\.)?(\w+)", message)
    if given is None or given.group(2) not in _WORDS:
        return "mend that key"
    return _choices(given.group(1), dict.fromkeys(get_args(_WORDS[given.group(2)])))


def _choices(given: str, known: dict[str, Any]) -> str:
    return " ".join(filter(None, [nearest(given, known), f"allowed are {', '.join(known)}"]))


def _check(experiment: Experiment, source: str) -> None:
    """What the types cannot say."""

    def refuse(key: str, problem: str, way_out: str) -> None:
        raise PresetError(f"{source}: {key}: {problem}", way_out)

    precisions, noise, tasks = experiment.precisions, experiment.noise, experiment.tasks
    if not experiment.models:
        refuse("models", "no model is picked", "add [[models]] with an id")
    for key, names in (("baseline", (precisions.baseline,)), ("quantized", precisions.quantized)):
        for name in names:
            if name not in PRECISIONS:
                refuse(f"precisions.{key}", f"there is no precision {name!r}", _choices(name, dict(PRECISIONS)))
    if not precisions.quantized:
        refuse(
            "precisions.quantized",
            "nothing to compare with the baseline",
            f"pick from {', '.join(PRECISIONS)}",
        )
    if not tasks.datasets and not tasks.tasks:
        refuse("tasks", "no task is picked", 'write datasets = ["demo"] or tasks = ["HumanEval/53"]')
    if bool(noise.kinds) != bool(noise.levels):
        missing = "levels" if noise.kinds else "kinds"
        refuse(f"noise.{missing}", "empty, so there is no noise", f"give noise.{missing}, or drop [noise]")
    if noise.kinds and not noise.protocols:
        refuse("noise.protocols", "empty, so there is no noise", 'write protocols = ["published"]')
    numbers = {
        "noise.levels": noise.levels,
        "generation.temperature": (experiment.generation.temperature,),
        "generation.extra_memory": (experiment.generation.extra_memory,),
    }
    for key, values in numbers.items():
        if not all(map(math.isfinite, values)):
            refuse(key, "not a finite number", "give an ordinary number")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", experiment.device):
        refuse("device", f"there is no device {experiment.device!r}", "allowed are auto, cpu, cuda, cuda:N")
    named = {"name": [experiment.name], "models": [model.id for model in experiment.models], "tasks": tasks.datasets}
    for key, texts in named.items():
        if not all(map(is_name, texts)):
            refuse(key, "an empty name, or one with a line break or a control character", "write it without")
    for dataset in tasks.datasets:
        if dataset not in DATASETS and not dataset.endswith(".jsonl"):
            refuse("tasks.datasets", f"there is no data set {dataset!r}", unknown_dataset(dataset))
    if experiment.generation.samples > 1 and experiment.generation.temperature == 0:
        refuse("generation.samples", "greedy samples are all the same", "set generation.temperature above 0")
    for key, chosen in (
        ("models", [model.id for model in experiment.models]),
        ("precisions", list(precisions.all)),
        ("tasks.datasets", list(tasks.datasets)),
        ("attacks and noise", [perturbation.label for perturbation in experiment.perturbations()]),
    ):
        for name in chosen:
            if chosen.count(name) > 1:
                refuse(key, f"{name!r} is there twice", "keep one of them")
