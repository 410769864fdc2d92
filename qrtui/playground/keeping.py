"""Keeps a turn in the store as a run of one task, so that it opens in Compare and History."""

from __future__ import annotations

from qrtui.attacking import made_with
from qrtui.errors import StoreError
from qrtui.playground.turn import Asked, Turn, ask
from qrtui.results.environment import environment_of
from qrtui.results.records import PlannedCondition, PlannedResult
from qrtui.results.store import Store
from qrtui.spec import to_table


def keep(store: Store, turn: Turn) -> int:
    """Note the turn as a run called `playground`; returns the run's number.

    Its conditions are the turn's two, and the two without the perturbation where both of those completions are known
    as well. Raises StoreError where the turn was not played to its end.
    """
    this = _played(store, turn)
    if this is None:
        raise StoreError("this turn was not played to its end", "start it and keep it once both sides have ended")
    clean = _played(store, turn.clean()) if turn != turn.clean() else None
    conditions = [_condition(asked, side) for side in (0, 1) for asked in (clean, this) if asked is not None]
    experiment = turn.experiment()
    environment = environment_of(this.device, _judge_level(store, this), made_with(experiment.attacks, store))
    run = store.begin_run(experiment.name, to_table(experiment), conditions, environment)
    store.end_run(run, "finished")
    return run


def is_known(store: Store, turn: Turn) -> bool:
    """Whether playing the turn would only show what is in the store."""
    return _played(store, turn) is not None


def _played(store: Store, turn: Turn) -> Asked | None:
    """What the turn asked, if both of its completions are in the store."""
    asked = ask(turn, store)
    keys = {job.key for job in asked.jobs} if asked else set()
    return asked if keys and store.known(keys) == keys else None


def _condition(asked: Asked, side: int) -> PlannedCondition:
    job, task = asked.jobs[side], asked.turn.task
    return PlannedCondition(
        model=asked.info.name,
        precision=asked.turn.precisions[side],
        is_baseline=side == 0,
        dataset=task.dataset,
        perturbation=asked.turn.perturbation.label,
        results=[PlannedResult(task.task_id, 0, task.content_hash, asked.prompt, job.key)],
    )


def _judge_level(store: Store, asked: Asked) -> str | None:
    for job in asked.jobs:
        verdict = store.verdict(store.solution(job.key) or "", asked.turn.task.content_hash)
        if verdict is not None:
            return verdict.level
    return None
