"""One programming task of a benchmark, in EvalPlus' terms."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import msgspec


class Task(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A prompt to complete and the tests a solution must pass.

    `base_input` and `plus_input` are lists of argument lists for `entry_point`; the expected values are those
    of `canonical_solution`, compared exactly or, where `atol` > 0, as floats within that absolute tolerance.
    `prompt + canonical_solution` is a whole program. `contract` holds EvalPlus' input assertions.
    `test` is a program that defines HumanEval's own `check(candidate)`; a task with `test` is judged by it and
    has no inputs of its own.
    """

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    dataset: str
    base_input: list[Any] = []
    plus_input: list[Any] = []
    contract: str = ""
    atol: float = 0.0
    test: str = ""

    @property
    def reference(self) -> str:
        """The canonical solution as a whole program."""
        return self.prompt + self.canonical_solution

    @cached_property
    def content_hash(self) -> str:
        """A SHA-256 of all that decides a verdict: a changed test gives another hash, and so another verdict."""
        content = [getattr(self, field) for field in self.__struct_fields__ if field != "dataset"]
        return hashlib.sha256(_canonical(content).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def is_instruction(self) -> bool:
        """Whether the prompt is a docstring alone (MBPP's shape) and holds no signature to complete."""
        return f"def {self.entry_point}" not in self.prompt


def _canonical(value: Any) -> str:
    """One text for one value: types told apart, sets and dictionaries in an order of their own making."""
    match value:
        case dict():
            return "{" + ",".join(sorted(f"{_canonical(k)}:{_canonical(v)}" for k, v in value.items())) + "}"
        case set() | frozenset():
            return "set(" + ",".join(sorted(map(_canonical, value))) + ")"
        case list() | tuple():
            return type(value).__name__ + "(" + ",".join(map(_canonical, value)) + ")"
        case _:
            return f"{type(value).__name__} {value!r}"
