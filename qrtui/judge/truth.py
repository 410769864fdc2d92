"""Ground truth: what a task's reference solution answers, computed in the sandbox, kept on disk."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from qrtui import paths
from qrtui.errors import JudgeError
from qrtui.judge import compare
from qrtui.judge.answers import Digest, calls_as_json, error_of, seconds_of, solution_job, value_of
from qrtui.judge.judging import REFERENCE_ANSWERS, REFERENCE_SECONDS, Truth
from qrtui.judge.launch import Limits, SessionEnded, Zygote
from qrtui.judge.relay import CheckRelay
from qrtui.judge.values import decode, encode
from qrtui.judge.verdict import JUDGE_VERSION
from qrtui.tasks.task import Task
from qrtui.whole_file import write_whole

_ALL_REFERENCE_SECONDS = 120.0


def truth_of(zygote: Zygote, task: Task, key: str) -> Truth:
    """The truth of the task with content hash `key`. Raises JudgeError where the reference itself fails."""
    file = paths.cache("ground-truth") / f"{key}.json"
    known = _read(file, task)
    if known is not None:
        return known
    truth = _from_check(zygote, task) if task.test else _from_reference(zygote, task)
    _write(file, truth)
    return truth


def _from_reference(zygote: Zygote, task: Task) -> Truth:
    inputs = [*task.base_input, *task.plus_input]
    if not inputs:
        raise JudgeError(f"task {task.task_id} has no tests", "give it base_input or a test program")
    try:
        return _answers(zygote, task, inputs)
    except SessionEnded as ended:
        if ended.status != "crashed":
            raise _broken(task, ended.error or ended.status) from ended
    # If its child was killed from outside, that is no fault of the reference's.
    try:
        return _answers(zygote, task, inputs)
    except SessionEnded as ended:
        raise _broken(task, ended.error or ended.status) from ended


def _answers(zygote: Zygote, task: Task, inputs: list[Any]) -> Truth:
    session = zygote.session(Limits(_ALL_REFERENCE_SECONDS, answers=REFERENCE_ANSWERS))
    values, seconds = [], []
    try:
        job = solution_job(task.reference, task.entry_point)
        session.start(job, calls_as_json(inputs, [REFERENCE_SECONDS] * len(inputs)))
        _succeeded(task, session.answer(_ALL_REFERENCE_SECONDS))
        for _ in inputs:
            answer = _succeeded(task, session.answer(_ALL_REFERENCE_SECONDS))
            values.append(compare.expected_of(task.task_id, task.entry_point, value_of(answer)))
            seconds.append(seconds_of(answer))
    finally:
        zygote.end()
    return Truth(values, seconds)


def _from_check(zygote: Zygote, task: Task) -> Truth:
    """How long calls take the reference. One that fails its check tells nothing, and is no hindrance."""
    limits = Limits(_ALL_REFERENCE_SECONDS)
    relay = CheckRelay(task, REFERENCE_SECONDS)
    try:
        relay.run(zygote.session(limits), zygote.session(limits), task.reference)
    except SessionEnded:
        return Truth([], [0.0])
    finally:
        zygote.end()
    return Truth([], [relay.slowest])


def _succeeded(task: Task, answer: dict[str, Any]) -> dict[str, Any]:
    if "status" in answer:
        raise _broken(task, error_of(answer) or str(answer["status"]))
    return answer


def _broken(task: Task, why: str) -> JudgeError:
    return JudgeError(
        f"the reference solution of {task.task_id} fails on the task's own inputs ({why})",
        "mend the task's file or leave the task out",
    )


def _read(file: Path, task: Task) -> Truth | None:
    try:
        kept = json.loads(file.read_bytes())
        if kept["judge"] != JUDGE_VERSION:
            return None
        truth = Truth([_revived(value) for value in kept["values"]], list(kept["seconds"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    calls = 0 if task.test else len(task.base_input) + len(task.plus_input)
    fits = len(truth.values) == calls and len(truth.seconds) == (1 if task.test else calls)
    return truth if fits else None


def _kept(value: Any) -> Any:
    return {"digest": value.sha256} if isinstance(value, Digest) else encode(value)


def _revived(data: Any) -> Any:
    if isinstance(data, dict) and "digest" in data:
        return Digest(data["digest"])
    return decode(data)


def _write(file: Path, truth: Truth) -> None:
    """Keep it for the user alone. A cache that cannot be written costs time, nothing else."""
    content = {
        "judge": JUDGE_VERSION,
        "values": [_kept(value) for value in truth.values],
        "seconds": truth.seconds,
    }
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, json.dumps(content))
