"""The database: the one truth about what was generated and judged. One `Store` per thread."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import msgspec

from qrtui.judge.verdict import JUDGE_VERSION, Verdict
from qrtui.results.planned import RunWriter
from qrtui.results.records import Completion, Determinants, digest, now, storable

_KEYS_PER_QUERY = 500


class Store(RunWriter):
    """Reads and writes one SQLite file (WAL); every write is committed before the call returns.

    Raises StoreError for a file that cannot be opened, is no database, or was made by a newer version.
    """

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` whose completions are in the store."""
        return self._known_since("", keys)

    def known_since(self, run: int, keys: Iterable[str]) -> set[str]:
        """Those of `keys` whose completions were made after this run was first begun, by whomever."""
        row = self.row("SELECT started FROM runs WHERE id = ?", [run])
        return self._known_since(row[0], keys) if row else set()

    def _known_since(self, time: str, keys: Iterable[str]) -> set[str]:
        wanted = list(dict.fromkeys(keys))
        found: set[str] = set()
        for at in range(0, len(wanted), _KEYS_PER_QUERY):
            some = wanted[at : at + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            query = f"SELECT key FROM completions WHERE key IN ({marks}) AND created >= ?"
            found.update(row[0] for row in self.rows(query, [*some, time]))
        return found

    def solution(self, key: str) -> str | None:
        """The program made of a completion, or None where there is no such completion."""
        row = self.row("SELECT solution FROM completions WHERE key = ?", [key])
        return row[0] if row else None

    def completion(self, determinants: Determinants) -> Completion | None:
        """The completion that these determinants lead to, or None where it was never made. Leaves out its dose."""
        row = self.row(
            "SELECT text, solution, finish, tokens, seconds, memory FROM completions WHERE key = ?",
            [determinants.key()],
        )
        names = ("text", "solution", "finish", "tokens", "seconds", "memory")
        return Completion(determinants=determinants, **dict(zip(names, row, strict=True))) if row else None

    def verdict(self, solution: str, task_hash: str) -> Verdict | None:
        """This judge version's verdict of a solution, if it was given before."""
        row = self.row(
            "SELECT base, plus, failing_input, expected, got, error, level, seconds FROM verdicts"
            " WHERE solution_hash = ? AND task_hash = ? AND judge_version = ?",
            [digest(solution), task_hash, JUDGE_VERSION],
        )
        names = ("base", "plus", "failing_input", "expected", "got", "error", "level", "seconds")
        return Verdict(**dict(zip(names, row, strict=True))) if row else None

    def seconds_per_completion(self, revision: str, precision: str, device: str) -> float | None:
        """The mean cost of this model's latest completions in this precision; None without any."""
        row = self.row(
            "SELECT avg(seconds) FROM (SELECT seconds FROM completions"
            " WHERE json_extract(determinants, '$.revision') = ? AND json_extract(determinants, '$.precision') = ?"
            " AND json_extract(determinants, '$.device') = ? ORDER BY rowid DESC LIMIT 200)",
            [revision, precision, device],
        )
        return row[0] if row else None

    def translations(self, engine: str) -> dict[str, str]:
        """Every sentence that a translation engine has translated there and back, with the result."""
        return dict(self.rows("SELECT source, result FROM translations WHERE engine = ?", [engine]))

    def translation_revisions(self, engine: str) -> list[str]:
        """The revisions of a translation engine that the kept translations are from."""
        rows = self.rows("SELECT DISTINCT revision FROM translations WHERE engine = ? ORDER BY 1", [engine])
        return [revision for (revision,) in rows]

    def add_translations(self, engine: str, revision: str, results: Mapping[str, str]) -> None:
        """Keep translations, so that they are never computed twice; one that is there already stays."""
        with self.writing() as db:
            db.executemany(
                "INSERT OR IGNORE INTO translations VALUES (?, ?, ?, ?, ?)",
                [(engine, revision, storable(source), storable(result), now()) for source, result in results.items()],
            )

    def add_completion(self, completion: Completion) -> str:
        """Keep a completion; returns its key. One that is there already stays as it is."""
        key = completion.determinants.key()
        determinants = msgspec.to_builtins(completion.determinants)
        prompt = determinants.pop("prompt")
        dose = msgspec.json.encode(completion.dose).decode() if completion.dose else None
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO prompts VALUES (?, ?)", [digest(prompt), storable(prompt)])
            if dose:
                db.execute("INSERT OR IGNORE INTO doses VALUES (?, ?)", [digest(dose), dose])
            db.execute(
                "INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    key,
                    json.dumps(determinants, sort_keys=True),
                    digest(prompt),
                    storable(completion.text),
                    storable(completion.solution),
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
        with self.writing() as db:
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


def _storable(text: str | None) -> str | None:
    return text if text is None else storable(text)
