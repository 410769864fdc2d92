"""The paper's equations against worked examples and their special cases."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrtui.results.metrics import drop, mean_pass_at_k, pass_at_k, relative_drop, relative_robustness

shares = st.fractions(min_value=-1, max_value=1, max_denominator=400)


@pytest.mark.parametrize(
    ("original_drop", "quantized_drop", "value", "more_robust"),
    [
        (Fraction(12, 100), Fraction(9, 100), 4 / 3, "quantized"),
        (Fraction(9, 100), Fraction(12, 100), 0.75, "original"),
        (Fraction(5, 100), Fraction(5, 100), 1.0, "equal"),
        (Fraction(0), Fraction(0), None, "equal"),
        (Fraction(0), Fraction(5, 100), None, "original"),
        (Fraction(5, 100), Fraction(0), None, "quantized"),
        (Fraction(-2, 100), Fraction(3, 100), None, "original"),
        (Fraction(3, 100), Fraction(-2, 100), None, "quantized"),
        # Both gained: their quotient, 0.5, would look like a robust original. The smaller drop is the larger gain.
        (Fraction(-2, 100), Fraction(-4, 100), None, "quantized"),
        (Fraction(-3, 100), Fraction(-3, 100), None, "equal"),
    ],
)
def test_arrow_follows_the_drops_and_the_ratio_needs_two_losses(original_drop, quantized_drop, value, more_robust):
    result = relative_robustness(original_drop, quantized_drop)
    assert result.more_robust == more_robust
    assert result.value == (None if value is None else pytest.approx(value))


@given(shares, shares)
def test_arrow_and_ratio_never_contradict_each_other(original_drop, quantized_drop):
    value, more_robust = relative_robustness(original_drop, quantized_drop)
    if value is not None:
        assert (value > 1, value < 1, value == 1) == (
            more_robust == "quantized",
            more_robust == "original",
            more_robust == "equal",
        )


@given(shares, shares)
def test_swapping_the_models_swaps_the_arrow(one, other):
    mirrored = {"quantized": "original", "original": "quantized", "equal": "equal"}
    assert relative_robustness(one, other).more_robust == mirrored[relative_robustness(other, one).more_robust]


def test_relative_drop_is_equation_1():
    assert relative_drop(Fraction(60, 100), Fraction(45, 100)) == Fraction(1, 4)
    assert relative_drop(Fraction(0), Fraction(0)) is None
    assert drop(Fraction(3, 10), Fraction(4, 10)) == Fraction(-1, 10)


def test_pass_at_k_is_the_unbiased_estimate():
    assert pass_at_k(1, 1, 1) == 1.0
    assert pass_at_k(10, 0, 5) == 0.0
    assert pass_at_k(5, 2, 2) == pytest.approx(1 - math.comb(3, 2) / math.comb(5, 2))
    assert pass_at_k(10, 6, 5) == 1.0
    with pytest.raises(ValueError, match="pass@2 of 3"):
        pass_at_k(2, 3, 2)


@given(st.integers(1, 12), st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_pass(n, data):
    correct, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = list(itertools.combinations([True] * correct + [False] * (n - correct), k))
    assert pass_at_k(n, correct, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_k_of_a_table_is_for_the_ks_that_the_samples_allow():
    tasks = [[True] * 3 + [False] * 7, [False] * 10]
    assert list(mean_pass_at_k(tasks)) == [1, 2, 5, 10]
    assert mean_pass_at_k(tasks)[1] == pytest.approx(0.15)
    assert mean_pass_at_k(tasks)[10] == pytest.approx(0.5)
    # A task that has too few samples so far is left out, not counted as failed.
    assert mean_pass_at_k([[True, True], [False]]) == {1: 0.5, 2: 1.0}
    assert mean_pass_at_k([]) == {}
