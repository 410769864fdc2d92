"""Verdicts agree with EvalPlus', except where a defect of EvalPlus explains the difference.

A sample of tasks here; `benchmarks/judge_parity.py` compares them all.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qrtui.errors import JudgeError
from qrtui.judge.pool import JudgePool
from qrtui.tasks.datasets import load_tasks
from qrtui.tasks.task import Task

from .parity import (
    ORACLE,
    SHAPE,
    STICKY,
    Disagreement,
    Program,
    disagreements,
    humaneval_plus,
    our_verdicts,
    programs_of,
)

# 2 and 4 have a tolerance, 32 an oracle of its own, 50 a second function, 148 tuples; the others by chance.
SAMPLE = (0, 2, 4, 9, 21, 32, 50, 71, 95, 110, 133, 148)


def compared(tasks: list[Task], each: int) -> tuple[int, list[Disagreement]]:
    """How many programs were compared, and where they differ; every reference must pass here."""
    programs = programs_of(tasks, each)
    try:
        with JudgePool(os.cpu_count()) as pool:
            verdicts = our_verdicts(pool, programs)
    except JudgeError as error:
        pytest.skip(str(error))
    for program, verdict in zip(programs, verdicts, strict=True):
        if program.kind == "reference":
            assert (verdict.base, verdict.plus) == ("passed", "passed"), program.task.task_id
    return len(programs), disagreements(programs, verdicts)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path))


def test_the_demo_tasks_and_their_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    count, found = compared(load_tasks("demo")[::4], each=2)
    assert count > 30
    assert [str(one) for one in found if one.why is None] == []
    with capsys.disabled():
        for one in found:
            print(f"\n{one}")


def test_a_sample_of_humaneval_plus_and_its_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = humaneval_plus()
    if tasks is None:
        pytest.skip("HumanEval+ is not here: set HUMANEVAL_OVERRIDE_PATH to EvalPlus' .jsonl file")
    count, found = compared([task for task in tasks if int(task.task_id.split("/")[1]) in SAMPLE], each=1)
    assert count > 30
    with capsys.disabled():
        for one in found:
            print(f"\n{one}")
    assert [str(one) for one in found if one.why is None] == []
    assert {one.why for one in found if one.program.kind == "reference"} <= {ORACLE}


@pytest.mark.parametrize(
    ("reference", "program", "why"),
    [
        ("[0.5, 10**9][n]", "[0.5, 10**9 + 50][n]", STICKY),
        ("[0.5]", "[[]]", SHAPE),
        ("[0.5, 0.5]", "[[0.5, 0.5], [0.5, 0.5]]", SHAPE),
    ],
)
def test_defects_of_evalplus_that_are_not_repeated(reference: str, program: str, why: str) -> None:
    task = Task(
        task_id="own/f",
        prompt="def f(n):\n",
        canonical_solution=f"    return {reference}\n",
        entry_point="f",
        dataset="own",
        base_input=[[0], [1]],
    )
    programs = [Program(task, "wrong", f"def f(n):\n    return {program}\n")]
    with JudgePool(1) as pool:
        verdicts = our_verdicts(pool, programs)
    assert verdicts[0].base == "failed"
    (found,) = disagreements(programs, verdicts)
    assert (found.theirs, found.why) == ((True, True), why)
