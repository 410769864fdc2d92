"""EvalPlus' rules, one by one."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from qrtui.judge.compare import expected_of, matches


def same(expected: Any, got: Any, atol: float = 0.0) -> bool:
    return matches("own/1", "f", atol, [], expected, got)


def test_equality_and_tolerance() -> None:
    assert same(3, 3.0)
    assert not same([1], (1,))
    assert same([0.1], [0.1 + 1e-9])
    assert not same([0.1], (0.1 + 1e-9,))
    assert not same(1, 1 + 1e-9)
    assert not same([0.1, 0.2], [0.1])
    assert not same([0.1, "a"], [0.1 + 1e-9, "a"])
    assert same([[0.1]], [[0.1 + 1e-9]], atol=1e-6)
    assert not same(1.0, 1.1)
    assert same(1.0, 1.05, atol=0.1)
    assert not same([1, 2], np.array([1, 2]))
    assert same(2.5, np.float64(2.5))
    assert not same(2.5, np.float64(2.5 + 1e-9))
    assert not same(None, "None")


def test_large_floats_may_differ_by_a_ten_millionth_of_themselves_and_no_more() -> None:
    assert same(1e9, 1e9 + 99)
    assert not same(1e9, 1e9 + 101)
    assert same([1.0, 1e9], [1.0, 1e9 - 99])
    assert not same([1.0, 1e9], [1.0 + 2e-6, 1e9])
    # Where the task has a tolerance, that one takes the place of 1e-6, and is added to the other.
    assert same(1e9, 1e9 + 149, atol=50.0)
    assert not same(1e9, 1e9 + 151, atol=50.0)
    assert not same(10**9, 10**9 + 1)


def test_no_value_can_break_the_comparison() -> None:
    for got in (10**400, "x", None, [[]], {1: 2}, np.array([[1.0]]), float("nan"), [float("inf")]):
        assert not same([0.5], got)
        assert not matches("HumanEval/32", "find_zero", 1e-4, [[1, 2]], -0.5, got)


def test_vast_or_chosen_values_cost_no_time() -> None:
    assert not matches("HumanEval/32", "find_zero", 1e-4, [[1, 2, 3, 4]], -0.5, 2**40_000_000)
    alike = [n * (2**61 - 1) for n in range(100_000)]
    assert not matches("Mbpp/2", "similar_elements", 0, [], (4, 5), alike)


def test_nothing_is_broadcast() -> None:
    tall = np.zeros((1_000_000, 1), bool)
    for expected, got in (([1] * 3000, tall), ([[1] * 3000, 2], [tall, 2]), ({"a": [1] * 3000}, {"a": tall})):
        assert not same(expected, got)
    assert not same([0.5, 1.0], ["x" * 300_000] + ["a"] * 2500)
    assert same(3, np.array([3]))


def test_exact_numbers_are_equal_to_their_like() -> None:
    assert same(2, Fraction(2))
    assert same(0.5, Decimal("0.5"))
    assert not same(1 / 3, Fraction(1, 3))
    assert not same([1], {0: 1}.values())
    assert same({1, 2}, {1: 0, 2: 0}.keys())


def test_a_root_is_right_wherever_it_lies() -> None:
    assert matches("HumanEval/32", "find_zero", 1e-4, [[-6, 11, -6, 1]], 1.0, 3.0)
    assert not matches("HumanEval/32", "find_zero", 1e-4, [[-6, 11, -6, 1]], 1.0, 2.5)


@pytest.mark.parametrize(
    ("function", "arguments", "expected", "right", "wrong"),
    [
        ("similar_elements", [], (4, 5), [5, 4, 4], (4,)),
        ("sum_div", [], 7, 0, 1),
        ("digit_distance_nums", [23, 56], 6, 6, 7),
        ("surface_Area", [3, 4], 33, 35, 36),
        ("check_str", [], True, object(), None),
        ("check_str", [], False, None, True),
    ],
)
def test_mbpp_rules(function: str, arguments: list[Any], expected: Any, right: Any, wrong: Any) -> None:
    assert matches("Mbpp/1", function, 0, arguments, expected, right)
    assert not matches("Mbpp/1", function, 0, arguments, expected, wrong)
    assert matches("Mbpp/164", "are_equivalent", 0, [], True, "anything")
    assert expected_of("Mbpp/1", "check_str", "match") is True
    assert expected_of("HumanEval/1", "check_str", "match") == "match"
