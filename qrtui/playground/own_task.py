"""A task made of a prompt that somebody typed: judged by the assertions that stand in it, if there are any."""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from qrtui.results.records import digest
from qrtui.tasks.task import Task

DATASET = "playground"
"""The data set that tasks of one's own belong to."""

_ASSERT = re.compile(r"^[ \t]*(?:>>>[ \t]*)?(assert\b.+)$", re.MULTILINE)
_DEFINED = re.compile(r"^\s*(?:async\s+)?def\s+(\w+)\s*\(", re.MULTILINE)


def is_own(task: Task) -> bool:
    """Whether the task is made of a typed prompt, and in no data set."""
    return task.dataset == DATASET


def can_be_judged(task: Task) -> bool:
    """Whether the task says what a right answer is."""
    return bool(task.base_input or task.test)


def task_of(prompt: str, picked: Task | None) -> Task:
    """The task that judges answers to `prompt`: the picked one as long as the prompt still names its function.

    Else one of its own, with the assertions in the prompt as its tests: `assert f(2) == 4` gives an input and an
    expected value, any other assertion is checked as it stands. A prompt without assertions has no tests.
    """
    if picked is not None and re.search(rf"\b{re.escape(picked.entry_point)}\b", prompt):
        return picked
    asserts = list(_assertions(prompt))
    entry_point = _function_of(asserts) or next(iter(_DEFINED.findall(prompt)), "")
    examples, test = _tests(entry_point, asserts)
    # The judge runs prompt and reference as one program, which a prompt in prose is not: a bare head stands for it.
    head = f"def {entry_point}(*arguments):\n"
    body = f"    return {examples!r}[repr(arguments)][1]\n"
    has_signature = bool(entry_point) and f"def {entry_point}" in prompt
    return Task(
        task_id=f"Own/{digest(prompt)[:8]}",
        prompt=head if has_signature else "",
        entry_point=entry_point,
        canonical_solution=body if has_signature else head + body,
        dataset=DATASET,
        base_input=[list(arguments) for arguments, _ in examples.values()],
        test=test,
    )


def unread_assertions(prompt: str) -> list[str]:
    """The lines of the prompt that begin like assertions and are no tests, since Python cannot read them."""
    return [line.strip() for line in _ASSERT.findall(prompt) if _assertion(line) is None]


def _assertions(prompt: str) -> Iterator[ast.Assert]:
    """The lines of the prompt that are assertions, however deep they stand in a docstring."""
    return (statement for line in _ASSERT.findall(prompt) if (statement := _assertion(line)) is not None)


def _assertion(line: str) -> ast.Assert | None:
    try:
        (statement,) = ast.parse(line.strip()).body
    except (SyntaxError, ValueError):
        return None
    return statement if isinstance(statement, ast.Assert) else None


def _function_of(asserts: list[ast.Assert]) -> str | None:
    """The function that the assertions are about: the first they call that Python does not know."""
    calls = (node for statement in asserts for node in ast.walk(statement) if isinstance(node, ast.Call))
    names = (call.func.id for call in calls if isinstance(call.func, ast.Name))
    return next((name for name in names if not hasattr(builtins, name)), None)


_Examples = dict[str, tuple[tuple[Any, ...], Any]]
"""By the arguments' source: the arguments, and the value that is expected of them."""


def _tests(entry_point: str, asserts: list[ast.Assert]) -> tuple[_Examples, str]:
    """The assertions as examples, or, where one has another shape, as a program that defines `check(candidate)`."""
    examples = [_example(entry_point, statement) for statement in asserts]
    known = {repr(example[0]): example for example in examples if example is not None}
    if None not in examples:
        return known, ""
    lines = "\n".join(ast.unparse(statement) for statement in asserts)
    return {}, f"def check(candidate):\n{textwrap.indent(lines, '    ')}\n" if entry_point else ""


def _example(entry_point: str, statement: ast.Assert) -> tuple[tuple[Any, ...], Any] | None:
    """Arguments and expected value of `assert f(1, 2) == 3`; None for an assertion of another shape."""
    match statement.test:
        case ast.Compare(
            left=ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]), ops=[ast.Eq()], comparators=[expected]
        ) if name == entry_point:
            try:
                return tuple(map(ast.literal_eval, arguments)), ast.literal_eval(expected)
            except ValueError:
                return None
    return None
