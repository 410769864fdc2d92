"""Our verdicts beside EvalPlus' own on the same programs: references, and mutants of them.

`python -m tests.judge.parity FILE` is EvalPlus' side, in a process of its own: `untrusted_check` forks its caller.
"""

from __future__ import annotations

import ast
import copy
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qrtui.judge import wire
from qrtui.judge.pool import JudgePool
from qrtui.judge.verdict import Verdict
from qrtui.tasks.datasets import load_tasks, read_tasks
from qrtui.tasks.task import Task

ROOT = Path(__file__).parents[2]

ORACLE = "EvalPlus counts no answer to HumanEval/32 as right, its own reference's neither"
STICKY = "EvalPlus' tolerance sticks: after the first float all later inputs are compared with it"
SHAPE = "EvalPlus broadcasts, so that values of different shapes count as close"


@dataclass(frozen=True)
class Program:
    """A program to judge: `kind` is `reference` or the mutation's name."""

    task: Task
    kind: str
    code: str


@dataclass(frozen=True)
class Disagreement:
    """Where the two differ; `why` is the defect of EvalPlus that explains it, None if none does."""

    program: Program
    ours: tuple[bool, bool]
    theirs: tuple[bool, bool]
    verdict: Verdict
    why: str | None

    def __str__(self) -> str:
        task, verdict = self.program.task, self.verdict
        told = f"{task.task_id} ({self.program.kind}): ours base {verdict.base} plus {verdict.plus}, EvalPlus"
        told += f" base {_word(self.theirs[0])} plus {_word(self.theirs[1])}"
        if verdict.failing_input:
            told += f"; {verdict.failing_input} gave {verdict.got}, expected {verdict.expected}"
        return f"{told}: {self.why or 'UNEXPLAINED'}"


def humaneval_plus() -> list[Task] | None:
    """HumanEval+, from the file that `HUMANEVAL_OVERRIDE_PATH` names or one beside the checkout; None if absent."""
    import os

    from .conftest import beside

    named = os.environ.get("HUMANEVAL_OVERRIDE_PATH")
    packed = beside("data/HumanEvalPlus-*.jsonl.gz")
    if named:
        return load_tasks("humaneval+")
    if packed is None:
        return None
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as plain:
        plain.write(gzip.decompress(packed.read_bytes()))
        plain.flush()
        return read_tasks(Path(plain.name), "humaneval+")


class _Mutation(ast.NodeTransformer):
    """Applies one kind of change at the `at`-th place where it fits, and counts these places."""

    OPERATORS: dict[type, type] = {
        ast.Add: ast.Sub,
        ast.Sub: ast.Add,
        ast.Mult: ast.Add,
        ast.FloorDiv: ast.Mod,
        ast.Mod: ast.FloorDiv,
        ast.Lt: ast.LtE,
        ast.LtE: ast.Lt,
        ast.Gt: ast.GtE,
        ast.GtE: ast.Gt,
        ast.Eq: ast.NotEq,
        ast.NotEq: ast.Eq,
        ast.And: ast.Or,
        ast.Or: ast.And,
        ast.In: ast.NotIn,
    }

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.at, self.places = kind, at, 0

    def _here(self) -> bool:
        self.places += 1
        return self.places - 1 == self.at

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if self.kind == "off by one" and type(node.value) is int and self._here():
            return ast.Constant(node.value + 1)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if self.kind == "dropped return" and node.value is not None and self._here():
            return ast.Expr(node.value)
        return node

    def _operator(self, node: ast.AST) -> ast.AST:
        other = self.OPERATORS.get(type(node))
        if self.kind == "wrong operator" and other is not None and self._here():
            return other()
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        return super().generic_visit(self._operator(node))


KINDS = ("off by one", "wrong operator", "dropped return")


def mutants(task: Task, each: int) -> Iterator[Program]:
    """Up to `each` mutants of a kind, at places spread evenly over the reference."""
    tree = ast.parse(task.reference)
    for kind in KINDS:
        counter = _Mutation(kind, -1)
        counter.visit(copy.deepcopy(tree))
        for n in range(min(each, counter.places)):
            changed = _Mutation(kind, n * counter.places // min(each, counter.places)).visit(copy.deepcopy(tree))
            yield Program(task, kind, ast.unparse(ast.fix_missing_locations(changed)) + "\n")


def programs_of(tasks: Iterable[Task], each: int) -> list[Program]:
    """Every task's reference and its mutants."""
    return [one for task in tasks for one in (Program(task, "reference", task.reference), *mutants(task, each))]


def our_verdicts(pool: JudgePool, programs: list[Program]) -> list[Verdict]:
    return [future.result() for future in [pool.submit(one.task, one.code) for one in programs]]


def evalplus_passes(programs: list[Program]) -> list[tuple[bool, bool]]:
    """Whether EvalPlus passes each on the base inputs, and on all: in a process without threads, without torch."""
    tasks = {one.task.task_id: one.task for one in programs}
    content = {
        "tasks": [wire.pack_task(task) for task in tasks.values()],
        "programs": [[one.task.task_id, one.code] for one in programs],
    }
    answers = _ask_evalplus(content)
    return [(base, base and plus) for base, plus in answers]


def disagreements(programs: list[Program], verdicts: list[Verdict]) -> list[Disagreement]:
    """Where our verdict is not EvalPlus', with the defect that explains it where one was found to."""
    theirs = evalplus_passes(programs)
    found = []
    for program, verdict, their in zip(programs, verdicts, theirs, strict=True):
        whole = verdict.plus if verdict.plus is not None else verdict.base
        ours = (verdict.base == "passed", whole == "passed")
        if ours != their:
            found.append(Disagreement(program, ours, their, verdict, _why(program, ours, their, verdict)))
    return found


def _word(passed: bool) -> str:
    return "pass" if passed else "fail"


def _why(program: Program, ours: tuple[bool, bool], theirs: tuple[bool, bool], verdict: Verdict) -> str | None:
    """The defect, tried: a tolerance that stuck is none when the failing input is checked alone."""
    task = program.task
    if task.task_id == "HumanEval/32":
        return ORACLE
    if ours[1] or not theirs[1] or verdict.base in ("timeout", "memory", "crashed"):
        return None
    failing = [
        one for one in [*task.base_input, *task.plus_input] if _shown(task.entry_point, one) == verdict.failing_input
    ]
    if not failing:
        return None
    alone = Task(
        task_id=task.task_id,
        prompt=task.prompt,
        entry_point=task.entry_point,
        canonical_solution=task.canonical_solution,
        dataset=task.dataset,
        base_input=failing[:1],
        atol=task.atol,
    )
    return SHAPE if evalplus_passes([Program(alone, program.kind, program.code)])[0][0] else STICKY


def _shown(entry_point: str, arguments: list[Any]) -> str:
    from qrtui.judge.source import call_source

    return call_source(entry_point, arguments)


def _ask_evalplus(content: dict[str, Any]) -> list[list[bool]]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(content, file)
        file.flush()
        command = [sys.executable, "-m", "tests.judge.parity", file.name]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    answers: list[list[bool]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def evalplus_truth(task: Task) -> dict[str, tuple[list[Any], list[float]]]:
    """Expected values and reference times as `evalplus.evaluate` computes them."""
    from evalplus.gen.util import trusted_exec

    return {
        name: trusted_exec(task.reference, inputs, task.entry_point, record_time=True)
        for name, inputs in (("base", task.base_input), ("plus", task.plus_input))
    }


def evalplus_check(task: Task, code: str, which: str, truth: dict[str, tuple[list[Any], list[float]]]) -> bool:
    """One of EvalPlus' two checks of a program, with its own defaults."""
    from evalplus.eval import untrusted_check

    expected, seconds = truth[which]
    inputs = task.base_input if which == "base" else task.plus_input
    if not inputs:
        return True
    status, _ = untrusted_check(
        "humaneval", code, inputs, task.entry_point, expected, task.atol, seconds, fast_check=True
    )
    return bool(status == "pass")


def main(file: str) -> None:
    content = json.loads(Path(file).read_text())
    tasks = {task.task_id: task for task in map(wire.unpack_task, content["tasks"])}
    truths = {name: evalplus_truth(task) for name, task in tasks.items()}
    answers = []
    for name, code in content["programs"]:
        base = evalplus_check(tasks[name], code, "base", truths[name])
        answers.append((base, base and evalplus_check(tasks[name], code, "plus", truths[name])))
    print(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1])
