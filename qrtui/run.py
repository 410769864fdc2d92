"""The runner: executes an experiment on whatever thread calls it, and tells what happens by events.

It knows the experiment, the store, `emit` and a `Control`, and no screen. Everything it emits as made or judged is
committed already, so that ending the process at any moment loses no more than the batch in flight.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qrtui.attacking import made_with
from qrtui.control import Control
from qrtui.costs import completion_tokens
from qrtui.device_failures import is_device_lost, is_out_of_memory
from qrtui.errors import AttackError, ModelError, QrtuiError
from qrtui.events import (
    Ahead,
    ConditionStarted,
    Decoding,
    Event,
    Fetching,
    Generated,
    Judged,
    ModelLoaded,
    Notice,
    Paused,
    RunEnded,
    RunStarted,
    Stage,
)
from qrtui.fetching.child import StoppedError
from qrtui.fetching.progress import FetchProgress
from qrtui.generate.prompt_trial.trial import tried_meanwhile
from qrtui.judge.pool import JudgePool
from qrtui.judge.verdict import Verdict
from qrtui.judging import Judging, Place
from qrtui.models.catalog import local_path, resolve
from qrtui.models.device import device_type
from qrtui.models.fetch import fetch
from qrtui.models.model_info import ModelInfo
from qrtui.models.precisions import PRECISIONS
from qrtui.models.read_ahead import read_ahead
from qrtui.models.soundness import code_warning
from qrtui.perturb.dose import Dose
from qrtui.plan import Group, Job, Plan, completion_of, make_plan, select_tasks
from qrtui.preparing import prepare_attacks
from qrtui.results.environment import environment_of
from qrtui.results.records import RunStatus
from qrtui.results.store import Store
from qrtui.spec import Experiment, to_table

if TYPE_CHECKING:
    from qrtui.generate.sequence import Answer

__all__ = ["Control", "run"]

_HEARTBEAT_SECONDS = 0.25
_PATIENCE, _PATIENCE_WHEN_STOPPING = 600.0, 5.0
"""Seconds to wait for another program that writes to the database."""


def run(
    experiment: Experiment,
    database: Path,
    emit: Callable[[Event], None],
    control: Control,
    *,
    allow_unsafe_judge: bool = False,
) -> RunEnded:
    """Fetch, plan, generate and judge until all is done or `control` says stop; returns its last event.

    Blocks; opens its own store on `database`. A run that cannot go on ends with status `failed`, one whose device
    failed with `interrupted`, and the reason in one line: no QrtuiError is raised. An error that nobody can mend is
    noted with the run and passes through. An experiment that an earlier run left unfinished is taken up again.
    """
    runner: _Runner | None = None
    try:
        _fetch_missing(experiment, emit, control)
        emit(Stage("starting the judge"))
        # Before torch is imported: the judge's processes must inherit none of it.
        with Store(database) as store, JudgePool(allow_unsafe=allow_unsafe_judge) as pool:
            store.patience = _patience(emit, control)
            _prepare(experiment, store, emit, control)
            plan = make_plan(experiment, store)
            if plan.first:
                raise AttackError("an attack's data vanished while they were being used", "run it again")
            runner = _Runner(plan, store, pool, emit, control)
            with runner.noting_its_end():
                ended = runner.execute()
    except BaseException as error:
        status, reason = _ending(error)
        if reason is None:
            raise
        ended = RunEnded(runner.id if runner else None, status, reason)
    emit(ended)
    return ended


def _ending(error: BaseException) -> tuple[RunStatus, str | None]:
    """How a run stands that ended by `error`, and what to tell of it; None for what nobody can mend."""
    if isinstance(error, _Stopped):
        return "stopped", "resume it by running the same experiment again"
    if isinstance(error, QrtuiError):
        return "failed", str(error)
    if failure := _device_failure(error):
        return "interrupted", failure
    return "failed" if isinstance(error, Exception) else "stopped", None


def _patience(emit: Callable[[Event], None], control: Control) -> Callable[[float], bool]:
    """Whether to wait on for another program that writes to the database: what is made meanwhile is worth a while."""
    told = False

    def patient(waited: float) -> bool:
        nonlocal told
        if not told:
            told = True
            emit(Notice("another program is writing to the database: waiting for it"))
        return waited < (_PATIENCE_WHEN_STOPPING if control.stopping else _PATIENCE)

    return patient


def _device_failure(error: BaseException) -> str | None:
    """What to tell of an error of the device, after which the run can be resumed; None for any other error."""
    said = " ".join(str(error).split("\n", 1)[0].split()) or type(error).__name__
    if is_device_lost(error):
        return f"the GPU failed ({said}); leave qrtui and start it again: the same run goes on where it was"
    if is_out_of_memory(error):
        return f"the device ran out of memory ({said}); free some, then run the same again: it goes on where it was"
    return None


def _ahead(plan: Plan) -> Iterator[Ahead]:
    """What will be generated, in the order of the work."""
    tokens = completion_tokens(plan.experiment.generation)
    for group, seconds in zip(plan.groups, plan.expected, strict=True):
        if group.jobs:
            beside = len(group.decoded) - len(group.jobs)
            yield Ahead(group.model.name, group.precision, len(group.jobs), seconds, tokens, beside)


class _Stopped(Exception):  # noqa: N818 - not an error: the person asked for it
    """The control said stop."""


def _fetch_missing(experiment: Experiment, emit: Callable[[Event], None], control: Control) -> None:
    for choice in experiment.models:
        info = resolve(choice.id)
        if local_path(info) is None:
            emit(Stage(f"fetching {info.name}"))
            try:
                fetch(info, _fetching(info.name, emit), control.stop_event)
            except StoppedError:
                raise _Stopped from None
        if choice.trust_remote_code and (warning := code_warning(info)):
            emit(Notice(warning))


def _prepare(experiment: Experiment, store: Store, emit: Callable[[Event], None], control: Control) -> None:
    if experiment.attacks:
        tasks = [task for tasks in select_tasks(experiment).values() for task in tasks]
        try:
            prepare_attacks(
                experiment.attacks, tasks, store, experiment.seed, emit, control.stop_event, experiment.device
            )
        except StoppedError:
            raise _Stopped from None


def _fetching(model: str, emit: Callable[[Event], None]) -> Callable[[FetchProgress], None]:
    return lambda progress: emit(Fetching(model, progress.stage, progress.done, progress.total))


class _Runner:
    """One execution of a plan."""

    def __init__(
        self, plan: Plan, store: Store, pool: JudgePool, emit: Callable[[Event], None], control: Control
    ) -> None:
        self._plan, self._store, self._pool, self._emit, self._control = plan, store, pool, emit, control
        self._judging = Judging(pool, store, self._settle)
        self._places: dict[str, list[tuple[str, Place]]] = defaultdict(list)
        self._conditions: list[int] = []
        self._unjudged: Counter[int] = Counter()
        self._has_noise = bool(plan.experiment.noise.kinds)
        self._judged = self._generated = self._tokens = 0
        self._decoding_seconds = 0.0
        self._last_heartbeat = self._last_step = 0.0
        self.id: int | None = None

    @contextlib.contextmanager
    def noting_its_end(self) -> Iterator[None]:
        """Where the run ends by an error, note so in the store while the run is still held."""
        try:
            yield
        except BaseException as error:
            if _device_failure(error):
                logging.getLogger("qrtui.run").exception("the device failed")
            if self.id is not None:
                # Where not even this can be written, the run will be found interrupted.
                with contextlib.suppress(QrtuiError):
                    self._store.end_run(self.id, _ending(error)[0])
            raise

    def execute(self) -> RunEnded:
        """Do everything the plan says."""
        self._begin()
        with contextlib.ExitStack() as loaded:
            current: tuple[ModelInfo, str] | None = None
            model: Any = None
            groups = [group for group in self._plan.groups if group.jobs]
            for at, group in enumerate(groups):
                if current != (group.model, group.precision):
                    # Nothing may hold on to the last model while the next one is loaded.
                    model = None
                    loaded.close()
                    model = loaded.enter_context(self._model(group))
                    current = (group.model, group.precision)
                for following in groups[at + 1 : at + 2]:
                    if (following.model, following.precision) != current:
                        read_ahead(following.model)
                self._run_group(group, *model)
        while self._judging.wait(0.2):
            self._pass_gate()
        assert self.id is not None
        self._store.end_run(self.id, "finished")
        return RunEnded(self.id, "finished")

    def _begin(self) -> None:
        plan = self._plan
        attacked_with = made_with(plan.experiment.attacks, self._store)
        environment = environment_of(plan.device, self._pool.level, attacked_with)
        resumed = self._store.unfinished_run(plan.conditions) is not None
        self.id = self._store.begin_run(plan.experiment.name, to_table(plan.experiment), plan.conditions, environment)
        self._conditions = [record.id for record in self._store.conditions(self.id)]
        self._emit(
            RunStarted(
                self.id,
                plan.experiment.name,
                plan.total,
                plan.known,
                plan.to_generate,
                plan.device,
                self._pool.level,
                resumed,
                tuple(_ahead(plan)),
            )
        )
        self._place_results()

    def _place_results(self) -> None:
        """Note where each completion is wanted, and judge those that are known."""
        for condition, row in zip(self._plan.conditions, self._conditions, strict=True):
            for result in condition.results:
                place = Place(row, result.task, result.sample)
                self._places[result.key].append((result.task_hash, place))
                self._unjudged[row] += 1
        for key in self._store.known(self._places):
            self._pass_gate()
            self._judge(key, self._store.solution(key) or "")

    def _run_group(self, group: Group, loaded: Any, carrier: Any) -> None:
        """Make the completions of one state of the weights."""
        noise = group.perturbation.noise
        if noise is None:
            self._start_conditions(group, None)
            self._generate(group, loaded, None)
            return
        self._emit(Stage(f"adding {noise.label} noise to {group.model.name} in {group.precision}"))
        with carrier.carrying(noise) as dose:
            self._start_conditions(group, dose)
            self._generate(group, loaded, dose)

    def _start_conditions(self, group: Group, dose: Dose | None) -> None:
        for at in group.conditions:
            condition, row = self._plan.conditions[at], self._conditions[at]
            wanted = {result.key for result in condition.results}
            to_generate = sum(job.key in wanted for job in group.jobs)
            self._emit(
                ConditionStarted(
                    row,
                    condition.model,
                    condition.precision,
                    condition.perturbation,
                    condition.dataset,
                    to_generate,
                    dose,
                )
            )

    def _generate(self, group: Group, loaded: Any, dose: Dose | None) -> None:
        from qrtui.generate.produce import produce
        from qrtui.generate.sequence import Cancelled

        settings = self._plan.experiment.generation
        missing = frozenset(job.key for job in group.jobs)
        self._emit(Stage(f"generating with {group.model.name} in {group.precision}"))
        self._last_step = time.monotonic()
        try:
            made = produce(
                loaded,
                group.decoded,
                settings,
                self._on_token,
                lambda text: self._emit(Notice(text)),
                lambda job: job.key in missing,
            )
            # Closed whatever happens: the weights are as they were only then.
            with contextlib.closing(made):
                for job, answer in made:
                    self._keep(job, answer, loaded.footprint, dose)
        except Cancelled:
            raise _Stopped from None

    def _keep(self, job: Job, answer: Answer, memory: int, dose: Dose | None) -> None:
        completion = completion_of(job, answer, memory, dose)
        key = self._store.add_completion(completion)
        self._generated += 1
        self._emit(Generated(key, answer.tokens, answer.seconds, self._generated, self._plan.to_generate))
        # Another program may have made the same completion meanwhile: the one that is kept counts.
        self._judge(key, self._store.solution(key) or "")

    def _judge(self, key: str, solution: str) -> None:
        for task_hash, place in self._places[key]:
            self._judging.submit(self._plan.tasks[task_hash], solution, place)

    def _settle(self, place: Place, verdict: Verdict) -> None:
        self._judged += 1
        self._unjudged[place.condition] -= 1
        if not self._unjudged[place.condition]:
            self._store.keep_outcomes(place.condition)
        self._emit(Judged(place.condition, place.task, place.sample, verdict, self._judged, self._plan.total))

    def _on_token(self, active: int) -> None:
        """Before every token: obey the control, keep verdicts, give a sign of life."""
        from qrtui.generate.sequence import Cancelled

        now = time.monotonic()
        self._decoding_seconds += now - self._last_step
        self._tokens += active
        if now - self._last_heartbeat > _HEARTBEAT_SECONDS:
            self._last_heartbeat = now
            self._judging.collect()
            self._emit(Decoding(self._tokens, self._decoding_seconds, active))
        try:
            self._pass_gate()
        except _Stopped:
            raise Cancelled from None
        self._last_step = time.monotonic()

    def _pass_gate(self) -> None:
        """Wait while paused; raise _Stopped if told to stop."""
        if self._control.paused:
            self._emit(Paused(True))
            while self._control.paused:
                self._control.wait_while_paused(0.2)
                self._judging.collect()
            self._emit(Paused(False))
        if self._control.stopping:
            raise _Stopped

    @contextlib.contextmanager
    def _model(self, group: Group) -> Iterator[tuple[Any, Any]]:
        """The model of a group, loaded for as long as groups need it, and what gives it noise."""
        self._pass_gate()
        self._emit(Stage(f"loading {group.model.name} in {group.precision}"))
        choice, carrier = group.choice, None
        prompts = [job for other in self._plan.groups if other.model == group.model for job in other.decoded]
        with tried_meanwhile(group.model, prompts, self._pass_gate, trusted=choice.trust_remote_code):
            from qrtui.quiet import quiet_libraries

            # Some of them talk while they are imported.
            quiet_libraries()
            from qrtui.models.load import load, unload
            from qrtui.perturb.weights import NoiseCarrier

        device = self._plan.experiment.device
        loaded = load(group.model, PRECISIONS[group.precision], device, trust_remote_code=choice.trust_remote_code)
        try:
            if device_type(loaded.device) != device_type(self._plan.device):
                raise ModelError(
                    f"the run is planned for {self._plan.device} but torch loads on {loaded.device}",
                    'set device = "cpu" in the preset, or mend the driver (qrtui doctor)',
                )
            self._emit(
                ModelLoaded(group.model.name, group.precision, loaded.device, loaded.footprint, loaded.load_seconds)
            )
            carrier = NoiseCarrier(loaded.model, loaded.original) if self._has_noise else None
            yield loaded, carrier
        finally:
            if carrier is not None:
                carrier.release()
            unload(loaded)
