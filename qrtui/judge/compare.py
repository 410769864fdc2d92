"""When an answer counts as right: EvalPlus' rules (evalplus 0.3.1, `evalplus.eval.unsafe_execute`).

Exact equality first. Floats, and flat sequences of floats, may differ by the task's `atol`, or by 1e-6 where
it has none; the types must then be the same. Some tasks have rules of their own. Three of EvalPlus' faults are
not followed: its tolerance sticks for all inputs after the first float, it counts no answer to HumanEval/32 as
right, and it broadcasts, so that `[[]]` is close to every list. Unlike there, the arguments seen by a rule are
never those that the solution may have changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

from qrtui.judge.values import check_spread

FLOAT_ATOL = 1e-6
RTOL = 1e-7
_NUMBERS = frozenset({int, float, complex, bool})
_PLAIN = _NUMBERS | {str, bytes, type(None)}


def matches(task_id: str, entry_point: str, atol: float, arguments: list[Any], expected: Any, got: Any) -> bool:
    """Whether `got` is a right answer to `entry_point(*arguments)`; False where they cannot be compared."""
    rule = _rule(task_id, entry_point)
    try:
        verdict = rule(arguments, expected, got, atol) if rule else None
        return _equal(expected, got, atol) if verdict is None else bool(verdict)
    except Exception:  # noqa: BLE001 - values of any two types meet here, and most pairs cannot be compared
        return False


def expected_of(task_id: str, entry_point: str, value: Any) -> Any:
    """What to keep of the reference's answer: for some MBPP tasks only whether there is one."""
    if task_id.startswith("Mbpp/") and entry_point in _oracles().MBPP_OUTPUT_NOT_NONE_TASKS:
        return value is not None
    return value


def _equal(expected: Any, got: Any, atol: float) -> bool:
    if not _shapes_agree(expected, got):
        return False
    # The truth of two arrays' `==` is no truth: ValueError, and so not a match, as in EvalPlus.
    if bool(got == expected):
        return True
    tolerance = atol or (FLOAT_ATOL if _is_floats(expected) else 0.0)
    if not tolerance or type(got) is not type(expected):
        return False
    import numpy as np

    shape = _shape(expected)
    if shape is None or _shape(got) != shape:
        return False
    return bool(np.allclose(got, expected, rtol=RTOL, atol=tolerance))


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of a number, an array, or a regular nest of lists of numbers; None for anything else.

    numpy would first make an array of it, of strings for example, each as wide as the longest.
    """
    if isinstance(value, list | tuple):
        if set(map(type, value)) <= _NUMBERS:
            return (len(value),)
        inner = _shape(value[0])
        return None if inner is None or any(_shape(one) != inner for one in value) else (len(value), *inner)
    shape = getattr(value, "shape", () if type(value) in _NUMBERS else None)
    return shape if isinstance(shape, tuple) else None


def _shapes_agree(expected: Any, got: Any) -> bool:
    """Whether no array in `got` meets something of another shape: `==` would broadcast it to any size."""
    if _is_array(expected) or _is_array(got):
        if getattr(got, "size", 0) == 1:
            return True  # one number, however it is wrapped, as in EvalPlus
        return (_shape(expected) or ()) == (_shape(got) or ())
    if isinstance(expected, dict) and isinstance(got, dict):
        return all(_shapes_agree(item, got[key]) for key, item in expected.items() if key in got)
    if not isinstance(expected, list | tuple | deque) or type(got) is not type(expected) or len(got) != len(expected):
        return True  # compared without a look at the parts
    if set(map(type, got)) | set(map(type, expected)) <= _PLAIN:
        return True
    return all(map(_shapes_agree, expected, got))


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and bool(getattr(value, "shape", ()))


def _is_floats(value: Any) -> bool:
    if isinstance(value, float):
        return True
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(item, float) for item in value)
    return str(getattr(value, "dtype", "")) in ("float64", "float32")


_Rule = Callable[[list[Any], Any, Any, float], bool | None]
"""(arguments, expected, got, atol) -> the verdict, or None to go on with the common rule."""


@cache
def _rule(task_id: str, entry_point: str) -> _Rule | None:
    if task_id == "HumanEval/32":
        oracles = _oracles()
        return lambda arguments, expected, got, atol: not _is_vast(got) and abs(oracles._poly(*arguments, got)) <= atol
    return _mbpp_rule(entry_point) if task_id.startswith("Mbpp/") else None


def _mbpp_rule(entry_point: str) -> _Rule | None:
    oracles = _oracles()
    if entry_point in oracles.MBPP_OUTPUT_SET_EQ_TASKS:
        return lambda arguments, expected, got, atol: _as_set(got) == set(expected)
    if entry_point in oracles.MBPP_OUTPUT_NOT_NONE_TASKS:
        return lambda arguments, expected, got, atol: _is_there(expected, got)
    accepted: dict[str, _Rule] = {
        "are_equivalent": lambda arguments, expected, got, atol: True,
        "sum_div": lambda arguments, expected, got, atol: True if got == 0 else None,
        "surface_Area": lambda arguments, expected, got, atol: (
            got == expected or abs(got - oracles._surface_Area(*arguments)) <= atol or None
        ),
        "digit_distance_nums": lambda arguments, expected, got, atol: (
            got == oracles._digit_distance_nums(*arguments) or None
        ),
    }
    return accepted.get(entry_point)


def _is_vast(got: Any) -> bool:
    """An integer beyond every float: no root, and its powers would take minutes."""
    return isinstance(got, int) and got.bit_length() > 1024


def _as_set(got: Any) -> set[Any]:
    check_spread(got)
    return set(got)


def _is_there(expected: bool, got: Any) -> bool:
    return got == expected if isinstance(got, bool) else expected == (got is not None)


@cache
def _oracles() -> Any:
    """EvalPlus' own oracle functions. Imported late: with what it imports, evalplus takes 0.3 s."""
    from evalplus.eval import _special_oracle

    return _special_oracle
