"""A run in the database: begun, ended, named, tagged, deleted and brought back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from qrtui.errors import StoreError
from qrtui.judge.verdict import JUDGE_VERSION
from qrtui.results.database_errors import store_error
from qrtui.results.kept_outcomes import KEEP_OF_CONDITION, KEEP_OF_RUN
from qrtui.results.lease import HeldError
from qrtui.results.reading import RunReader
from qrtui.results.records import PlannedCondition, RunStatus, digest, now, storable

_LONGEST_NAME = 200
_LONGEST_TAG = 40
_RUN_COLUMNS = "name, experiment, fingerprint, status, started, finished, environment, total"
_CONDITION_COLUMNS = "position, model, precision, is_baseline, dataset, perturbation"
_RESULT_COLUMNS = "position, task, sample, task_hash, prompt, completion"

Values = tuple[Any, ...]


class RunRows(NamedTuple):
    """A run as rows: its own values, its tags, and each condition's values with those of its results."""

    id: int
    values: Values
    tags: tuple[str, ...]
    conditions: list[tuple[Values, list[Values]]]


class RunWriter(RunReader):
    """Writes runs; every write is committed before the call returns."""

    def unfinished_run(self, conditions: Sequence[PlannedCondition]) -> int | None:
        """The latest run of these conditions that did not finish: the one that `begin_run` would take up."""
        row = self.row(
            "SELECT id FROM runs WHERE fingerprint = ? AND status <> 'finished' ORDER BY id DESC LIMIT 1",
            [fingerprint(conditions)],
        )
        return row[0] if row else None

    def begin_run(
        self,
        name: str,
        experiment: dict[str, Any],
        conditions: Sequence[PlannedCondition],
        environment: dict[str, Any],
    ) -> int:
        """Take up the last run of the same experiment that did not finish, or note a new one; returns its id.

        The same experiment is one whose conditions need the very same completions of the same tasks. The run is held
        until `end_run` or the store's end. Raises HeldError where another process executes it.
        """
        values = (
            name,
            json.dumps(experiment),
            fingerprint(conditions),
            "running",
            now(),
            None,
            json.dumps(environment),
        )
        with self.writing() as db:
            run = self.unfinished_run(conditions)
            if run is None:
                texts = {digest(result.prompt): result.prompt for cell in conditions for result in cell.results}
                db.executemany(
                    "INSERT OR IGNORE INTO prompts VALUES (?, ?)",
                    ((prompt, storable(text)) for prompt, text in texts.items()),
                )
                rows = [_condition_rows(position, cell) for position, cell in enumerate(conditions)]
                run = insert_run(db, values, rows)
            self._hold(run)
            db.execute(
                "UPDATE runs SET status = 'running', finished = NULL, environment = ? WHERE id = ?", [values[-1], run]
            )
        return run

    def _hold(self, run: int) -> None:
        """Before the commit: what others see as running is held."""
        try:
            self.leases.take(run)
        except OSError as error:
            raise store_error(self.path, error, "used") from None

    def end_run(self, run: int, status: RunStatus) -> None:
        """Note how a run ended, and hold it no more."""
        with self.writing() as db:
            db.execute("UPDATE runs SET status = ?, finished = ? WHERE id = ?", [status, now(), run])
            keep_outcomes(db, run)
        self.leases.give_back(run)

    def keep_outcomes(self, condition: int) -> None:
        """Keep a condition's outcomes as one row if all its results are judged, so that they are quick to read."""
        with self.writing() as db:
            db.execute(KEEP_OF_CONDITION, {"condition": condition, "judge": JUDGE_VERSION})

    def rename_run(self, run: int, name: str) -> None:
        """Give a run another name; raises StoreError for none, or one of several lines."""
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise StoreError("a run's name is one line of text", f"give 1 to {_LONGEST_NAME} letters")
        with self.writing() as db:
            db.execute("UPDATE runs SET name = ? WHERE id = ?", [storable(name.strip()), run])

    def tag_run(self, run: int, tags: Iterable[str]) -> None:
        """Give a run these tags instead of the ones it has. Raises StoreError for one that is no word."""
        wanted = sorted(set(tags))
        for tag in wanted:
            if not tag or not tag.isprintable() or len(tag) > _LONGEST_TAG or set(tag) & set(" ,"):
                raise StoreError(f"{tag!r} is no tag", f"a tag is a word of at most {_LONGEST_TAG} letters")
        with self.writing() as db:
            db.execute("DELETE FROM tags WHERE run = ?", [run])
            db.executemany("INSERT INTO tags VALUES (?, ?)", [(run, storable(tag)) for tag in wanted])

    def delete_run(self, run: int) -> RunRows | None:
        """Forget a run; returns what `restore_run` needs to bring it back, or None where there is no such run.

        Completions and verdicts stay: other runs may need them, and a later one finds them again. Raises HeldError for
        a run that another process executes.
        """
        if not self.leases.holds(run) and (holder := self.leases.holder(run)):
            raise HeldError(f"run {run} is under way in {holder}", "stop it there, then delete it")
        with self.writing() as db:
            rows = self.run_rows(run)
            db.execute("DELETE FROM runs WHERE id = ?", [run])
        return rows

    def restore_run(self, rows: RunRows) -> int:
        """Bring back a run that was deleted; returns its number: the one it had, if that is free."""
        with self.writing() as db:
            taken = self.row("SELECT 1 FROM runs WHERE id = ?", [rows.id])
            return insert_run(db, rows.values[:-1], rows.conditions, tags=rows.tags, number=None if taken else rows.id)

    def run_rows(self, run: int) -> RunRows | None:
        """A run as rows, in their planned order; None where there is no such run."""
        values = self.row(f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?", [run])
        if values is None:
            return None
        tags = tuple(tag for (tag,) in self.rows("SELECT tag FROM tags WHERE run = ? ORDER BY tag", [run]))
        conditions = [
            (condition, list(self.rows(f"SELECT {_RESULT_COLUMNS} FROM results WHERE condition = ?", [id])))
            for id, *condition in self.rows(
                f"SELECT id, {_CONDITION_COLUMNS} FROM conditions WHERE run = ? ORDER BY position", [run]
            )
        ]
        return RunRows(run, values, tags, [(tuple(condition), results) for condition, results in conditions])


def insert_run(
    db: sqlite3.Connection,
    values: Values,
    conditions: Iterable[tuple[Values, list[Values]]],
    *,
    tags: Iterable[str] = (),
    number: int | None = None,
) -> int:
    """Write a run with its conditions and results, whose prompts must be there; returns its id.

    `values` are those of name, experiment, fingerprint, status, started, finished and environment.
    """
    run = db.execute(
        f"INSERT INTO runs (id, {_RUN_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)", [number, *values]
    ).lastrowid
    assert run is not None
    for condition, results in conditions:
        row = db.execute(
            f"INSERT INTO conditions (run, {_CONDITION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", [run, *condition]
        ).lastrowid
        db.executemany(f"INSERT INTO results (condition, {_RESULT_COLUMNS}) VALUES ({row}, ?, ?, ?, ?, ?, ?)", results)
        db.execute("UPDATE runs SET total = total + ? WHERE id = ?", [len(results), run])
    db.executemany("INSERT INTO tags VALUES (?, ?)", [(run, tag) for tag in tags])
    db.execute(COUNT_JUDGED, [run])
    keep_outcomes(db, run)
    return run


def keep_outcomes(db: sqlite3.Connection, run: int) -> None:
    """Within a transaction: keep the outcomes of the conditions of a run that are judged to their end."""
    db.execute(KEEP_OF_RUN, {"run": run, "judge": JUDGE_VERSION})


# What was judged before this run was planned; the triggers count what comes later.
COUNT_JUDGED = """
    INSERT INTO judged
    SELECT c.run, v.judge_version, count(*)
    FROM conditions c
    JOIN results r ON r.condition = c.id
    JOIN completions g INDEXED BY completions_numbers ON g.key = r.completion
    JOIN verdicts v INDEXED BY verdicts_statuses ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash
    WHERE c.run = ? GROUP BY c.run, v.judge_version
"""


def fingerprint(conditions: Sequence[PlannedCondition]) -> str:
    """What says that two runs are of the same experiment: the SHA-256 of all that they need."""
    return digest(json.dumps(msgspec.to_builtins(conditions), sort_keys=True))


def _condition_rows(position: int, cell: PlannedCondition) -> tuple[Values, list[Values]]:
    results = [
        (at, result.task, result.sample, result.task_hash, digest(result.prompt), result.key)
        for at, result in enumerate(cell.results)
    ]
    values = (position, cell.model, cell.precision, int(cell.is_baseline), cell.dataset, cell.perturbation)
    return values, results
