"""Is a database whole? SQLite's own checks, and what the store's hashes tell about the texts."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator

from qrtui.counting import counted
from qrtui.results.database_errors import is_busy, reason_of
from qrtui.results.kept_outcomes import COUNT_WRONG

_MOST, _LONGEST = 3, 200
_TEXTS_AND_HASHES = (
    ("prompt", "SELECT count(*) FROM prompts WHERE sha256(CAST(text AS BLOB)) <> hash"),
    ("completion", "SELECT count(*) FROM completions WHERE sha256(CAST(solution AS BLOB)) <> solution_hash"),
    ("run", "SELECT count(*) FROM runs WHERE NOT json_valid(experiment) OR NOT json_valid(environment)"),
)
_COUNTS = (
    (
        "the results of {} are counted wrong",
        """SELECT count(*) FROM runs WHERE total <>
            (SELECT count(*) FROM conditions c JOIN results r ON r.condition = c.id WHERE c.run = runs.id)""",
    ),
    (
        "the judged results of {} are counted wrong",
        """SELECT count(DISTINCT run) FROM (
            SELECT run, judge_version, sum(results) AS counted FROM (
                SELECT run, judge_version, results FROM judged
                UNION ALL
                SELECT c.run, v.judge_version, -count(*)
                FROM conditions c
                JOIN results r ON r.condition = c.id
                JOIN completions g INDEXED BY completions_numbers ON g.key = r.completion
                JOIN verdicts v INDEXED BY verdicts_statuses
                  ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash
                GROUP BY c.run, v.judge_version
            ) GROUP BY run, judge_version
        ) WHERE counted <> 0""",
    ),
)
_SAYS_NOTHING = "ok"


def damage(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with a database, the first few findings in words; nothing where it is whole.

    What is kept to be quick, the counts of runs and the outcomes of conditions, is compared with the rows themselves.

    Reads all of it: some seconds for a gigabyte. Raises sqlite3.Error where another program holds it.
    """
    connection.create_function("sha256", 1, lambda text: hashlib.sha256(text).hexdigest(), deterministic=True)
    found: list[str] = []
    for look in (_of_the_file, _of_references, _of_texts, _of_counts):
        try:
            found += look(connection)
        except sqlite3.Error as error:
            if is_busy(error):
                raise
            found.append(reason_of(error))
    return [" ".join(one.split())[:_LONGEST] for one in dict.fromkeys(found)][:_MOST]


def _of_the_file(connection: sqlite3.Connection) -> Iterator[str]:
    rows = connection.execute(f"PRAGMA integrity_check({_MOST})")
    return (text for (text,) in rows if text != _SAYS_NOTHING)


def _of_references(connection: sqlite3.Connection) -> Iterator[str]:
    rows = connection.execute("PRAGMA foreign_key_check")
    return (f"a row of {table} refers to one of {parent} that is not there" for table, _, parent, _ in rows)


def _of_texts(connection: sqlite3.Connection) -> Iterator[str]:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        return  # made, and not used yet
    for what, question in _TEXTS_AND_HASHES:
        (count,) = connection.execute(question).fetchone()
        if count:
            yield f"{counted(count, what)} changed since they were kept"


def _of_counts(connection: sqlite3.Connection) -> Iterator[str]:
    # One that an older version made has no outcomes, or no counts either.
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "judged" in tables:
        for finding, question in _COUNTS:
            (count,) = connection.execute(question).fetchone()
            if count:
                yield finding.format(counted(count, "run"))
    if "outcomes" in tables:
        (count,) = connection.execute(COUNT_WRONG).fetchone()
        if count:
            yield f"the outcomes of {counted(count, 'condition')} are not those of the results"
