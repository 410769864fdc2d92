"""The shipped demo benchmark is well formed, true to itself, and its tests tell right from wrong."""

from __future__ import annotations

import ast
import copy
import doctest
import json
import math
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from qrtui.paths import shipped
from qrtui.tasks.task import Task

KEYS = {
    "task_id",
    "prompt",
    "entry_point",
    "canonical_solution",
    "base_input",
    "plus_input",
    "contract",
    "atol",
}
RECORDS: list[dict[str, Any]] = [
    json.loads(line) for line in shipped("data", "tasks", "demo.jsonl").read_text("utf-8").splitlines()
]
TASKS = [Task(dataset="demo", **record) for record in RECORDS]
# A mutant may loop without end, so every call gets this many lines.
LINE_BUDGET = 20_000

SWAPPED: dict[type[ast.AST], Any] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


class OutOfBudgetError(Exception):
    """A mutant ran for too many lines."""


def each_task() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("task", TASKS, ids=[task.task_id for task in TASKS])


def namespace_of(program: str | ast.Module) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "solution"}
    exec(compile(program, "<solution>", "exec"), namespace)
    return namespace


def all_inputs(task: Task) -> list[Any]:
    return [*task.base_input, *task.plus_input]


def expected_values(task: Task, inputs: list[Any]) -> list[Any]:
    function = namespace_of(task.reference)[task.entry_point]
    return [function(*copy.deepcopy(arguments)) for arguments in inputs]


def same(task: Task, got: Any, expected: Any) -> bool:
    numbers = isinstance(got, int | float) and isinstance(expected, int | float)
    if task.atol and numbers:
        return math.isclose(got, expected, rel_tol=0, abs_tol=task.atol)
    return bool(got == expected)


def within_budget(function: Callable[..., Any], arguments: list[Any]) -> Any:
    left = LINE_BUDGET

    def count_lines(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        left -= event == "line"
        if left < 0:
            raise OutOfBudgetError
        return count_lines

    tracer = sys.gettrace()
    sys.settrace(count_lines)
    try:
        return function(*arguments)
    finally:
        sys.settrace(tracer)


def caught(task: Task, wrong: Callable[..., Any], inputs: list[Any]) -> bool:
    """Whether at least one input shows that `wrong` is not the task's solution."""
    for arguments, expected in zip(inputs, expected_values(task, inputs), strict=True):
        try:
            got = within_budget(wrong, copy.deepcopy(arguments))
        except Exception:  # noqa: BLE001  a wrong solution that raises is caught, whatever it raises
            return True
        if not same(task, got, expected):
            return True
    return False


def entry_function(task: Task, tree: ast.Module) -> ast.FunctionDef:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return next(function for function in functions if function.name == task.entry_point)


def operator_sites(function: ast.FunctionDef) -> list[tuple[ast.AST, int]]:
    """Where operators stand: the expression, and the number of the operator in it."""
    sites: list[tuple[ast.AST, int]] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Compare):
            sites += [(node, number) for number in range(len(node.ops))]
        elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
            sites.append((node, 0))
    return sites


def mutants(task: Task) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The canonical solution once per operator in it, with that one operator exchanged for another."""
    for index in range(len(operator_sites(entry_function(task, ast.parse(task.reference))))):
        tree = ast.parse(task.reference)
        function = entry_function(task, tree)
        node, number = operator_sites(function)[index]
        if isinstance(node, ast.Compare):
            node.ops[number] = SWAPPED[type(node.ops[number])]()
        elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
            node.op = SWAPPED[type(node.op)]()
        yield ast.unparse(function), namespace_of(ast.fix_missing_locations(tree))[task.entry_point]


def contract_of(task: Task) -> Callable[..., None]:
    function = entry_function(task, ast.parse(task.reference))
    names = ", ".join(argument.arg for argument in function.args.args)
    check: Callable[..., None] = namespace_of(f"def check({names}):\n{task.contract}")["check"]
    return check


def test_there_are_enough_tasks_half_of_each_shape_interleaved() -> None:
    assert len(TASKS) >= 40
    assert [task.task_id for task in TASKS] == [f"Demo/{number}" for number in range(len(TASKS))]
    assert [task.is_instruction for task in TASKS] == [number % 2 == 1 for number in range(len(TASKS))]
    assert sum(task.is_instruction for task in TASKS) * 2 == len(TASKS)


def test_records_hold_evalplus_keys_and_nothing_twice() -> None:
    assert all(set(record) == KEYS for record in RECORDS)
    for key in ("task_id", "prompt", "entry_point", "canonical_solution"):
        values = [record[key] for record in RECORDS]
        assert len(set(values)) == len(values), key


@each_task()
def test_prompt_has_its_shape(task: Task) -> None:
    compile(task.prompt, "<prompt>", "exec")
    assert task.prompt.endswith('"""\n')
    docstring = ast.get_docstring(_documented(task))
    assert docstring is not None
    if task.is_instruction:
        lines = task.prompt.splitlines()
        assert len(lines) == 4
        assert lines[0] == lines[3] == '"""'
        assert lines[2].startswith(f"assert {task.entry_point}(")
        sentence = lines[1]
    else:
        assert f">>> {task.entry_point}(" in docstring.replace("round(", "")
        sentence = docstring.split(">>>")[0]
    assert len(sentence.split()) >= 8


def _documented(task: Task) -> ast.Module | ast.FunctionDef:
    tree = ast.parse(task.prompt)
    if task.is_instruction:
        return tree
    function = tree.body[-1]
    assert isinstance(function, ast.FunctionDef)
    assert function.name == task.entry_point
    return function


@each_task()
def test_canonical_solution_keeps_what_the_prompt_promises(task: Task) -> None:
    namespace = namespace_of(task.reference)
    if task.is_instruction:
        exec(task.prompt.splitlines()[2], namespace)
        return
    docstring = namespace[task.entry_point].__doc__
    examples = doctest.DocTestParser().get_doctest(docstring, namespace, task.task_id, None, None)
    assert 1 <= len(examples.examples) <= 3
    assert doctest.DocTestRunner(verbose=False).run(examples).failed == 0


@each_task()
def test_inputs_obey_the_contract_and_the_solution_leaves_them_alone(task: Task) -> None:
    assert 4 <= len(task.base_input) <= 8
    assert 8 <= len(task.plus_input) <= 20
    check, function = contract_of(task), namespace_of(task.reference)[task.entry_point]
    for arguments in all_inputs(task):
        check(*arguments)
        before = copy.deepcopy(arguments)
        value = function(*arguments)
        assert arguments == before
        assert json.loads(json.dumps(value)) == value
        if isinstance(value, float):
            assert math.isfinite(value)
            assert task.atol > 0


@each_task()
def test_no_input_is_given_twice(task: Task) -> None:
    written = [json.dumps(arguments) for arguments in all_inputs(task)]
    assert len(set(written)) == len(written)


@each_task()
def test_base_inputs_fail_trivial_solutions(task: Task) -> None:
    first = expected_values(task, task.base_input[:1])[0]
    assert caught(task, lambda *_: None, task.base_input)
    assert caught(task, lambda *arguments: arguments[0], task.base_input)
    assert caught(task, lambda *arguments: arguments[-1], task.base_input)
    assert caught(task, lambda *_: first, task.base_input), "a constant passes"


@each_task()
def test_a_wrong_operator_is_caught(task: Task) -> None:
    for source, mutant in mutants(task):
        assert caught(task, mutant, all_inputs(task)), source


def test_most_solutions_have_an_operator_to_get_wrong() -> None:
    assert sum(1 for task in TASKS if next(mutants(task), None) is not None) > len(TASKS) / 2
