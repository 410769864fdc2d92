"""The vocabulary of verdicts, each status from a program that earns it."""

from __future__ import annotations

import msgspec
import pytest

from qrtui.errors import JudgeError
from qrtui.judge.pool import JudgePool
from qrtui.judge.verdict import Verdict
from qrtui.tasks.task import Task

RIGHT = "def add(a, b):\n    return a + b\n"


def body(line: str) -> str:
    return f"def add(a, b):\n    {line}\n"


@pytest.mark.parametrize(
    ("solution", "status"),
    [
        (RIGHT, "passed"),
        (body("return a - b"), "failed"),
        (body("return {}[a]"), "failed"),
        (body("import time; time.sleep(3); return a + b"), "timeout"),
        (body("import ctypes; ctypes.string_at(0)"), "crashed"),
        (body("return [0] * 10**10"), "memory"),
        (body("return 'x' * (1 << 25)"), "output too large"),
        ("def add(a, b:\n    return a + b\n", "syntax error"),
        ("def plus(a, b):\n    return a + b\n", "missing function"),
        ("import os\nos.write(3, b'passed\\n')\n" + RIGHT, "tampered"),
    ],
)
def test_every_status_by_inputs_and_by_check(
    pool: JudgePool, add: Task, checked_add: Task, solution: str, status: str
) -> None:
    by_inputs, by_check = pool.submit(add, solution), pool.submit(checked_add, solution)
    assert (by_inputs.result().base, by_inputs.result().plus) == (status, status)
    assert (by_check.result().base, by_check.result().plus) == (status, None)
    assert by_inputs.result().level == pool.level


def test_a_failure_is_told_as_source(pool: JudgePool, add: Task, checked_add: Task) -> None:
    wrong = pool.submit(add, body("return (a, {'b': [b]})")).result()
    assert (wrong.failing_input, wrong.expected, wrong.got) == ("add(1, 2)", "3", "(1, {'b': [2]})")
    raised = pool.submit(add, body("return {}[a]")).result()
    assert (raised.failing_input, raised.got, raised.error) == ("add(1, 2)", None, "KeyError: 1")
    asserted = pool.submit(checked_add, body("return a - b")).result()
    assert (asserted.failing_input, asserted.got) == ("add(1, 2)", "-1")
    assert asserted.error == "AssertionError: assert candidate(1, 2) == 3"
    assert pool.submit(checked_add, body("return {}[a]")).result().error == "KeyError: 1"


@pytest.mark.parametrize(
    ("line", "failing"),
    [
        ("return 0 if a > 9**9 else a + b", f"add({10**30}, 1)"),
        ("if a > 9**9: import os; os._exit(0)", f"add({10**30}, 1)"),
        ("return 1 if a == -5 else a + b", "add(-5, 5)"),
        ("if a == -5: import os; os._exit(0)", "add(-5, 5)"),
    ],
)
def test_base_passes_where_only_an_added_input_fails_be_it_the_first(
    pool: JudgePool, add: Task, line: str, failing: str
) -> None:
    verdict = pool.submit(add, body(line) + "    return a + b\n").result()
    assert verdict.base == "passed"
    assert verdict.plus in ("failed", "crashed")
    assert verdict.failing_input == failing


def test_base_fails_where_its_last_input_does(pool: JudgePool, add: Task) -> None:
    verdict = pool.submit(add, body("return 0 if a == 30 else a + b")).result()
    assert (verdict.base, verdict.plus, verdict.failing_input) == ("failed", "failed", "add(30, 40)")


def test_what_an_honest_solution_may_do(pool: JudgePool, add: Task) -> None:
    program = """
from __future__ import annotations
import asyncio, colorsys, dataclasses, sqlite3, sys, threading
import numpy as np
sys.setrecursionlimit(20000)

@dataclasses.dataclass
class Pair:
    a: int
    b: int

def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)

async def later(value):
    await asyncio.sleep(0)
    return value

def add(a, b):
    print("noise", file=sys.stderr)
    open("note.txt", "w").write("mine")
    found = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(later(Pair(a, b)))))
    thread.start()
    thread.join()
    assert depth(6000) == 6000 and int(np.array([1, 2]).sum()) == 3
    assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
    return found[0].a + found[0].b
"""
    verdict = pool.submit(add, program).result()
    assert (verdict.plus, verdict.error) == ("passed", None)


def test_a_call_cannot_spoil_the_next_one(pool: JudgePool) -> None:
    task = Task(
        task_id="own/last",
        prompt="def last(xs):\n",
        canonical_solution="    return xs[-1]\n",
        entry_point="last",
        dataset="own",
        base_input=[[[1, 2]], [[1, 2]], [[(3, {4})]]],
    )
    assert pool.submit(task, "def last(xs):\n    return xs.pop()\n").result().base == "passed"


def test_large_answers_are_compared_too(pool: JudgePool) -> None:
    task = Task(
        task_id="own/many",
        prompt="def many(n):\n",
        canonical_solution="    return [i / 3 for i in range(n)]\n",
        entry_point="many",
        dataset="own",
        base_input=[[10], [300_000]],
    )

    def judged(expression: str) -> Verdict:
        return pool.submit(task, f"def many(n):\n    return {expression}\n").result()

    assert judged("[i / 3 for i in range(n)]").base == "passed"
    assert judged("[i / 3 + 1e-9 for i in range(n)]").base == "passed"
    wrong = judged("[i / 3 for i in range(n)] if n < 99 else [0.0] * n")
    assert wrong.base == "failed"
    assert wrong.failing_input == "many(300000)"
    assert wrong.expected
    assert wrong.expected.startswith("[0.0, 0.3333333333333333, ")
    assert judged("[i / 3 for i in range(n)] if n < 99 else 0").got == "0"


def numbers(canonical: str) -> Task:
    return Task(
        task_id="own/numbers",
        prompt="def f(n):\n",
        canonical_solution=f"    {canonical}\n",
        entry_point="f",
        dataset="own",
        base_input=[[50_000], [60_000]],
    )


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("def f(n):\n    return [*range(n)]\n", "passed"),
        ("def f(n):\n    return [False, True, *range(2, n)]\n", "passed"),
        ("def f(n, acc=[]):\n    acc.extend(range(n)); return acc\n", "failed"),
        (
            "import os\ndef f(n):\n    if os.path.exists('seen'): return [*range(n)]\n"
            "    open('seen', 'w').close(); return [0] * n\n",
            "failed",
        ),
        (
            "import os, time\ndef f(n):\n    if os.path.exists('seen'): time.sleep(4)\n"
            "    open('seen', 'w').close(); return [*range(n - 1), float(n - 1)]\n",
            "timeout",
        ),
    ],
)
def test_a_large_answer_has_no_second_try(pool: JudgePool, program: str, status: str) -> None:
    assert pool.submit(numbers("return list(range(n))"), program).result().base == status


@pytest.mark.parametrize("by_check", [False, True])
def test_a_solution_must_import_what_its_annotations_name(
    pool: JudgePool, add: Task, checked_add: Task, by_check: bool
) -> None:
    program = "def add(a: List[int], b: Optional[int]) -> Any:\n    return a + b\n"
    verdict = pool.submit(checked_add if by_check else add, program).result()
    assert (verdict.base, verdict.error) == ("failed", "NameError: name 'List' is not defined")


@pytest.mark.parametrize(
    ("line", "by_check", "status"),
    [
        ("import collections; return collections.deque([10**5000])", False, "failed"),
        ("import collections; return collections.deque([10**5000])", True, "failed"),
        ("import numpy as np; return np.longdouble(3)", False, "failed"),
        ("import numpy as np; return np.matrix([[a + b]])", False, "passed"),
        ("import fractions; return fractions.Fraction(a + b)", False, "passed"),
        ("import numpy as np; return np.array(a + b, dtype=object)", False, "passed"),
        ("channel.answer({'digest': '0' * 64, 'seconds': 0})", True, "tampered"),
        ("channel.answer({'digest': '0' * 64, 'seconds': 0})", False, "tampered"),
        ("channel.answer({'value': {'decimal': 'x'}, 'seconds': 0})", False, "tampered"),
        ("channel.answer({'value': {'keys': 3}, 'seconds': 0})", False, "tampered"),
    ],
)
def test_no_answer_ends_the_judge(
    pool: JudgePool, add: Task, checked_add: Task, line: str, by_check: bool, status: str
) -> None:
    finding = "import sys\nframe = sys._getframe()\nwhile 'channel' not in frame.f_locals: frame = frame.f_back\n"
    program = f"{finding}channel = frame.f_locals['channel']\ndef add(a, b):\n    {line}\n"
    pool.submit(add, RIGHT).result()
    server = pool._workers[0]._server
    small = msgspec.structs.replace(add, plus_input=[])
    assert pool.submit(checked_add if by_check else small, program).result().base == status
    assert pool._workers[0]._server is server


def test_a_task_that_cannot_be_judged_says_so(pool: JudgePool, add: Task) -> None:
    broken = Task(**{**{name: getattr(add, name) for name in add.__struct_fields__}, "canonical_solution": " 1/0"})
    with pytest.raises(JudgeError, match=r"own/add.*ZeroDivisionError"):
        pool.submit(broken, RIGHT).result()
    empty = Task(task_id="own/none", prompt="", canonical_solution=RIGHT, entry_point="add", dataset="own")
    with pytest.raises(JudgeError, match="no tests"):
        pool.submit(empty, RIGHT).result()
    assert pool.submit(add, RIGHT).result().base == "passed"
