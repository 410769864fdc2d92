"""A run's programs as EvalPlus' samples: a file for each condition, for `evalplus.evaluate` or `qrtui judge`."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import msgspec

from qrtui.results.exchange.lines import ExchangeError
from qrtui.results.exchange.whole import new_file, new_folder
from qrtui.results.records import ConditionRecord, RunRecord
from qrtui.results.store import Store
from qrtui.tasks.datasets import TASK_COUNTS

_EVALPLUS = {"humaneval": "humaneval", "humaneval+": "humaneval", "mbpp": "mbpp", "mbpp+": "mbpp"}


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was written: of `planned` results it holds the `programs` that are there, of `tasks` tasks."""

    path: Path
    condition: ConditionRecord
    programs: int
    planned: int
    tasks: int

    @property
    def check(self) -> str:
        """How to have such a file judged, and in words why where that is not by EvalPlus."""
        dataset = self.condition.dataset
        name = _EVALPLUS.get(dataset)
        if name and self.tasks == TASK_COUNTS[dataset]:
            return f"evalplus.evaluate --dataset {name} --samples FILE"
        if name:
            of = f"{self.tasks} of {TASK_COUNTS[dataset]}"
            return f"qrtui judge FILE --dataset {dataset}   (evalplus.evaluate wants every task, and here are {of})"
        given = "--dataset demo" if dataset == "demo" else f"--tasks {shlex.quote(dataset)}"
        return f"qrtui judge FILE {given}   ({dataset} is none of EvalPlus' data sets)"


def export_samples(store: Store, run: RunRecord, path: Path, number: int | None = None) -> list[Samples]:
    """Write `{"task_id", "solution"}` lines: into the folder `path` a file for each condition, or, if `path` ends in
    `.jsonl`, those of the one condition (`number` counts from 1) into that file.

    A result without a completion yet has no line; several samples of a task are several lines. Raises ExchangeError
    where `path` is there already or cannot be written, or where it is not clear which condition is meant.
    """
    conditions = store.conditions(run.id)
    chosen = _chosen(conditions, number, run)
    if path.suffix == ".jsonl":
        if len(chosen) != 1:
            raise ExchangeError(
                f"run {run.id} has {len(chosen)} conditions, and a samples file holds one",
                "give a folder, or pick one with --condition N (they count from 1, as in qrtui report)",
            )
        with new_file(path) as unfinished:
            return [_write(store, chosen[0], unfinished, path)]
    with new_folder(path) as unfinished:
        names = {condition.id: _file_name(at, condition) for at, condition in enumerate(conditions, start=1)}
        return [_write(store, each, unfinished / names[each.id], path / names[each.id]) for each in chosen]


def _chosen(conditions: Sequence[ConditionRecord], number: int | None, run: RunRecord) -> Sequence[ConditionRecord]:
    if number is None:
        return conditions
    if not 1 <= number <= len(conditions):
        raise ExchangeError(f"run {run.id} has no condition {number}", f"they count from 1 to {len(conditions)}")
    return conditions[number - 1 : number]


def _write(store: Store, condition: ConditionRecord, written: Path, path: Path) -> Samples:
    planned, programs, tasks = 0, 0, set()
    rows = store.rows(
        "SELECT r.task, g.solution FROM results r LEFT JOIN completions g ON g.key = r.completion"
        " WHERE r.condition = ? ORDER BY r.position, r.sample",
        [condition.id],
    )
    with written.open("w", encoding="utf-8") as stream:
        for task, solution in rows:
            planned += 1
            if solution is not None:
                stream.write(json.dumps({"task_id": task, "solution": solution}) + "\n")
                programs += 1
                tasks.add(task)
    return Samples(path=path, condition=condition, programs=programs, planned=planned, tasks=len(tasks))


def _file_name(number: int, condition: ConditionRecord) -> str:
    """A name that is safe in every folder, whatever models and data sets are called; the number keeps names apart.

    >>> _unsafe.sub("-", "../org/model 1")
    '..-org-model-1'
    """
    parts = (condition.model, condition.dataset.rpartition("/")[2], condition.precision, condition.perturbation)
    words = "_".join(_unsafe.sub("-", part) for part in parts)
    return f"{number:02}_{words[:150]}.jsonl"


_unsafe = re.compile(r"[^A-Za-z0-9.+-]+")
