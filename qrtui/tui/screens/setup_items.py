"""The lines of Setup's lists, for an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from textual.content import Content

from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.attack import Attack
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.noise import PAPER_LEVELS, NoiseKind, Protocol
from qrtui.spec import Experiment
from qrtui.tasks.datasets import DATASETS, TASK_COUNTS
from qrtui.tui.widgets.checklist import Item
from qrtui.tui.wording import in_bytes, scientific

if TYPE_CHECKING:
    from qrtui.models.listing import ModelRow

_DATASETS = {"demo": "small tasks", "humaneval+": "more tests", "mbpp+": "more tests"}


def _dataset_note(name: str) -> str:
    return f"{TASK_COUNTS.get(name, ''):>3}  {_DATASETS.get(name, '')}".rstrip()


def all_items(experiment: Experiment, rows: Sequence[ModelRow]) -> Iterator[tuple[str, list[Item]]]:
    """The lines of every list, by the list's id."""
    noise, precisions = experiment.noise, experiment.precisions
    models = tuple(model.id for model in experiment.models)
    yield "models", model_items(models, rows)
    yield "quantized", precision_items(precisions.baseline, precisions.quantized, models, rows)
    yield "attacks", attack_items(experiment.attacks)
    yield "kinds", [Item(kind, kind, kind in noise.kinds) for kind in get_args(NoiseKind)]
    levels = sorted({*PAPER_LEVELS, *noise.levels})
    yield "levels", [Item(scientific(level), level, level in noise.levels) for level in levels]
    yield "protocols", [Item(name, name, name in noise.protocols) for name in get_args(Protocol)]
    names = list(dict.fromkeys([*DATASETS, *experiment.tasks.datasets]))
    yield (
        "datasets",
        [Item(_two(name, _dataset_note(name), 11), name, name in experiment.tasks.datasets) for name in names],
    )


def model_rows() -> list[ModelRow]:
    """What is known of the catalog's models; reads files."""
    from qrtui.models.listing import rows

    return rows()


def model_items(chosen: Sequence[str], rows: Sequence[ModelRow]) -> list[Item]:
    """The catalog's models, then those that a preset or a person named; `chosen` ones are ticked."""
    known = {name.lower(): row for row in rows for name in (row.name, row.hub_id)}
    ticked = {known[name.lower()].name if name.lower() in known else name for name in chosen}
    others = [name for name in chosen if name.lower() not in known]
    return [
        *(Item(_model_line(row), row.name, row.name in ticked) for row in rows),
        *(
            Item(Content.assemble(name, ("   not in the catalog" if rows else "", "$muted")), name, True)
            for name in others
        ),
    ]


def precision_items(
    baseline: str, chosen: Sequence[str], models: Sequence[str], rows: Sequence[ModelRow]
) -> list[Item]:
    """Every precision with what it needs for the largest of `models`; the baseline cannot be compared with itself."""
    picked = [row for row in rows if row.name in models]
    lines = []
    for name, precision in PRECISIONS.items():
        needs = [row.memory[name] for row in picked if name in row.memory]
        memory = f"{in_bytes(max(needs)):>7}  " if needs else ""
        says = "original" if name == baseline else precision.title
        label = Content.assemble(f"{name:5}", memory, (says, "$muted"))
        lines.append(Item(label, name, name in chosen and name != baseline, disabled=name == baseline))
    return lines


def attack_items(chosen: Sequence[Attack]) -> list[Item]:
    """Every kind of attack with its defaults, and those of `chosen` whose parameters differ."""
    attacks = list(dict.fromkeys([*chosen, *ATTACKS.ready()]))
    order = list(ATTACKS)
    attacks.sort(key=lambda attack: order.index(attack.kind()))
    width = max(map(len, order))
    return [Item(_two(attack.kind(), _parameters(attack), width), attack, attack in chosen) for attack in attacks]


def _parameters(attack: Attack) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in attack.parameters().items())


def _model_line(row: ModelRow) -> Content:
    here = ("here", "$text-success") if row.here else (f"fetch {in_bytes(row.fetch_bytes)}", "$muted")
    gated = "  gated" if row.gated and not row.here else ""
    return Content.assemble(
        f"{row.name:19}", f"{row.size:>6} ", (f"{here[0]:14}", here[1]), (f"{row.licence}{gated}", "$muted")
    )


def _two(first: str, second: str, width: int) -> Content:
    return Content.assemble(f"{first:{width}}", (f" {second}", "$muted"))
