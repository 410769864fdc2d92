"""What is read of runs: the list, the conditions of one, its results, prompts and cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from qrtui.errors import StoreError
from qrtui.judge.verdict import JUDGE_VERSION
from qrtui.perturb.dose import Dose
from qrtui.results.database import DatabaseFile
from qrtui.results.database_errors import damaged
from qrtui.results.kept_outcomes import OUTCOMES
from qrtui.results.records import Case, ConditionRecord, Outcome, RunRecord, digest

# What was noted as running, and no process holds, was killed.
_STATUS = "(CASE WHEN runs.status = 'running' AND NOT is_held(runs.id) THEN 'interrupted' ELSE runs.status END)"

_RUN = f"""
    SELECT runs.id, runs.name, runs.experiment, {_STATUS}, runs.started, runs.finished, runs.environment, runs.total,
           coalesce(judged.results, 0) AS judged,
           (SELECT json_group_array(tag) FROM tags WHERE run = runs.id) AS tags
    FROM runs LEFT JOIN judged ON judged.run = runs.id AND judged.judge_version = :judge
"""

_MATCHES = f"""(
    runs.name LIKE :{{0}} ESCAPE '\\' OR {_STATUS} LIKE :{{0}} ESCAPE '\\'
    OR (runs.status <> 'finished' AND 'unfinished' LIKE :{{0}} ESCAPE '\\') OR runs.id = :{{0}}_number
    OR (:{{0}} LIKE '%-%' AND runs.started LIKE :{{0}} ESCAPE '\\')
    OR EXISTS (SELECT 1 FROM tags WHERE tags.run = runs.id AND tag LIKE :{{0}} ESCAPE '\\')
    OR EXISTS (SELECT 1 FROM json_tree(runs.experiment) WHERE atom LIKE :{{0}} ESCAPE '\\')
)"""


class RunReader(DatabaseFile):
    """Reads runs. The cost of each question goes with what it returns, not with what else the file holds."""

    def runs(self, search: str = "", *, limit: int | None = None, offset: int = 0) -> list[RunRecord]:
        """The runs, the latest first: all of them, or `limit` of them after the first `offset`.

        Each word of `search` must be in a run's name, tags, status, experiment (models, data sets, attacks ...) or
        date, or be its number.
        """
        where, parameters = _matching(search)
        rows = self.rows(
            f"{_RUN} {where} ORDER BY runs.id DESC LIMIT :limit OFFSET :offset",
            {**parameters, "judge": JUDGE_VERSION, "limit": -1 if limit is None else limit, "offset": offset},
        )
        return [_run_record(row) for row in rows]

    def count_runs(self, search: str = "") -> int:
        """How many runs `runs` would return without a limit."""
        where, parameters = _matching(search)
        return sum(count for (count,) in self.rows(f"SELECT count(*) FROM runs {where}", parameters))

    def run(self, which: str = "latest") -> RunRecord:
        """A run by its number, its name (the latest of that name), or `latest`. Raises StoreError."""
        wanted = "1" if which == "latest" else "CAST(runs.id AS TEXT) = :which OR runs.name = :which"
        row = self.row(f"{_RUN} WHERE {wanted} ORDER BY runs.id DESC LIMIT 1", {"which": which, "judge": JUDGE_VERSION})
        if row:
            return _run_record(row)
        latest = self.row("SELECT id FROM runs ORDER BY id DESC LIMIT 1")
        if latest is None:
            raise StoreError(f"there is no run in {self.path} yet", "start one with: qrtui demo")
        raise StoreError(f"there is no run {which!r}", f"qrtui runs lists them; the latest is {latest[0]}")

    def conditions(self, run: int) -> list[ConditionRecord]:
        """The conditions of a run in their planned order.

        All completions of a condition come from the same weights, so any one tells their memory and dose. (Some may be
        from before doses were measured.)
        """
        some = """(SELECT k.{0} FROM results r JOIN completions k INDEXED BY completions_numbers
                   ON k.key = r.completion WHERE r.condition = c.id AND k.{1} IS NOT NULL LIMIT 1)"""
        rows = self.rows(
            f"""SELECT c.id, c.model, c.precision, c.is_baseline, c.dataset, c.perturbation, g.memory,
                       g.weights_perturbed, d.dose
                FROM conditions c
                LEFT JOIN completions g INDEXED BY completions_numbers ON g.key = {some.format("key", "key")}
                LEFT JOIN doses d
                  ON d.hash = CASE WHEN g.weights_perturbed IS NOT NULL THEN {some.format("dose", "dose")} END
                WHERE c.run = ? ORDER BY c.position""",
            [run],
        )
        return [_condition_record(row) for row in rows]

    def outcomes(self, run: int) -> list[Outcome]:
        """Every result of a run, judged or not, ordered by condition and task."""
        rows = self.rows(OUTCOMES, {"run": run, "judge": JUDGE_VERSION})
        decoder = msgspec.json.Decoder(list[Outcome])
        return [outcome for (outcomes,) in rows for outcome in decoder.decode(outcomes)]

    def prompts(self, run: int) -> dict[int, dict[str, str]]:
        """By condition and task: the prompt that was, or will be, given to the model.

        Conditions share most prompts, and so do these: each text is in memory once.
        """
        results = "FROM conditions c JOIN results r ON r.condition = c.id WHERE c.run = ? AND r.sample = 0"
        texts = dict(self.rows(f"SELECT hash, text FROM prompts WHERE hash IN (SELECT r.prompt {results})", [run]))
        found: dict[int, dict[str, str]] = {}
        rows = self.rows(f"SELECT r.condition, r.task, r.prompt {results} ORDER BY c.id, r.position", [run])
        for condition, task, prompt in rows:
            if prompt not in texts:
                raise damaged(self.path, "a prompt is not there")
            found.setdefault(condition, {})[task] = texts[prompt]
        return found

    def cases(self, run: int, task: str) -> list[Case]:
        """All that a run holds of one task, ordered by condition."""
        conditions = {condition.id: condition for condition in self.conditions(run)}
        rows = self.rows(
            """SELECT r.condition, r.task, r.sample, p.text,
                      g.text, g.solution, g.finish, g.tokens, g.seconds,
                      v.base, v.plus, v.failing_input, v.expected, v.got, v.error, v.level
               FROM conditions c
               JOIN results r INDEXED BY results_condition_task ON r.condition = c.id
               JOIN prompts p ON p.hash = r.prompt
               LEFT JOIN completions g ON g.key = r.completion
               LEFT JOIN verdicts v
                 ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash AND v.judge_version = :judge
               WHERE c.run = :run AND r.task = :task ORDER BY c.position, r.sample""",
            {"run": run, "task": task, "judge": JUDGE_VERSION},
        )
        return [_case(conditions[row[0]], row[1:]) for row in rows]

    def made_before(self, run: int, precisions: Iterable[str]) -> dict[str, int]:
        """By precision: how many of the run's results have a completion that was there before the run was begun."""
        names = list(precisions)
        rows = self.rows(
            "SELECT c.precision, count(*) FROM runs u JOIN conditions c ON c.run = u.id"
            " JOIN results r ON r.condition = c.id JOIN completions m ON m.key = r.completion"
            f" WHERE u.id = ? AND c.precision IN ({','.join('?' * len(names))}) AND m.created < u.started"
            " GROUP BY c.precision ORDER BY min(c.position)",
            [run, *names],
        )
        return dict(rows)

    def dataset_hashes(self, run: int) -> dict[str, tuple[int, str]]:
        """By data set: how many of its tasks the run has, and a SHA-256 over their ids and content hashes.

        Equal hashes mean the same tasks with the same tests, whatever their order.
        """
        rows = self.rows(
            "SELECT DISTINCT c.dataset, r.task, r.task_hash FROM conditions c JOIN results r ON r.condition = c.id"
            " WHERE c.run = ? ORDER BY c.dataset, r.task",
            [run],
        )
        tasks: dict[str, list[str]] = {}
        for dataset, task, task_hash in rows:
            tasks.setdefault(dataset, []).append(f"{task} {task_hash}\n")
        return {dataset: (len(lines), digest("".join(lines))) for dataset, lines in tasks.items()}


def _matching(search: str) -> tuple[str, dict[str, Any]]:
    words: Sequence[str] = search.split()
    parameters: dict[str, Any] = {}
    for at, word in enumerate(words):
        literal = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        parameters[f"word{at}"] = f"%{literal}%"
        parameters[f"word{at}_number"] = int(word) if word.isascii() and word.isdigit() and len(word) < 18 else -1
    where = " AND ".join(_MATCHES.format(f"word{at}") for at in range(len(words)))
    return (f"WHERE {where}" if where else ""), parameters


def _run_record(row: tuple[Any, ...]) -> RunRecord:
    id, name, experiment, status, started, finished, environment, total, judged, tags = row
    return RunRecord(
        id=id,
        name=name,
        experiment=json.loads(experiment),
        status=status,
        started=started,
        finished=finished,
        environment=json.loads(environment),
        total=total,
        judged=judged,
        tags=tuple(sorted(json.loads(tags))),
    )


def _condition_record(row: tuple[Any, ...]) -> ConditionRecord:
    id, model, precision, is_baseline, dataset, perturbation, memory, share, dose = row
    return ConditionRecord(
        id=id,
        model=model,
        precision=precision,
        is_baseline=bool(is_baseline),
        dataset=dataset,
        perturbation=perturbation,
        dose=_dose(dose, share),
        memory=memory,
    )


def _dose(written: str | None, share: float | None) -> Dose | None:
    if written:
        return msgspec.json.decode(written, type=Dose)
    # Completions from before doses were measured know only the share.
    return None if share is None else Dose(share=share)


def _case(condition: ConditionRecord, values: tuple[Any, ...]) -> Case:
    return Case(**dict(zip(Case.__struct_fields__, (condition, *values), strict=True)))
