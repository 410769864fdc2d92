"""What is kept to be quick is always what a recount gives, whatever was written, removed, brought in or cut off."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.errors import StoreError
from qrtui.judge.verdict import JUDGE_VERSION, Verdict
from qrtui.results.exchange.exporting import export_run
from qrtui.results.exchange.importing import import_run
from qrtui.results.integrity import damage
from qrtui.results.planned import RunRows
from qrtui.results.records import Completion, Outcome, PlannedCondition, PlannedResult
from qrtui.results.salvage import salvage
from qrtui.results.store import Store

from .conftest import TASKS, determinants, fill

LABELS = ("clean", "char", "gaussian 0.001 after")
STATUSES = ("passed", "failed", "timeout")
STEPS = ("plan", "write", "judge", "keep", "end", "delete", "undo", "bring in", "crash", "cut off")

COUNTED = """
    SELECT r.condition, r.task, r.sample, v.base, v.plus, g.tokens, g.seconds
    FROM results r
    JOIN conditions c ON c.id = r.condition
    LEFT JOIN completions g ON g.key = r.completion
    LEFT JOIN verdicts v
      ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash AND v.judge_version = ?
    WHERE c.run = ? ORDER BY c.position, r.position, r.sample
"""


def counted(store: Store, run: int) -> list[Outcome]:
    """The outcomes of a run from the rows alone."""
    return [
        Outcome(**dict(zip(Outcome.__struct_fields__, row, strict=True)))
        for row in store.rows(COUNTED, [JUDGE_VERSION, run])
    ]


def kept(store: Store) -> int:
    (count,) = store.row("SELECT count(*) FROM outcomes") or (0,)
    return int(count)


class Life:
    """A store through which things happen, each told by a number that decides what exactly."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.store = Store(folder / "0.db")
        self.deleted: list[RunRows] = []

    def do(self, step: str, choice: int) -> None:
        getattr(self, f"_{step.replace(' ', '_')}")(choice)

    def check(self) -> None:
        for run in self.store.runs():
            truth = counted(self.store, run.id)
            assert self.store.outcomes(run.id) == truth
            assert (run.total, run.judged) == (len(truth), sum(one.base is not None for one in truth))

    def _plan(self, choice: int) -> None:
        """Conditions that share completions with those of other runs, of one or two samples a task."""
        cells = []
        for at, label in enumerate(LABELS[: 1 + choice % 3]):
            tasks = TASKS[: 1 + (choice // 3 + at) % 4]
            keys = [
                (task, sample, determinants("int8", label, task, sample=sample)) for task in tasks for sample in (0, 1)
            ]
            results = [
                PlannedResult(task, sample, f"hash of {task}", key.prompt, key.key())
                for task, sample, key in keys[:: 1 + choice % 2]
            ]
            cells.append(
                PlannedCondition(
                    model="m",
                    precision="int8",
                    is_baseline=False,
                    dataset="demo",
                    perturbation=label,
                    results=results,
                )
            )
        self.store.begin_run(f"run {choice % 2}", {}, cells, {})

    def _wanted(self) -> list[tuple[str, str, int]]:
        conditions = "SELECT r.task, c.perturbation, r.sample FROM results r JOIN conditions c ON c.id = r.condition"
        return sorted(set(self.store.rows(conditions)))

    def _write(self, choice: int, solution: str | None = None) -> None:
        if wanted := self._wanted():
            task, label, sample = wanted[choice % len(wanted)]
            # Few different programs: one verdict may judge several completions.
            self.store.add_completion(
                Completion(
                    determinants=determinants("int8", label, task, sample=sample),
                    text="t",
                    solution=solution or f"program {choice % 3} of {task}",
                    finish="stop",
                    tokens=choice,
                    # A fraction that decimal places tell in full.
                    seconds=choice / 8,
                )
            )

    def _judge(self, choice: int) -> None:
        task = TASKS[choice % len(TASKS)]
        verdict = Verdict(base=STATUSES[choice % 3], plus=None if choice % 2 else "failed")
        self.store.add_verdict(f"program {choice // 4 % 3} of {task}", f"hash of {task}", verdict)

    def _keep(self, choice: int) -> None:
        if conditions := sorted(self.store.rows("SELECT id FROM conditions")):
            self.store.keep_outcomes(conditions[choice % len(conditions)][0])

    def _end(self, choice: int) -> None:
        """A run is gone through with: what of it is there stays."""
        if runs := self.store.runs():
            for at in range(len(self._wanted())):
                self._write(at)
            for at in range(12):
                self._judge(at)
            run = runs[choice % len(runs)].id
            self.store.end_run(run, "finished")
            assert kept(self.store) >= len(self.store.conditions(run))

    def _delete(self, choice: int) -> None:
        if runs := self.store.runs():
            rows = self.store.delete_run(runs[choice % len(runs)].id)
            assert rows is not None
            self.deleted.append(rows)

    def _undo(self, choice: int) -> None:
        if self.deleted:
            self.store.restore_run(self.deleted.pop(choice % len(self.deleted)))

    def _bring_in(self, choice: int) -> None:
        """A run goes to another database, which then is the one that life goes on in; or comes back to its own."""
        if not (runs := self.store.runs()):
            return
        folder = self.folder / f"exported {self.number}"
        export_run(self.store, runs[choice % len(runs)], folder)
        if choice % 2:
            self._move_to(None)
            # Nothing that was deleted elsewhere can be brought back here: its prompts are not.
            self.deleted.clear()
        import_run(self.store, folder)
        shutil.rmtree(folder)

    def _crash(self, choice: int) -> None:
        """What a killed process leaves: the file and its log as they are at this moment."""
        self._move_to(self.store.path)

    def _cut_off(self, choice: int) -> None:
        """A statement that is broken off amid its work."""
        left = choice % 40
        self.store._db.conn.set_progress_handler(lambda: 1, 1 + left * 10)
        for step in (self._plan, self._write, self._end, self._delete):
            with contextlib.suppress(StoreError, sqlite3.OperationalError):
                step(choice)
        self.store._db.conn.set_progress_handler(None, 0)

    def _move_to(self, source: Path | None) -> None:
        self.number += 1
        target = self.folder / f"{self.number}.db"
        if source is not None:
            for end in ("", "-wal"):
                if (beside := Path(f"{source}{end}")).exists():
                    shutil.copyfile(beside, f"{target}{end}")
        self.store.close()
        self.store = Store(target)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 119)), min_size=5, max_size=40))
def test_outcomes_and_counts_are_those_of_a_recount_at_every_moment(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder))
        try:
            for step, choice in steps:
                life.do(step, choice)
                life.check()
            assert damage(life.store._db.conn) == []
        finally:
            life.store.close()


def test_a_condition_is_kept_when_its_last_result_is_judged_and_read_without_its_rows(store: Store) -> None:
    run = fill(store, upto=3)
    store.end_run(run, "stopped")
    assert kept(store) == 0
    fill(store)
    first, *_ = store.conditions(run)
    store.keep_outcomes(first.id)
    assert kept(store) == 1
    store.end_run(run, "finished")
    assert kept(store) == 4
    assert store.outcomes(run) == counted(store, run)
    # That no other row is read shows where what is kept is wrong.
    with store.writing() as db:
        db.execute("UPDATE outcomes SET outcomes = '[]'")
    assert store.outcomes(run) == []


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM verdicts WHERE base = 'failed'",
        "UPDATE verdicts SET base = 'timeout' WHERE base = 'failed'",
        "UPDATE completions SET tokens = 77",
        "DELETE FROM completions WHERE rowid = 1",
        "UPDATE results SET task = 'another' WHERE position = 1",
        "DELETE FROM results WHERE position = 2",
    ],
)
def test_whoever_changes_a_row_is_believed(store: Store, change: str) -> None:
    run = fill(store)
    store.end_run(run, "finished")
    before = store.outcomes(run)
    with sqlite3.connect(store.path) as other:
        other.execute(change)
    assert store.outcomes(run) == counted(store, run) != before


def test_what_is_not_that_of_the_rows_is_found_and_made_anew_by_salvage(store: Store, tmp_path: Path) -> None:
    run = fill(store)
    store.end_run(run, "finished")
    truth = store.outcomes(run)
    with store.writing() as db:
        db.execute("UPDATE outcomes SET outcomes = replace(outcomes, 'failed', 'passed') WHERE condition = 2")
        db.execute("UPDATE judged SET results = 3")
        db.execute("UPDATE runs SET total = 99")
    assert damage(store._db.conn) == [
        "the results of 1 run are counted wrong",
        "the judged results of 1 run are counted wrong",
        "the outcomes of 1 condition are not those of the results",
    ]
    salvage(store.path, tmp_path / "new.db")
    with Store(tmp_path / "new.db") as new:
        assert damage(new._db.conn) == []
        assert new.outcomes(run) == truth
        assert kept(new) == 4
