"""A turn: one prompt, clean or attacked, for the original and for the quantized model; and what it asks of them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from qrtui.attacking import Attacker
from qrtui.errors import PresetError
from qrtui.generate.prompt import choose_style
from qrtui.generate.settings import Generation
from qrtui.models.catalog import resolve, revision, uses_chat_template
from qrtui.models.device import device_type, resolve_device
from qrtui.models.model_info import ModelInfo
from qrtui.perturb.attack import AttackedPrompt
from qrtui.plan import Job, determinants_of
from qrtui.playground.own_task import is_own
from qrtui.results.store import Store
from qrtui.spec import CLEAN, Experiment, ModelChoice, NoiseGrid, Perturbation, Precisions, TaskSelection
from qrtui.tasks.task import Task


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What is put to the two models.

    `prompt` is the text before any attack; `task` is what judges (see `task_of`), and stays the data set's own where
    the prompt was edited. `seed` decides the attack's choices; noise carries its own.
    """

    model: ModelChoice
    baseline: str = "fp32"
    quantized: str = "int8"
    prompt: str
    task: Task
    perturbation: Perturbation = CLEAN
    seed: int = 0
    device: str = "auto"
    generation: Generation = Generation()

    @property
    def precisions(self) -> tuple[str, str]:
        """The original's and the quantized model's."""
        return self.baseline, self.quantized

    @property
    def is_edited(self) -> bool:
        """Whether the prompt is no longer the one of its data set."""
        return not is_own(self.task) and self.prompt != self.task.prompt

    def clean(self) -> Turn:
        """The same without attack and noise."""
        return msgspec.structs.replace(self, perturbation=CLEAN)

    def experiment(self) -> Experiment:
        """The turn as an experiment that is called `playground`."""
        attack, noise = self.perturbation.attack, self.perturbation.noise
        how = " an edited prompt of" if self.is_edited else ""
        return Experiment(
            name="playground",
            description=f"kept from the Playground:{how} {self.task.task_id}",
            seed=self.seed,
            device=self.device,
            models=(self.model,),
            precisions=Precisions(baseline=self.baseline, quantized=(self.quantized,)),
            tasks=TaskSelection(tasks=(self.task.task_id,)),
            attacks=(attack,) if attack else (),
            noise=NoiseGrid(kinds=(noise.kind,), levels=(noise.level,), protocols=(noise.protocol,))
            if noise
            else NoiseGrid(),
            generation=self.generation,
        )


class Asked(NamedTuple):
    """A turn with everything that determines its two completions: the original's job, then the quantized model's."""

    turn: Turn
    info: ModelInfo
    device: str
    prompt: str
    jobs: tuple[Job, Job]


def attacked(turn: Turn, attacker: Attacker) -> AttackedPrompt | None:
    """The turn's prompt before and after its attack, the same without one; None where the attack lacks data.

    A data set's task gets what a run with the same seed gives it.
    """
    if turn.perturbation.attack is None:
        return AttackedPrompt(turn.prompt, turn.prompt, [])
    task_id = "" if is_own(turn.task) else turn.task.task_id
    return attacker.attack_text(turn.perturbation.attack, turn.prompt, task_id)


def ask(turn: Turn, store: Store) -> Asked | None:
    """What the turn asks of its models; None where its attack lacks data. Raises QrtuiError for what does not exist."""
    if turn.baseline == turn.quantized:
        raise PresetError(f"{turn.baseline} would be compared with itself", "pick another precision for one side")
    info, device = resolve(turn.model.id), resolve_device(turn.device)
    changed = attacked(turn, Attacker(store, turn.seed))
    if changed is None:
        return None
    style = choose_style(turn.generation.prompt, has_chat_template=uses_chat_template(info))
    weights = revision(info) or f"not here: {info.name}"
    original, quantized = (
        determinants_of(
            weights,
            precision,
            style,
            turn.generation,
            device_type(device),
            prompt=changed.after,
            noise=turn.perturbation.noise,
            seed=turn.seed,
        )
        for precision in turn.precisions
    )
    jobs = (
        Job(task=turn.task, determinants=original, style=style, seed=turn.seed),
        Job(task=turn.task, determinants=quantized, style=style, seed=turn.seed),
    )
    return Asked(turn, info, device, changed.after, jobs)
