"""The database: the one truth about what was generated and judged. One `Store` per thread."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlite_utils import Database

from qrtui.errors import StoreError
from qrtui.judge.verdict import JUDGE_VERSION, Verdict
from qrtui.perturb.dose import Dose
from qrtui.results.records import (
    Case,
    Completion,
    ConditionRecord,
    Outcome,
    PlannedCondition,
    RunRecord,
    RunStatus,
    digest,
    storable,
)
from qrtui.results.schema import migrations

_BUSY_SECONDS = 30
_OPENING_ATTEMPTS = 6
_KEYS_PER_QUERY = 500

_JUDGED = """
    FROM results r
    JOIN conditions c ON c.id = r.condition
    LEFT JOIN completions g ON g.key = r.completion
    LEFT JOIN verdicts v ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash AND v.judge_version = :judge
"""


class Store:
    """Reads and writes one SQLite file (WAL); every write is committed before the call returns.

    Raises StoreError for a file that cannot be opened, is no database, or was made by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            existed = path.exists()
            self._db = Database(sqlite3.connect(path, timeout=_BUSY_SECONDS))
            if not existed:
                path.chmod(0o600)
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the database {path} cannot be used: {error}", "give another file with --db or QRTUI_DB"
            ) from None

    def _prepare(self) -> None:
        """Bring the file to the present schema. Two programs may meet at a new file: the later one tries again."""
        for attempt in range(_OPENING_ATTEMPTS):
            try:
                self._db.enable_wal()
                self._refuse_newer()
                if migrations.pending(self._db):
                    migrations.apply(self._db)
                return
            except sqlite3.OperationalError:
                if attempt == _OPENING_ATTEMPTS - 1:
                    raise
                time.sleep(0.1 * (attempt + 1))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refuse_newer(self) -> None:
        known = {migration.name for migration in migrations._migrations}
        newer = [applied.name for applied in migrations.applied(self._db) if applied.name not in known]
        if newer:
            raise StoreError(
                f"the database {self.path} was made by a newer qrtui",
                "update qrtui, or give another file with --db",
            )

    @contextmanager
    def _writing(self) -> Iterator[Database]:
        try:
            with self._db.atomic():
                yield self._db
        except sqlite3.Error as error:
            locked = "locked" in str(error)
            way_out = "wait for the other program, then run again" if locked else "make room, then run again"
            raise StoreError(f"the database {self.path} cannot be written: {error}", way_out) from None

    # What is known

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` whose completions are in the store."""
        wanted = list(dict.fromkeys(keys))
        found: set[str] = set()
        for at in range(0, len(wanted), _KEYS_PER_QUERY):
            some = wanted[at : at + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            found.update(row[0] for row in self._execute(f"SELECT key FROM completions WHERE key IN ({marks})", some))
        return found

    def solution(self, key: str) -> str | None:
        """The program made of a completion, or None where there is no such completion."""
        row = self._execute("SELECT solution FROM completions WHERE key = ?", [key]).fetchone()
        return row[0] if row else None

    def verdict(self, solution: str, task_hash: str) -> Verdict | None:
        """This judge version's verdict of a solution, if it was given before."""
        row = self._execute(
            "SELECT base, plus, failing_input, expected, got, error, level, seconds FROM verdicts"
            " WHERE solution_hash = ? AND task_hash = ? AND judge_version = ?",
            [digest(solution), task_hash, JUDGE_VERSION],
        ).fetchone()
        names = ("base", "plus", "failing_input", "expected", "got", "error", "level", "seconds")
        return Verdict(**dict(zip(names, row, strict=True))) if row else None

    def seconds_per_completion(self, revision: str, precision: str, device: str) -> float | None:
        """The mean cost of this model's latest completions in this precision; None without any."""
        row = self._execute(
            "SELECT avg(seconds) FROM (SELECT seconds FROM completions WHERE determinants ->> 'revision' = ?"
            " AND determinants ->> 'precision' = ? AND determinants ->> 'device' = ? ORDER BY rowid DESC LIMIT 200)",
            [revision, precision, device],
        ).fetchone()
        return row[0] if row else None

    def translations(self, engine: str) -> dict[str, str]:
        """Every sentence that a translation engine has translated there and back, with the result."""
        return dict(self._execute("SELECT source, result FROM translations WHERE engine = ?", [engine]).fetchall())

    def translation_revisions(self, engine: str) -> list[str]:
        """The revisions of a translation engine that the kept translations are from."""
        rows = self._execute("SELECT DISTINCT revision FROM translations WHERE engine = ? ORDER BY 1", [engine])
        return [revision for (revision,) in rows]

    # Writing

    def add_translations(self, engine: str, revision: str, results: Mapping[str, str]) -> None:
        """Keep translations, so that they are never computed twice; one that is there already stays."""
        with self._writing() as db:
            db.conn.executemany(
                "INSERT OR IGNORE INTO translations VALUES (?, ?, ?, ?, ?)",
                [(engine, revision, storable(source), storable(result), now()) for source, result in results.items()],
            )

    def add_completion(self, completion: Completion) -> str:
        """Keep a completion; returns its key. One that is there already stays as it is."""
        key = completion.determinants.key()
        determinants = msgspec.to_builtins(completion.determinants)
        prompt = determinants.pop("prompt")
        dose = msgspec.json.encode(completion.dose).decode() if completion.dose else None
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO prompts VALUES (?, ?)", [digest(prompt), _storable(prompt)])
            if dose:
                db.execute("INSERT OR IGNORE INTO doses VALUES (?, ?)", [digest(dose), dose])
            db.execute(
                "INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    key,
                    json.dumps(determinants, sort_keys=True),
                    digest(prompt),
                    _storable(completion.text),
                    _storable(completion.solution),
                    digest(completion.solution),
                    completion.finish,
                    completion.tokens,
                    completion.seconds,
                    completion.memory,
                    completion.dose.share if completion.dose else None,
                    now(),
                    digest(dose) if dose else None,
                ],
            )
        return key

    def add_verdict(self, solution: str, task_hash: str, verdict: Verdict) -> None:
        """Keep a verdict; a later one of the same judge version does not replace it."""
        with self._writing() as db:
            db.execute(
                "INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    digest(solution),
                    task_hash,
                    JUDGE_VERSION,
                    verdict.base,
                    verdict.plus,
                    _storable(verdict.failing_input),
                    _storable(verdict.expected),
                    _storable(verdict.got),
                    _storable(verdict.error),
                    verdict.level,
                    verdict.seconds,
                    now(),
                ],
            )

    def unfinished_run(self, conditions: Sequence[PlannedCondition]) -> int | None:
        """The latest run of these conditions that did not finish: the one that `begin_run` would take up."""
        row = self._execute(
            "SELECT id FROM runs WHERE fingerprint = ? AND status <> 'finished' ORDER BY id DESC LIMIT 1",
            [_fingerprint(conditions)],
        ).fetchone()
        return row[0] if row else None

    def begin_run(
        self,
        name: str,
        experiment: dict[str, Any],
        conditions: Sequence[PlannedCondition],
        environment: dict[str, Any],
    ) -> int:
        """Take up the last run of the same experiment that did not finish, or note a new one; returns its id.

        The same experiment is one whose conditions need the very same completions of the same tasks.
        """
        unfinished = self.unfinished_run(conditions)
        with self._writing() as db:
            if unfinished is not None:
                db.execute(
                    "UPDATE runs SET status = 'running', finished = NULL, environment = ? WHERE id = ?",
                    [json.dumps(environment), unfinished],
                )
                return unfinished
            run = db.execute(
                "INSERT INTO runs (name, experiment, fingerprint, status, started, environment)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [name, json.dumps(experiment), _fingerprint(conditions), "running", now(), json.dumps(environment)],
            ).lastrowid
            assert run is not None
            for position, condition in enumerate(conditions):
                self._add_condition(db, run, position, condition)
        return run

    def _add_condition(self, db: Database, run: int, position: int, condition: PlannedCondition) -> None:
        row = db.execute(
            "INSERT INTO conditions (run, position, model, precision, is_baseline, dataset, perturbation)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                run,
                position,
                condition.model,
                condition.precision,
                int(condition.is_baseline),
                condition.dataset,
                condition.perturbation,
            ],
        ).lastrowid
        prompts = {digest(result.prompt): storable(result.prompt) for result in condition.results}
        db.conn.executemany("INSERT OR IGNORE INTO prompts VALUES (?, ?)", prompts.items())
        db.conn.executemany(
            "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (row, at, result.task, result.sample, result.task_hash, digest(result.prompt), result.key)
                for at, result in enumerate(condition.results)
            ],
        )

    def end_run(self, run: int, status: RunStatus) -> None:
        """Note how a run ended."""
        with self._writing() as db:
            db.execute("UPDATE runs SET status = ?, finished = ? WHERE id = ?", [status, now(), run])

    def delete_run(self, run: int) -> None:
        """Forget a run. Completions and verdicts stay: other runs may need them, and a later one finds them again."""
        with self._writing() as db:
            db.execute("DELETE FROM runs WHERE id = ?", [run])

    # Reading

    def runs(self) -> list[RunRecord]:
        """Every run, the latest first."""
        rows = self._dicts(
            f"""SELECT runs.*, coalesce(j.total, 0) AS total, coalesce(j.judged, 0) AS judged
                FROM runs
                LEFT JOIN (SELECT c.run, count(*) AS total, count(v.base) AS judged {_JUDGED} GROUP BY c.run) j
                  ON j.run = runs.id
                ORDER BY runs.id DESC""",
            {"judge": JUDGE_VERSION},
        )
        return [_run_record(row) for row in rows]

    def run(self, which: str = "latest") -> RunRecord:
        """A run by its number, its name (the latest of that name), or `latest`. Raises StoreError."""
        runs = self.runs()
        if not runs:
            raise StoreError(f"there is no run in {self.path} yet", "start one with: qrtui demo")
        found = [run for run in runs if which in ("latest", str(run.id), run.name)]
        if not found:
            raise StoreError(f"there is no run {which!r}", f"qrtui runs lists them; the latest is {runs[0].id}")
        return found[0]

    def conditions(self, run: int) -> list[ConditionRecord]:
        """The conditions of a run in their planned order."""
        rows = self._dicts(
            """SELECT c.id, c.model, c.precision, c.is_baseline, c.dataset, c.perturbation,
                      max(g.memory) AS memory, max(g.weights_perturbed) AS share, max(d.dose) AS dose
                FROM conditions c
                LEFT JOIN results r ON r.condition = c.id
                LEFT JOIN completions g ON g.key = r.completion
                LEFT JOIN doses d ON d.hash = g.dose
                WHERE c.run = ? GROUP BY c.id ORDER BY c.position""",
            [run],
        )
        return [_condition_record(row) for row in rows]

    def outcomes(self, run: int) -> list[Outcome]:
        """Every result of a run, judged or not, ordered by condition and task."""
        rows = self._dicts(
            f"""SELECT r.condition, r.task, r.sample, v.base, v.plus, g.tokens, g.seconds {_JUDGED}
                WHERE c.run = :run ORDER BY c.position, r.position, r.sample""",
            {"run": run, "judge": JUDGE_VERSION},
        )
        return [Outcome(**row) for row in rows]

    def prompts(self, run: int) -> dict[int, dict[str, str]]:
        """By condition and task: the prompt that was, or will be, given to the model."""
        rows = self._execute(
            "SELECT r.condition, r.task, p.text FROM results r JOIN conditions c ON c.id = r.condition"
            " JOIN prompts p ON p.hash = r.prompt WHERE c.run = ? AND r.sample = 0 ORDER BY r.condition, r.position",
            [run],
        )
        found: dict[int, dict[str, str]] = {}
        for condition, task, prompt in rows:
            found.setdefault(condition, {})[task] = prompt
        return found

    def cases(self, run: int, task: str) -> list[Case]:
        """All that a run holds of one task, ordered by condition."""
        conditions = {condition.id: condition for condition in self.conditions(run)}
        rows = self._dicts(
            f"""SELECT r.condition, r.task, r.sample, p.text AS prompt,
                       g.text, g.solution, g.finish, g.tokens, g.seconds,
                       v.base, v.plus, v.failing_input, v.expected, v.got, v.error, v.level
                {_JUDGED} JOIN prompts p ON p.hash = r.prompt
                WHERE c.run = :run AND r.task = :task ORDER BY c.position, r.sample""",
            {"run": run, "task": task, "judge": JUDGE_VERSION},
        )
        return [Case(**{**row, "condition": conditions[row["condition"]]}) for row in rows]

    def _execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, parameters)
        except sqlite3.Error as error:
            raise StoreError(
                f"the database {self.path} cannot be read: {error}", "qrtui doctor checks it; give another with --db"
            ) from None

    def _dicts(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        cursor = self._execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def now() -> str:
    """The time as the store writes it: UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _fingerprint(conditions: Sequence[PlannedCondition]) -> str:
    return digest(json.dumps(msgspec.to_builtins(conditions), sort_keys=True))


def _condition_record(row: dict[str, Any]) -> ConditionRecord:
    row["is_baseline"] = bool(row["is_baseline"])
    row["dose"] = _dose(row["dose"], row.pop("share"))
    return ConditionRecord(**row)


def _dose(written: str | None, share: float | None) -> Dose | None:
    if written:
        return msgspec.json.decode(written, type=Dose)
    # Completions from before doses were measured know only the share.
    return None if share is None else Dose(share=share)


def _storable(text: str | None) -> str | None:
    return text if text is None else storable(text)


def _run_record(row: dict[str, Any]) -> RunRecord:
    del row["fingerprint"]
    row["experiment"] = json.loads(row["experiment"])
    row["environment"] = json.loads(row["environment"])
    return RunRecord(**row)
