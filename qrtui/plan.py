"""From an experiment to the completions it needs, less those that the store already knows. Loads no model."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from qrtui.attacking import Attacker
from qrtui.costs import generating_seconds, largest_weights, peak
from qrtui.counting import counted
from qrtui.errors import AbsentDataSetError, PresetError, TaskError, nearest
from qrtui.generate.prompt import PROMPT_VERSION, Style, choose_style
from qrtui.generate.settings import Generation
from qrtui.models.catalog import resolve, revision, uses_chat_template
from qrtui.models.device import device_type, library_versions, resolve_device
from qrtui.models.model_info import ModelInfo
from qrtui.models.precisions import PRECISIONS
from qrtui.models.soundness import refuse_unsound
from qrtui.perturb.attack import Attack
from qrtui.perturb.noise import NOISE_VERSION, Noise
from qrtui.results.records import Completion, Determinants, PlannedCondition, PlannedResult
from qrtui.results.store import Store
from qrtui.spec import Experiment, ModelChoice, Perturbation
from qrtui.tasks.datasets import dataset_of, find_task, load_tasks, stand_ins
from qrtui.tasks.task import Task

if TYPE_CHECKING:
    from qrtui.generate.sequence import Answer
    from qrtui.perturb.dose import Dose


class Job(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """One completion to make: what determines it, and how it is asked for and ended."""

    task: Task
    determinants: Determinants
    style: Style
    seed: int

    @cached_property
    def key(self) -> str:
        """The key of the completion in the store."""
        return self.determinants.key()


def completion_of(job: Job, answer: Answer, memory: int, dose: Dose | None) -> Completion:
    """The completion to keep of a job's answer, with the program that post-processing makes of it.

    `memory` is the size of the model's weights in bytes, `dose` the noise they carried.
    """
    from qrtui.generate.solution import solution_of

    return Completion(
        determinants=job.determinants,
        text=answer.text,
        solution=solution_of(job.task, job.determinants.prompt, answer.text, job.style),
        finish=answer.finish,
        tokens=answer.tokens,
        seconds=answer.seconds,
        memory=memory,
        dose=dose,
    )


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions that run on the same weights: one model in one precision under one noise (or none).

    `conditions` are places in `Plan.conditions`; `jobs` are the distinct completions that are not in the store yet, in
    the conditions' order. `again` are `jobs` and those known ones, in the same order, that an interrupted run began
    them with, in a precision whose completions depend on their batch: made again, the missing ones come out as in an
    unbroken run. It is empty where there is nothing to make again.
    """

    model: ModelInfo
    choice: ModelChoice
    precision: str
    perturbation: Perturbation
    conditions: list[int]
    jobs: list[Job]
    again: list[Job] = []

    @property
    def decoded(self) -> list[Job]:
        """All that is decoded to have `jobs`."""
        return self.again or self.jobs


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run will do.

    `total` results are needed; `to_generate` distinct completions are still to be made for them, `known` is the rest.
    `expected` are the seconds that each group is estimated to take (None where nothing is known of it), `memory` the
    bytes of the largest model to be loaded, `peak` what `generate.peak` says is held at most (None for models that are
    not here).
    `to_fetch` names language data that attacks need and that is not here, `to_translate` counts sentences by
    translation engine: until then the prompts made of them are not known, and so none of their completions. `absent`
    says of each data set that could not be had what to do about it: a plan with absent ones counts and cannot be run.
    """

    experiment: Experiment
    device: str
    conditions: list[PlannedCondition]
    groups: list[Group]
    tasks: dict[str, Task]
    total: int
    to_generate: int
    expected: list[float | None]
    memory: int | None
    peak: int | None = None
    to_fetch: list[str] = []
    to_translate: dict[str, int] = {}
    absent: dict[str, str] = {}

    @property
    def known(self) -> int:
        """Results that need no generating: in the store already, or the same completion as another's."""
        return self.total - self.to_generate

    @property
    def seconds(self) -> float | None:
        """What generating is estimated to take; None where nothing is known of some group."""
        known = [seconds for seconds in self.expected if seconds is not None]
        return round(sum(known), 1) if len(known) == len(self.expected) else None

    @property
    def first(self) -> list[str]:
        """What must be had before generating, as phrases: `fetch wordnet`, `translate 12 sentences with mbart-50`."""
        translations = [
            f"translate {counted(count, 'sentence')} with {engine}" for engine, count in self.to_translate.items()
        ]
        data_sets = [
            f"get {', '.join(name for name in self.absent if self.absent[name] == way_out)} ({way_out})"
            for way_out in dict.fromkeys(self.absent.values())
        ]
        return [*data_sets, *(f"fetch {name}" for name in self.to_fetch), *translations]

    def numbers(self) -> dict[str, Any]:
        """The plan's JSON: conditions, completions, to_do, known, seconds, bytes, to_fetch, to_translate, absent."""
        return {
            "conditions": len(self.conditions),
            "completions": self.total,
            "to_do": self.to_generate,
            "known": self.known,
            "seconds": self.seconds,
            "bytes": self.peak or self.memory,
            "to_fetch": self.to_fetch,
            "to_translate": self.to_translate,
            "absent": self.absent,
        }


def make_plan(experiment: Experiment, store: Store, *, counting: bool = False) -> Plan:
    """The plan of an experiment against what `store` knows.

    Raises QrtuiError for a model, device or task that does not exist. A model that is not here yet can be planned: none
    of its completions is known. `counting` plans without a data set that cannot be had, too: the plan then names it as
    absent, and its counts are right as long as the data set has as many tasks as it is known to have.
    """
    device = resolve_device(experiment.device)
    absent: dict[str, str] = {}
    selected = select_tasks(experiment, absent if counting else None)
    attacker = Attacker(store, experiment.seed)
    planner = _Planner(experiment, selected, device_type(device), attacker, absent)
    for choice in experiment.models:
        planner.add_model(choice)
    known = store.known(job.key for group in planner.groups for job in group.jobs)
    groups, to_generate = _still_to_do(planner.groups, known)
    if known and experiment.generation.batch_size != 1:
        groups = _in_their_batches(planner, groups, known, store)
    return Plan(
        experiment=experiment,
        device=device,
        conditions=planner.conditions,
        groups=groups,
        tasks={task.content_hash: task for tasks in selected.values() for task in tasks},
        total=sum(len(condition.results) for condition in planner.conditions),
        to_generate=to_generate,
        expected=generating_seconds(groups, store, device_type(device)),
        memory=largest_weights(planner.groups, device_type(device)),
        peak=peak(planner.groups, experiment.generation, device),
        to_fetch=attacker.lacking_assets,
        to_translate={engine: len(found) for engine, found in attacker.lacking_sentences.items()},
        absent=absent,
    )


def select_tasks(experiment: Experiment, absent: dict[str, str] | None = None) -> dict[str, list[Task]]:
    """The picked tasks by data set, in the data sets' own order. Raises TaskError and PresetError.

    Where `absent` is given, it takes what to do about each data set that cannot be had, and stand-ins are picked.
    """
    selection = experiment.tasks
    wanted = {task_id.lower(): task_id for task_id in selection.tasks}
    datasets = selection.datasets or tuple(dict.fromkeys(dataset_of(task_id) for task_id in selection.tasks))
    picked = {
        dataset: [task for task in _load(dataset, absent) if not wanted or task.task_id.lower() in wanted]
        for dataset in datasets
    }
    found = {task.task_id.lower() for tasks in picked.values() for task in tasks}
    for key, task_id in wanted.items():
        if key not in found:
            _refuse_missing(task_id, selection.datasets)
    return {dataset: tasks[: selection.limit] for dataset, tasks in picked.items() if tasks}


def _load(dataset: str, absent: dict[str, str] | None) -> list[Task]:
    try:
        return load_tasks(dataset)
    except AbsentDataSetError as error:
        if absent is None:
            raise
        absent[dataset] = error.way_out
        return stand_ins(dataset)


def _refuse_missing(task_id: str, datasets: tuple[str, ...]) -> None:
    if not datasets:
        find_task(task_id)
    ids = [task.task_id for dataset in datasets for task in load_tasks(dataset)]
    where = ", ".join(datasets)
    raise TaskError(
        f"there is no task {task_id!r} in {where}",
        nearest(task_id, ids) or f"{where} has {ids[0]} to {ids[-1]}",
    )


class _Planner:
    """Builds conditions in the order tables print them, and groups in the order the runner works."""

    def __init__(
        self,
        experiment: Experiment,
        selected: dict[str, list[Task]],
        device: str,
        attacker: Attacker,
        absent: Container[str],
    ) -> None:
        self._experiment, self._selected, self._device = experiment, selected, device
        self._attacker, self._absent = attacker, absent
        self._prompts: dict[tuple[str, str], str] = {}
        self.conditions: list[PlannedCondition] = []
        self.groups: list[Group] = []

    def add_model(self, choice: ModelChoice) -> None:
        """Plan every precision of a model."""
        info = resolve(choice.id)
        if info.name in {group.model.name for group in self.groups}:
            raise PresetError(f"models: {choice.id!r} is {info.name}, which is picked already", "keep one of them")
        refuse_unsound(info)
        has_template = uses_chat_template(info)
        if self._experiment.generation.prompt == "chat" and not has_template:
            raise PresetError(
                f"generation.prompt: {info.name} has no chat template", 'write prompt = "auto" or "completion"'
            )
        style = choose_style(self._experiment.generation.prompt, has_chat_template=has_template)
        weights = revision(info) or f"not here: {info.name}"
        for precision in self._experiment.precisions.all:
            groups: dict[str, Group] = {}
            for dataset, tasks in self._selected.items():
                for perturbation in self._experiment.perturbations():
                    jobs = list(self._jobs(tasks, perturbation, weights, precision, style))
                    self._add_condition(info, choice, precision, dataset, perturbation, jobs, groups)
            self.groups += groups.values()

    def _add_condition(
        self,
        info: ModelInfo,
        choice: ModelChoice,
        precision: str,
        dataset: str,
        perturbation: Perturbation,
        jobs: list[Job],
        groups: dict[str, Group],
    ) -> None:
        noise = self._noise(perturbation, precision)
        weights = noise.label if noise else "clean"
        shared = Perturbation(noise=noise)
        empty = Group(model=info, choice=choice, precision=precision, perturbation=shared, conditions=[], jobs=[])
        group = groups.setdefault(weights, empty)
        group.conditions.append(len(self.conditions))
        group.jobs.extend(jobs)
        self.conditions.append(
            PlannedCondition(
                model=info.name,
                precision=precision,
                is_baseline=precision == self._experiment.precisions.baseline,
                dataset=dataset,
                perturbation=perturbation.label,
                results=[
                    PlannedResult(
                        job.task.task_id,
                        job.determinants.sample,
                        job.task.content_hash,
                        job.determinants.prompt,
                        job.key,
                    )
                    for job in jobs
                ],
            )
        )

    def _prompt(self, task: Task, attack: Attack | None, label: str) -> str:
        if attack is None:
            return task.prompt
        key = (label, task.content_hash)
        if key not in self._prompts:
            after = self._attacked(task, attack)
            self._prompts[key] = f"not here yet: {label} of {task.prompt}" if after is None else after
        return self._prompts[key]

    def _attacked(self, task: Task, attack: Attack) -> str | None:
        if task.dataset in self._absent:
            self._attacker.need(attack)
            return None
        attacked = self._attacker.attack(attack, task)
        return attacked.after if attacked else None

    @staticmethod
    def _noise(perturbation: Perturbation, precision: str) -> Noise | None:
        """The noise as it is put on this precision's weights: one for all protocols where nothing is quantized."""
        noise = perturbation.noise
        return noise.on(quantized=PRECISIONS[precision].quantized) if noise else None

    def _jobs(
        self, tasks: list[Task], perturbation: Perturbation, weights: str, precision: str, style: Style
    ) -> Iterator[Job]:
        settings, seed = self._experiment.generation, self._experiment.seed
        shared = determinants_of(weights, precision, style, settings, self._device, noise=perturbation.noise, seed=seed)
        label = perturbation.label
        for task in tasks:
            prompt = self._prompt(task, perturbation.attack, label)
            for sample in range(settings.samples):
                determinants = msgspec.structs.replace(shared, prompt=prompt, sample=sample)
                yield Job(task=task, determinants=determinants, style=style, seed=_sample_seed(seed, task, sample))


def determinants_of(
    weights: str,
    precision: str,
    style: Style,
    settings: Generation,
    device: str,
    *,
    prompt: str = "",
    noise: Noise | None = None,
    seed: int = 0,
) -> Determinants:
    """All that determines a model's first completion of a prompt.

    `weights` is the model's revision, `device` its kind (`cpu` or `cuda`), `noise` as a person asked for it: where
    nothing is quantized its protocols are one. `seed` matters above temperature 0 alone.
    """
    recipe = PRECISIONS[precision]
    noise = noise.on(quantized=recipe.quantized) if noise else None
    versions = library_versions(quantized=recipe.quantized) | {"prompt": PROMPT_VERSION}
    if noise:
        versions["noise"] = NOISE_VERSION
    # Where a completion depends on what is decoded with it, one decoded by itself is another.
    alone = {"batch_size": 1} if recipe.sees_batch and settings.batch_size == 1 else {}
    return Determinants(
        revision=weights,
        precision=precision,
        dtype=recipe.dtype_on(device),
        noise=msgspec.to_builtins(noise),
        prompt=prompt,
        style=style,
        settings={**settings.determining(), **alone},
        seed=seed if settings.temperature > 0 else 0,
        sample=0,
        device=device,
        versions=versions,
    )


def _sample_seed(seed: int, task: Task, sample: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{task.task_id}/{sample}".encode()).digest()[:7], "big")


def _still_to_do(groups: list[Group], known: set[str]) -> tuple[list[Group], int]:
    """The groups with each unknown completion once: in the first place that needs it."""
    claimed = set(known)
    remaining = []
    for group in groups:
        jobs = []
        for job in group.jobs:
            if job.key not in claimed:
                claimed.add(job.key)
                jobs.append(job)
        remaining.append(msgspec.structs.replace(group, jobs=jobs))
    return remaining, sum(len(group.jobs) for group in remaining)


def _in_their_batches(planner: _Planner, groups: list[Group], known: set[str], store: Store) -> list[Group]:
    """The groups with all that an interrupted run began their completions together with, where that matters."""
    torn = [bool(group.jobs) and PRECISIONS[group.precision].sees_batch for group in groups]
    run = store.unfinished_run(planner.conditions) if any(torn) else None
    if run is None:
        return groups
    keys = (job.key for group, is_torn in zip(planner.groups, torn, strict=True) if is_torn for job in group.jobs)
    begun, _ = _still_to_do(planner.groups, known - store.known_since(run, keys))
    return [
        msgspec.structs.replace(group, again=whole.jobs) if is_torn and len(whole.jobs) > len(group.jobs) else group
        for group, whole, is_torn in zip(groups, begun, torn, strict=True)
    ]
