"""What became of a condition's results, kept once more as one row as soon as all of them are judged.

Then it does not change any more: completions and verdicts are never replaced, and results are planned once. So it is
kept after the last verdict, and dropped by the schema's triggers should anything that it is made of change after all.
What is not kept, such as the conditions of a run under way, is read from the rows themselves.
"""

from __future__ import annotations

# The indices named here hold all that is asked: without them the rows' long texts are read too.
_NUMBERS = """
    FROM results r
    LEFT JOIN completions g INDEXED BY completions_numbers ON g.key = r.completion
    LEFT JOIN verdicts v INDEXED BY verdicts_statuses
      ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash AND v.judge_version = :judge
    WHERE r.condition = c.id
"""

_COUNTED = f"""FROM (
        SELECT r.condition, r.task, r.sample, v.base, v.plus, g.tokens, g.seconds {_NUMBERS}
        ORDER BY r.position, r.sample
    )"""

_ARRAY = "json_group_array(json_array(condition, task, sample, base, plus, tokens, seconds))"

_KEPT = "FROM conditions c LEFT JOIN outcomes k ON k.condition = c.id AND k.judge_version = :judge"

# A row for each condition: Python's lock is let go of and taken again at every row, which takes long while a screen is
# drawn.
OUTCOMES = f"SELECT coalesce(k.outcomes, (SELECT {_ARRAY} {_COUNTED})) {_KEPT} WHERE c.run = :run ORDER BY c.position"
"""By condition, in the planned order: a JSON array of its outcomes, in the order of the fields of `Outcome`."""

_KEEP = f"""
    WITH judged_now(condition, outcomes) AS MATERIALIZED (
        SELECT c.id, (SELECT CASE WHEN count(*) AND count(base) = count(*) THEN {_ARRAY} END {_COUNTED})
        {_KEPT} WHERE k.condition IS NULL AND c.{{}}
    )
    INSERT INTO outcomes SELECT condition, :judge, outcomes FROM judged_now WHERE outcomes IS NOT NULL
"""

KEEP_OF_RUN = _KEEP.format("run = :run")
"""Keeps the outcomes of the conditions of a run that are judged to their end."""

KEEP_OF_CONDITION = _KEEP.format("id = :condition")
"""The same for one condition."""

COUNT_WRONG = f"""
    SELECT count(*) FROM (
        SELECT k.outcomes AS kept, (SELECT {_ARRAY} {_COUNTED.replace(":judge", "k.judge_version")}) AS counted
        FROM outcomes k JOIN conditions c ON c.id = k.condition
    ) WHERE kept <> counted
"""
"""How many of the kept outcomes, of any version of the judge, are not those of the rows."""
