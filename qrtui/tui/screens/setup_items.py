"""The lines of Setup's lists, for an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, get_args

from textual.content import Content

from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.attack import Attack
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.naming import level_name
from qrtui.perturb.noise import PAPER_LEVELS, NoiseKind, Protocol
from qrtui.spec import Experiment
from qrtui.tasks.datasets import DATASETS, TASK_COUNTS
from qrtui.tasks.presence import how_to_get, is_here
from qrtui.tui.widgets.checklist import Item
from qrtui.tui.wording import in_bytes

if TYPE_CHECKING:
    from qrtui.models.listing import ModelRow

_DATASETS = {
    "demo": "small tasks of our own, for small models",
    "humaneval": "functions to complete, with their published tests",
    "humaneval+": "HumanEval with 80 times the tests",
    "mbpp": "one sentence and one example each",
    "mbpp+": "MBPP with 35 times the tests",
}
_KINDS = {"gaussian": "level × N(0, 1) on each weight", "uniform": "level × U(-1, 1) on each weight"}
_PROTOCOLS = {
    "published": "the paper's: quantized projections stay untouched",
    "before": "Q(W + d): noise, then quantizing",
    "after": "Q(Q(W) + d): noise on the quantized values",
}


class Machine(NamedTuple):
    """What is known of the models and of the memory they would be loaded into; empty before files were read."""

    rows: Sequence[ModelRow] = ()
    memory: int | None = None


def all_items(experiment: Experiment, machine: Machine, attacks: Sequence[Attack]) -> Iterator[tuple[str, list[Item]]]:
    """The lines of every list, by the list's id; `attacks` are variants to offer beside the experiment's own."""
    noise, precisions = experiment.noise, experiment.precisions
    models = tuple(model.id for model in experiment.models)
    yield "models", model_items(models, precisions.all, machine)
    yield "quantized", precision_items(precisions.baseline, precisions.quantized, models, machine)
    yield "attacks", attack_items(experiment.attacks, attacks)
    yield "kinds", [Item(kind, kind, kind in noise.kinds, _KINDS.get(kind, "")) for kind in get_args(NoiseKind)]
    yield "levels", level_items(noise.levels, noise.levels)
    yield (
        "protocols",
        [Item(name, name, name in noise.protocols, _PROTOCOLS.get(name, "")) for name in get_args(Protocol)],
    )
    yield "datasets", dataset_items(experiment.tasks.datasets)


def look_around() -> Machine:
    """What is known of the catalog's models and of this machine; reads files and asks the driver."""
    from qrtui.models.capacity import capacity
    from qrtui.models.device import resolve_device
    from qrtui.models.listing import rows

    return Machine(rows(), capacity(resolve_device("auto")))


def code_warnings(experiment: Experiment) -> dict[str, str]:
    """What to tell of each model whose own code would run, by its name; reads files. Raises ModelError."""
    from qrtui.models.catalog import resolve
    from qrtui.models.soundness import code_warning

    trusted = [resolve(model.id) for model in experiment.models if model.trust_remote_code]
    return {info.name: warning for info in trusted if (warning := code_warning(info))}


def model_items(chosen: Sequence[str], precisions: Sequence[str], machine: Machine) -> list[Item]:
    """The catalog's models, then those that a preset or a person named; `chosen` ones are ticked.

    Each says the memory that the largest of `precisions` takes, and whether the machine has as much.
    """
    known = {name.lower(): row for row in machine.rows for name in (row.name, row.hub_id)}
    ticked = {known[name.lower()].name if name.lower() in known else name for name in chosen}
    others = [name for name in chosen if name.lower() not in known]
    unknown = "   not in the catalog" if machine.rows else ""
    return [
        *(_model_item(row, row.name in ticked, precisions, machine.memory) for row in machine.rows),
        *(
            Item(Content.assemble(name, (unknown, "$muted")), name, True, "its size is known once it is here")
            for name in others
        ),
    ]


def _model_item(row: ModelRow, ticked: bool, precisions: Sequence[str], room: int | None) -> Item:
    needs = max((row.memory[name] for name in precisions if name in row.memory), default=None)
    too_large = needs is not None and room is not None and needs > room
    memory = f"{'! ' if too_large else ''}{in_bytes(needs)}"
    here = ("here", "$text-success") if row.here else (f"fetch {in_bytes(row.fetch_bytes)}", "$muted")
    fits = "too large  " if too_large else "fits       " if needs and room else ""
    gated = "gated, " if row.gated and not row.here else ""
    label = Content.assemble(
        f"{row.name:19}",
        (f"{memory:>8} ", "$text-warning" if too_large else ""),
        (f"{here[0]:13}", here[1]),
        (fits, "$text-warning" if too_large else "$muted"),
        (f"{gated}{row.licence}", "$muted"),
    )
    return Item(label, row.name, ticked, _model_note(row, needs, room if too_large else None))


def _model_note(row: ModelRow, needs: int | None, too_small: int | None) -> str:
    if too_small is not None:
        return f"needs {in_bytes(needs)}, this machine has {in_bytes(too_small)}"
    if row.gated and not row.here:
        return f"gated: agree at huggingface.co/{row.hub_id}, then set HF_TOKEN"
    return f"{row.family} {row.size}, {row.licence}"


def precision_items(baseline: str, chosen: Sequence[str], models: Sequence[str], machine: Machine) -> list[Item]:
    """Every precision but the baseline, which is compared with them, and what it needs for the largest of `models`."""
    lines = []
    for name, precision in PRECISIONS.items():
        if name != baseline:
            needs = memory_of(name, models, machine)
            memory = f"{in_bytes(needs):>7}  " if needs else ""
            too_large = bool(needs and machine.memory and needs > machine.memory)
            note = f"needs {in_bytes(needs)}, this machine has {in_bytes(machine.memory)}" if too_large else ""
            label = Content.assemble(
                f"{name:5}",
                ("! " if too_large else "", "$text-warning"),
                (memory, "$text-warning" if too_large else ""),
                (precision.title, "$muted"),
            )
            lines.append(Item(label, name, name in chosen, note or f"{precision.bytes_per_weight:.3g} bytes a weight"))
    return lines


def memory_of(precision: str, models: Sequence[str], machine: Machine) -> int | None:
    """What the largest of `models` takes in a precision, as far as it is known."""
    needs = [row.memory[precision] for row in machine.rows if row.name in models and precision in row.memory]
    return max(needs, default=None)


def attack_items(chosen: Sequence[Attack], offered: Sequence[Attack]) -> list[Item]:
    """Every kind of attack with its defaults, and the variants among `chosen` and `offered`.

    A kind that has no defaults stands there by its name alone: it must be told its parameters first.
    """
    attacks = list(dict.fromkeys([*chosen, *offered, *ATTACKS.ready()]))
    order = list(ATTACKS)
    attacks.sort(key=lambda attack: order.index(attack.kind()))
    width = max(map(len, order))
    items = [
        Item(_two(one.kind(), _parameters(one), width), one, one in chosen, f"e edits, v adds; {one.level} level")
        for one in attacks
    ]
    there = {attack.kind() for attack in attacks}
    for kind in order:
        if kind not in there:
            wants = " and ".join(ATTACKS[kind].required())
            items.append(Item(_two(kind, f"needs its {wants}: e", width), kind, False, "e tells it what it needs"))
    return items


def level_items(offered: Sequence[float], chosen: Sequence[float]) -> list[Item]:
    """The paper's noise levels and others, in order."""
    return [Item(level_name(level), level, level in chosen) for level in sorted({*PAPER_LEVELS, *offered, *chosen})]


def dataset_items(chosen: Sequence[str]) -> list[Item]:
    """The data sets by name, then files; each with its number of tasks and whether it is here."""
    items = []
    for name in dict.fromkeys([*DATASETS, *chosen]):
        here = is_here(name)
        shown = name.rpartition("/")[2]
        label = Content.assemble(
            f"{shown:11}",
            (f"{TASK_COUNTS.get(name, ''):>4} ", "$muted"),
            ("here", "$text-success") if here else ("absent", "$muted"),
        )
        items.append(Item(label, name, name in chosen, _DATASETS.get(name, name) if here else how_to_get(name)))
    return items


def _parameters(attack: Attack) -> str:
    """Its parameters with their values; the name of the engine says what it is, and must be seen on narrow screens."""
    given = {name.replace("_", " "): value for name, value in attack.parameters().items() if value != ""}
    return ", ".join(str(value) if name == "engine" else f"{name} {value}" for name, value in given.items())


def _two(first: str, second: str, width: int) -> Content:
    return Content.assemble(f"{first:{width}}", (f" {second}", "$muted"))
