"""The database's tables, as a list of migrations that is only ever added to."""

from __future__ import annotations

from qrtui.results.light_sqlite import Database, Migrations

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


_M003 = (
    """CREATE TABLE tags (
        run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        PRIMARY KEY (run, tag)
    ) STRICT, WITHOUT ROWID""",
    "ALTER TABLE runs ADD COLUMN total INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE judged (
        run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        judge_version TEXT NOT NULL,
        results INTEGER NOT NULL,
        PRIMARY KEY (run, judge_version)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX completions_solution ON completions(solution_hash)",
    "CREATE INDEX completions_numbers"
    " ON completions(key, solution_hash, tokens, seconds, memory, weights_perturbed, dose, finish)",
    "CREATE INDEX completions_cost"
    " ON completions(json_extract(determinants, '$.revision'), json_extract(determinants, '$.precision'),"
    " json_extract(determinants, '$.device'))",
    "CREATE INDEX verdicts_statuses ON verdicts(solution_hash, task_hash, judge_version, base, plus)",
    "CREATE INDEX results_condition_task ON results(condition, task)",
    "DROP INDEX results_task",
    """UPDATE runs SET total =
        (SELECT count(*) FROM conditions c JOIN results r ON r.condition = c.id WHERE c.run = runs.id)""",
    """INSERT INTO judged
        SELECT c.run, v.judge_version, count(*)
        FROM conditions c
        JOIN results r ON r.condition = c.id
        JOIN completions g ON g.key = r.completion
        JOIN verdicts v ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash
        GROUP BY c.run, v.judge_version""",
    """CREATE TRIGGER verdict_counts AFTER INSERT ON verdicts BEGIN
        INSERT INTO judged
            SELECT c.run, NEW.judge_version, count(*)
            FROM completions g
            JOIN results r ON r.completion = g.key
            JOIN conditions c ON c.id = r.condition
            WHERE g.solution_hash = NEW.solution_hash AND r.task_hash = NEW.task_hash
            GROUP BY c.run
            ON CONFLICT (run, judge_version) DO UPDATE SET results = results + excluded.results;
    END""",
    """CREATE TRIGGER completion_counts AFTER INSERT ON completions BEGIN
        INSERT INTO judged
            SELECT c.run, v.judge_version, count(*)
            FROM results r
            JOIN conditions c ON c.id = r.condition
            JOIN verdicts v ON v.solution_hash = NEW.solution_hash AND v.task_hash = r.task_hash
            WHERE r.completion = NEW.key
            GROUP BY c.run, v.judge_version
            ON CONFLICT (run, judge_version) DO UPDATE SET results = results + excluded.results;
    END""",
)


@migrations()
def m003_tags_counts_indices(db: Database) -> None:
    """Tags on runs, and what keeps a large store quick.

    A run's results are counted once, when it is planned, and its judged ones as they come: by triggers, so that the
    count is of the same transaction as the verdict. The indices hold what tables and charts need of a completion and a
    verdict, so that no long text is read for them.
    """
    for statement in _M003:
        db.execute(statement)


# What became of every result of a condition, as one row: [condition, task, sample, base, plus, tokens, seconds] each.
_M004 = (
    """CREATE TABLE outcomes (
        condition INTEGER NOT NULL REFERENCES conditions(id) ON DELETE CASCADE,
        judge_version TEXT NOT NULL,
        outcomes TEXT NOT NULL,
        UNIQUE (condition, judge_version)
    ) STRICT""",
    """WITH judged_now(condition, judge_version, outcomes) AS MATERIALIZED (
        SELECT c.id, j.judge_version, (
            SELECT CASE WHEN count(*) AND count(base) = count(*)
                THEN json_group_array(json_array(condition, task, sample, base, plus, tokens, seconds)) END
            FROM (
                SELECT r.condition, r.task, r.sample, v.base, v.plus, g.tokens, g.seconds FROM results r
                LEFT JOIN completions g INDEXED BY completions_numbers ON g.key = r.completion
                LEFT JOIN verdicts v INDEXED BY verdicts_statuses ON v.solution_hash = g.solution_hash
                  AND v.task_hash = r.task_hash AND v.judge_version = j.judge_version
                WHERE r.condition = c.id ORDER BY r.position, r.sample))
        FROM judged j JOIN conditions c ON c.run = j.run)
        INSERT INTO outcomes
            SELECT condition, judge_version, outcomes FROM judged_now WHERE outcomes IS NOT NULL""",
    """CREATE TRIGGER outcomes_result_changed AFTER UPDATE ON results BEGIN
        DELETE FROM outcomes WHERE condition IN (OLD.condition, NEW.condition);
    END""",
    """CREATE TRIGGER outcomes_result_removed AFTER DELETE ON results BEGIN
        DELETE FROM outcomes WHERE condition = OLD.condition;
    END""",
    """CREATE TRIGGER outcomes_completion_changed AFTER UPDATE ON completions BEGIN
        DELETE FROM outcomes WHERE condition IN
            (SELECT condition FROM results WHERE completion IN (OLD.key, NEW.key));
    END""",
    """CREATE TRIGGER outcomes_completion_removed AFTER DELETE ON completions BEGIN
        DELETE FROM outcomes WHERE condition IN (SELECT condition FROM results WHERE completion = OLD.key);
    END""",
    """CREATE TRIGGER outcomes_verdict_changed AFTER UPDATE ON verdicts BEGIN
        DELETE FROM outcomes WHERE condition IN (
            SELECT r.condition FROM completions g JOIN results r ON r.completion = g.key
            WHERE g.solution_hash IN (OLD.solution_hash, NEW.solution_hash));
    END""",
    """CREATE TRIGGER outcomes_verdict_removed AFTER DELETE ON verdicts BEGIN
        DELETE FROM outcomes WHERE condition IN (
            SELECT r.condition FROM completions g JOIN results r ON r.completion = g.key
            WHERE g.solution_hash = OLD.solution_hash);
    END""",
)


@migrations()
def m004_outcomes_of_judged_conditions(db: Database) -> None:
    """The outcomes of every condition that is judged to its end, once more as one row for each: a run's numbers are
    read from hundreds of rows and not from hundreds of thousands.

    Such a condition does not change any more. Where a row that its outcomes are made of is changed or removed all the
    same, they are dropped by triggers, and read from the rows themselves as before.
    """
    for statement in _M004:
        db.execute(statement)
