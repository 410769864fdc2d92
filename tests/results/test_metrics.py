"""The paper's equations against worked examples and their special cases."""

import math
from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrtui.results.metrics import drop, pass_at_k, relative_drop, relative_robustness

shares = st.fractions(min_value=-1, max_value=1, max_denominator=400)


@pytest.mark.parametrize(
    ("original_drop", "quantized_drop", "value", "more_robust"),
    [
        (F(12, 100), F(9, 100), 4 / 3, "quantized"),
        (F(9, 100), F(12, 100), 0.75, "original"),
        (F(5, 100), F(5, 100), 1.0, "equal"),
        (F(0), F(0), None, "equal"),
        (F(0), F(5, 100), None, "original"),
        (F(5, 100), F(0), None, "quantized"),
        (F(-2, 100), F(3, 100), None, "original"),
        (F(3, 100), F(-2, 100), None, "quantized"),
        # Both gained: their quotient, 0.5, would look like a robust original. The smaller drop is the larger gain.
        (F(-2, 100), F(-4, 100), None, "quantized"),
        (F(-3, 100), F(-3, 100), None, "equal"),
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
    assert relative_drop(F(60, 100), F(45, 100)) == F(1, 4)
    assert relative_drop(F(0), F(0)) is None
    assert drop(F(3, 10), F(4, 10)) == F(-1, 10)


def test_pass_at_k_is_the_unbiased_estimate():
    assert pass_at_k(1, 1, 1) == 1.0
    assert pass_at_k(10, 0, 5) == 0.0
    assert pass_at_k(5, 2, 2) == pytest.approx(1 - math.comb(3, 2) / math.comb(5, 2))
    assert pass_at_k(10, 6, 5) == 1.0
    with pytest.raises(ValueError, match="pass@2 of 3"):
        pass_at_k(2, 3, 2)
