"""What is chosen in the Playground, and the turn it makes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from qrtui.errors import QrtuiError
from qrtui.generate.settings import Generation
from qrtui.models.catalog import catalog, local_path, memory_needed, resolve
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.attack import Attack
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.noise import PAPER_LEVELS, Noise
from qrtui.playground.own_task import can_be_judged, is_own, task_of, unread_assertions
from qrtui.playground.turn import Turn
from qrtui.presets import load_preset
from qrtui.spec import CLEAN, ModelChoice, Perturbation
from qrtui.tasks.datasets import load_tasks
from qrtui.tui.wording import without_common_protocol

if TYPE_CHECKING:
    from qrtui.spec import Experiment
    from qrtui.tasks.task import Task

NO_PERTURBATION = CLEAN.label
_SHORT_TASK = "Demo/1"


@dataclass
class PlayChoice:
    """The state of the Playground's widgets, and what they do not show.

    `perturbation` is a label among `perturbations`; `last_perturbed` is where `toggle` goes back to. `picked` is the
    task that was picked last, None for a prompt of one's own.
    """

    models: tuple[str, ...] = ()
    model: str = ""
    trusted: frozenset[str] = frozenset()
    baseline: str = "fp32"
    quantized: str = "int8"
    perturbations: dict[str, Perturbation] = field(default_factory=dict)
    perturbation: str = NO_PERTURBATION
    last_perturbed: str = "char"
    seed: int = 0
    max_new_tokens: int = 256
    generation: Generation = field(default_factory=Generation)
    device: str = "auto"
    picked: Task | None = None
    prompt: str = ""
    dataset: str = "demo"
    datasets: tuple[str, ...] = ()

    def turn(self) -> Turn | None:
        """The turn that this makes; None without a prompt."""
        if not self.prompt.strip() or not self.model:
            return None
        settings = msgspec.structs.replace(
            self.generation, max_new_tokens=self.max_new_tokens, temperature=0.0, samples=1
        )
        return Turn(
            model=ModelChoice(id=self.model, trust_remote_code=self.model in self.trusted),
            baseline=self.baseline,
            quantized=self.quantized,
            prompt=self.prompt,
            task=task_of(self.prompt, self.picked),
            perturbation=self._perturbation(),
            seed=self.seed,
            device=self.device,
            generation=settings,
        )

    def _perturbation(self) -> Perturbation:
        chosen = self.perturbations.get(self.perturbation, CLEAN)
        if chosen.noise is None:
            return chosen
        return Perturbation(noise=msgspec.structs.replace(chosen.noise, seed=self.seed))

    def attack(self) -> Attack | None:
        """The chosen attack; None where the prompt stays as it is."""
        return self.perturbations.get(self.perturbation, CLEAN).attack

    @property
    def is_perturbed(self) -> bool:
        """Whether a seed matters."""
        return self.perturbation != NO_PERTURBATION

    def perturb(self, label: str) -> None:
        """Choose a perturbation by its label."""
        self.perturbation = label if label in self.perturbations else NO_PERTURBATION
        if self.perturbation != NO_PERTURBATION:
            self.last_perturbed = self.perturbation

    def next_attack(self, step: int) -> None:
        """The next attack in order, from a clean prompt the first; noise is passed over."""
        labels = [label for label, chosen in self.perturbations.items() if chosen.attack is not None]
        if not labels:
            return
        at = labels.index(self.perturbation) + step if self.perturbation in labels else (0 if step > 0 else -1)
        self.perturb(labels[at % len(labels)])

    def toggle(self) -> None:
        """Clean where it is perturbed, else as it was perturbed last."""
        self.perturb(NO_PERTURBATION if self.perturbation != NO_PERTURBATION else self.last_perturbed)

    def reroll(self) -> None:
        """The next seed; a clean prompt is attacked first."""
        if self.perturbation == NO_PERTURBATION:
            self.toggle()
        else:
            self.seed += 1

    def perturbation_options(self) -> list[tuple[str, str]]:
        """What to choose a perturbation from: what it says, and its label."""
        names, _ = without_common_protocol(list(self.perturbations))
        return [(names[label], label) for label in self.perturbations]

    def needed(self) -> tuple[str, ...]:
        """The models that a turn loads, as the engine names them."""
        try:
            name = resolve(self.model).name
        except QrtuiError:
            return ()
        return tuple(f"{name} in {precision}" for precision in (self.baseline, self.quantized))

    def memory(self) -> int | None:
        """About how many bytes both models take; None where it is not known."""
        with contextlib.suppress(QrtuiError):
            info = resolve(self.model)
            needs = [memory_needed(info, PRECISIONS[name], "cpu") for name in (self.baseline, self.quantized)]
            known = [need for need in needs if need is not None]
            return sum(known) if len(known) == len(needs) else None
        return None

    def neighbour(self, step: int) -> Task | None:
        """The task before or after the picked one in its data set; None where that cannot be read."""
        try:
            tasks = load_tasks(self.dataset)
        except QrtuiError:
            return None
        ids = [task.task_id for task in tasks]
        at = ids.index(self.picked.task_id) + step if self.picked and self.picked.task_id in ids else 0
        return tasks[at % len(tasks)]

    def short_name(self) -> str:
        """What the prompt is, in a word."""
        task = task_of(self.prompt, self.picked)
        return "your own prompt" if is_own(task) else task.task_id

    def prompt_title(self) -> str:
        """What the prompt is, and what judges its answers."""
        if not self.prompt.strip():
            return "Prompt"
        task = task_of(self.prompt, self.picked)
        if is_own(task):
            tests = "judged by its assert lines" if can_be_judged(task) else "no tests: not judged"
            if unread := len(unread_assertions(self.prompt)):
                tests += f", {unread} unreadable"
            return f"Your own prompt, {tests}"
        return f"{task.task_id}{', edited' if self.prompt != task.prompt else ''}"


def first_choice(experiment: Experiment | None) -> PlayChoice:
    """The choice that an experiment leads to, the demo's where there is none. Reads files."""
    experiment = experiment or _demo()
    choice = PlayChoice(perturbations=_perturbations(experiment))
    here = [info.name for info in catalog() if local_path(info) is not None]
    if experiment is not None:
        choice.baseline, choice.quantized = experiment.precisions.baseline, experiment.precisions.quantized[0]
        choice.generation, choice.max_new_tokens = experiment.generation, experiment.generation.max_new_tokens
        choice.seed, choice.device = experiment.seed, experiment.device
        choice.datasets = experiment.tasks.datasets
        here = [*(_name(model.id) for model in experiment.models), *here]
        choice.trusted = frozenset(_name(model.id) for model in experiment.models if model.trust_remote_code)
    choice.models = tuple(dict.fromkeys(here)) or (catalog()[0].name,)
    choice.model = choice.models[0]
    _pick_a_task(choice)
    return choice


def _demo() -> Experiment | None:
    try:
        return load_preset("demo")
    except QrtuiError:
        return None


def _name(id: str) -> str:
    """The name by which the catalog knows a model, else what the experiment calls it."""
    try:
        info = resolve(id)
    except QrtuiError:
        return id
    return info.name if info.catalogued else id


def _perturbations(experiment: Experiment | None) -> dict[str, Perturbation]:
    """None, the experiment's attacks and every other at its defaults, and the paper's levels of noise."""
    attacks = [*(experiment.attacks if experiment else ()), *ATTACKS.ready()]
    order = list(ATTACKS)
    attacks.sort(key=lambda attack: order.index(attack.kind()))
    noises = [Noise(kind="gaussian", level=level) for level in PAPER_LEVELS]
    choices = [CLEAN, *(Perturbation(attack=attack) for attack in attacks), *(Perturbation(noise=n) for n in noises)]
    return {chosen.label: chosen for chosen in choices}


def _pick_a_task(choice: PlayChoice) -> None:
    with contextlib.suppress(QrtuiError):
        tasks = load_tasks("demo")
        choice.picked = next((task for task in tasks if task.task_id == _SHORT_TASK), tasks[0])
        choice.prompt = choice.picked.prompt
