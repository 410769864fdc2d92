"""A run read column by column: under one condition, what became of every task. Texts are read on request only."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from qrtui.judge.verdict import JUDGE_VERSION
from qrtui.perturb.dose import Dose
from qrtui.results.records import Case, ConditionRecord
from qrtui.results.store import Store
from qrtui.tasks.datasets import scored_by_plus

_ColumnRow = tuple[str, str, str | None, str | None, str | None]
_NO_FAULT = (None, "passed", "failed")

# The indices named here hold all that is asked: without them the rows' long texts are read too.
_STATUSES = """
    LEFT JOIN completions g INDEXED BY completions_numbers ON g.key = r.completion
    LEFT JOIN verdicts v INDEXED BY verdicts_statuses
      ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash AND v.judge_version = ?
"""


class Cell(NamedTuple):
    """One task under one condition.

    `status` is that of the first sample that did not pass, else `passed`; None while nothing is judged. Of `samples`
    completions `judged` are judged, `passes` of which passed. `faulty` says that one ended otherwise than by passing or
    failing its tests: out of time, crashed, without the function, without finite numbers.
    """

    status: str | None
    passes: int
    judged: int
    samples: int
    faulty: bool

    @property
    def passed(self) -> bool | None:
        """Whether all that is judged passed; None while nothing is."""
        return self.passes == self.judged if self.judged else None

    @property
    def mixed(self) -> bool:
        """Whether some samples passed and others did not."""
        return 0 < self.passes < self.judged


UNKNOWN = Cell(None, 0, 0, 0, False)


class Column(msgspec.Struct, frozen=True):
    """A condition's tasks in the run's order, with their cells and the prompts' hashes.

    `faulty` are the tasks whose cells are; `complete` says that every result is judged, so that nothing of the column
    can change any more.
    """

    condition: ConditionRecord
    cells: dict[str, Cell]
    prompts: dict[str, str]
    faulty: frozenset[str]
    complete: bool


def read_conditions(store: Store, run: int) -> list[ConditionRecord]:
    """The conditions of a run in their planned order, without dose and memory, which take a look at every result."""
    rows = store.rows(
        "SELECT id, model, precision, is_baseline, dataset, perturbation FROM conditions WHERE run = ?"
        " ORDER BY position",
        [run],
    )
    return [
        ConditionRecord(
            id=id,
            model=model,
            precision=precision,
            is_baseline=bool(is_baseline),
            dataset=dataset,
            perturbation=perturbation,
            dose=None,
            memory=None,
        )
        for id, model, precision, is_baseline, dataset, perturbation in rows
    ]


def read_columns(store: Store, conditions: Iterable[ConditionRecord], seconds: float) -> list[Column]:
    """The columns of the first conditions, one at least, and as many as can be read in about `seconds`."""
    columns, until = [], time.monotonic() + seconds
    for condition in conditions:
        columns.append(read_column(store, condition))
        if time.monotonic() > until:
            break
    return columns


def read_column(store: Store, condition: ConditionRecord) -> Column:
    """One condition's column."""
    # As one row: Python's lock is let go of and taken again at every row, which takes long while a screen is drawn.
    row = store.row(
        f"""SELECT json_group_array(json_array(task, prompt, base, plus, finish)) FROM (
                SELECT r.task, r.prompt, v.base, v.plus, g.finish FROM results r {_STATUSES}
                WHERE r.condition = ? ORDER BY r.position, r.sample
            )""",
        [JUDGE_VERSION, condition.id],
    )
    return column_of(condition, msgspec.json.decode(row[0], type=list[_ColumnRow]) if row else [])


def column_of(condition: ConditionRecord, rows: Iterable[Sequence[Any]]) -> Column:
    """A column of rows (task, prompt's hash, base, plus, finish), those of one task's samples together or not."""
    plus = scored_by_plus(condition.dataset)
    # Few different cells make up a column of thousands: each is made once.
    shared: dict[tuple[Cell, str | None, bool], Cell] = {}
    cells: dict[str, Cell] = {}
    prompts: dict[str, str] = {}
    for task, prompt, base, added, finish in rows:
        status = deciding(base, added, plus=plus)
        key = (cells.get(task, UNKNOWN), status, finish == "nan")
        cell = shared.get(key)
        if cell is None:
            cell = shared[key] = _with_sample(*key)
        cells[task] = cell
        prompts.setdefault(task, prompt)
    faulty = frozenset(task for task, cell in cells.items() if cell.faulty)
    return Column(condition, cells, prompts, faulty, all(cell.judged == cell.samples for cell in cells.values()))


def deciding(base: str | None, plus_status: str | None, *, plus: bool) -> str | None:
    """The status that decides whether a result counts as passed; with `plus`, the added tests have the last word."""
    return plus_status if plus and base == "passed" and plus_status is not None else base


def _with_sample(cell: Cell, status: str | None, without_numbers: bool) -> Cell:
    first = cell.status if cell.status not in (None, "passed") else status or cell.status
    return Cell(
        first,
        cell.passes + (status == "passed"),
        cell.judged + (status is not None),
        cell.samples + 1,
        cell.faulty or status not in _NO_FAULT or without_numbers,
    )


def read_cases(store: Store, conditions: Sequence[ConditionRecord], task: str) -> list[Case]:
    """All that these conditions hold of one task, in their order, sample by sample; texts included."""
    cases = []
    for condition in conditions:
        rows = store.rows(
            """SELECT r.sample, p.text, g.text, g.solution, g.finish, g.tokens, g.seconds,
                      v.base, v.plus, v.failing_input, v.expected, v.got, v.error, v.level, g.weights_perturbed, d.dose
               FROM results r INDEXED BY results_condition_task
               JOIN prompts p ON p.hash = r.prompt
               LEFT JOIN completions g ON g.key = r.completion
               LEFT JOIN verdicts v
                 ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash AND v.judge_version = ?
               LEFT JOIN doses d ON d.hash = g.dose
               WHERE r.task = ? AND r.condition = ? ORDER BY r.sample""",
            [JUDGE_VERSION, task, condition.id],
        )
        cases += [_case(condition, task, row) for row in rows]
    return cases


def _case(condition: ConditionRecord, task: str, row: Sequence[Any]) -> Case:
    *values, share, dose = row
    fields = dict(zip(Case.__struct_fields__[2:], values, strict=True))
    known = msgspec.json.decode(dose, type=Dose) if dose else None if share is None else Dose(share=share)
    return Case(condition=msgspec.structs.replace(condition, dose=known), task=task, **fields)


def tasks_mentioning(store: Store, conditions: Sequence[ConditionRecord], words: str) -> set[tuple[str, str]]:
    """(data set, task) of the prompts of `conditions` in which `words` stand, in capitals or not."""
    pattern = "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    found: set[tuple[str, str]] = set()
    for condition in conditions:
        rows = store.rows(
            "SELECT r.task FROM results r JOIN prompts p ON p.hash = r.prompt"
            " WHERE r.condition = ? AND r.sample = 0 AND p.text LIKE ? ESCAPE '\\'",
            [condition.id, pattern],
        )
        found.update((condition.dataset, task) for (task,) in rows)
    return found
