"""The database's tables, as a list of migrations that is only ever added to."""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("qrtui")


_M001 = (
    """CREATE TABLE prompts (
        hash TEXT PRIMARY KEY,
        text TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE completions (
        key TEXT PRIMARY KEY,
        determinants TEXT NOT NULL,
        prompt TEXT NOT NULL REFERENCES prompts(hash),
        text TEXT NOT NULL,
        solution TEXT NOT NULL,
        solution_hash TEXT NOT NULL,
        finish TEXT NOT NULL,
        tokens INTEGER NOT NULL,
        seconds REAL NOT NULL,
        memory INTEGER,
        weights_perturbed REAL,
        created TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE verdicts (
        solution_hash TEXT NOT NULL,
        task_hash TEXT NOT NULL,
        judge_version TEXT NOT NULL,
        base TEXT NOT NULL,
        plus TEXT,
        failing_input TEXT,
        expected TEXT,
        got TEXT,
        error TEXT,
        level TEXT NOT NULL,
        seconds REAL NOT NULL,
        created TEXT NOT NULL,
        PRIMARY KEY (solution_hash, task_hash, judge_version)
    ) STRICT""",
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        experiment TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        status TEXT NOT NULL,
        started TEXT NOT NULL,
        finished TEXT,
        environment TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE conditions (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        model TEXT NOT NULL,
        precision TEXT NOT NULL,
        is_baseline INTEGER NOT NULL,
        dataset TEXT NOT NULL,
        perturbation TEXT NOT NULL,
        UNIQUE (run, model, precision, dataset, perturbation)
    ) STRICT""",
    """CREATE TABLE results (
        condition INTEGER NOT NULL REFERENCES conditions(id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        task TEXT NOT NULL,
        sample INTEGER NOT NULL,
        task_hash TEXT NOT NULL,
        prompt TEXT NOT NULL REFERENCES prompts(hash),
        completion TEXT NOT NULL,
        PRIMARY KEY (condition, position, sample)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX results_completion ON results(completion)",
    "CREATE INDEX results_task ON results(task)",
    "CREATE INDEX conditions_run ON conditions(run, position)",
    "CREATE INDEX runs_fingerprint ON runs(fingerprint)",
)


@migrations()
def m001_runs_completions_verdicts(db: Database) -> None:
    """The first schema.

    A completion is kept under a key of all that determines it, a verdict under (solution, task, judge version); a run
    is a list of references to them. `results.completion` is written when the run is planned, before the completion
    exists, so that what is still to do is what a join does not find.
    """
    for statement in _M001:
        db.execute(statement)


@migrations()
def m002_doses_and_translations(db: Database) -> None:
    """How much noise the weights carried, once for all completions made under it; and translations, never made twice.

    A completion from before has only the share of weights that was reached: its dose is that share and no more.
    """
    db.execute("CREATE TABLE doses (hash TEXT PRIMARY KEY, dose TEXT NOT NULL) STRICT, WITHOUT ROWID")
    db.execute("ALTER TABLE completions ADD COLUMN dose TEXT REFERENCES doses(hash)")
    db.execute(
        """CREATE TABLE translations (
            engine TEXT NOT NULL,
            revision TEXT NOT NULL,
            source TEXT NOT NULL,
            result TEXT NOT NULL,
            created TEXT NOT NULL,
            PRIMARY KEY (engine, source)
        ) STRICT, WITHOUT ROWID"""
    )
