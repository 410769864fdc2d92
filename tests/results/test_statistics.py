"""The tests and intervals against enumeration, against other implementations, and against worked examples."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from qrtui.results.power import smallest_difference, tasks_needed
from qrtui.results.statistics import (
    UNTOLD,
    bootstrap_mean,
    bootstrap_rrs,
    discordant,
    holm,
    mcnemar,
    odds_ratio,
    sign_flip_test,
    sign_test,
)

passes = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@given(passes)
def test_mcnemar_is_the_exact_test(pairs):
    first, second = zip(*pairs, strict=True)
    b, c = discordant(first, second)
    expected = statsmodels_mcnemar([[0, b], [c, 0]], exact=True).pvalue if b + c else 1.0
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(second, first) == pytest.approx(mcnemar(first, second))


@given(passes)
def test_the_sign_flip_test_of_plain_passes_is_mcnemars(pairs):
    differences = [Fraction(a - b) for a, b in pairs]
    first, second = zip(*pairs, strict=True)
    assert sign_flip_test(differences) == pytest.approx(mcnemar(first, second))


@given(st.lists(st.fractions(min_value=-2, max_value=2, max_denominator=4), min_size=1, max_size=8))
@settings(max_examples=60)
def test_the_sign_flip_test_counts_every_sign_pattern(differences):
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    expected = sum(value >= abs(sum(differences)) for value in sums) / len(sums)
    assert sign_flip_test(differences) == pytest.approx(expected)


def test_the_sign_flip_test_keeps_its_level_when_the_models_differ_in_all_but_the_mean():
    # The one loses one test often, the other two tests rarely: no symmetry, but equal means.
    rng = np.random.default_rng(0)
    rejected = [
        sign_flip_test([Fraction(int(v)) for v in rng.choice([1, -2, 0], p=[0.2, 0.1, 0.7], size=164)]) <= 0.05
        for _ in range(300)
    ]
    assert 0.02 <= np.mean(rejected) <= 0.08


def test_the_sign_test_of_the_papers_headline():
    assert sign_test(65, 54) == pytest.approx(0.359, abs=5e-4)
    assert sign_test(0, 0) == 1.0


def test_holm_steps_down_and_leaves_out_what_was_not_tested():
    # 0.01 x 4, then 0.02 x 3, then 0.03 x 2, which may not fall below the one before, then 0.5.
    assert holm([0.02, None, 0.5, 0.01, 0.03]) == pytest.approx([0.06, None, 0.5, 0.04, 0.06])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([None]) == [None]
    assert holm([]) == []


@pytest.mark.parametrize(("quantized", "original"), [(6, 3), (1, 1), (12, 40)])
def test_the_odds_ratio_has_the_exact_interval_of_its_share(quantized, original):
    share = binomtest(quantized, quantized + original).proportion_ci(method="exact")
    found = odds_ratio(quantized, original)
    assert found.value == quantized / original
    assert (found.low, found.high) == pytest.approx((share.low / (1 - share.low), share.high / (1 - share.high)))


def test_an_odds_ratio_of_one_side_only_is_open_and_of_nothing_is_none():
    assert odds_ratio(6, 0) == (None, pytest.approx(1.177, abs=1e-3), None)
    assert odds_ratio(0, 6) == (0.0, 0.0, pytest.approx(1 / 1.177, abs=1e-3))
    assert odds_ratio(0, 0) == (None, None, None)


def test_a_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        low, high = bootstrap_mean(rng.choice([-1, 0, 1], p=[0.1, 0.65, 0.25], size=100).tolist())
        covered += low <= 0.15 <= high
    assert 0.9 <= covered / 300 <= 0.98


def test_where_all_tasks_agree_there_is_no_interval():
    assert bootstrap_mean([0.0] * 20) == UNTOLD
    assert bootstrap_mean([1.0] * 20) == UNTOLD
    # Both lose exactly the same tasks: the ratio is 1 in every resample.
    assert bootstrap_rrs([1] * 20, [0] * 5 + [1] * 15, [1] * 20, [0] * 5 + [1] * 15) == UNTOLD


def test_the_rrs_interval_holds_the_ratio_and_is_open_where_the_quantized_model_may_lose_nothing():
    clean = [1] * 100
    low, high = bootstrap_rrs(clean, [0] * 40 + [1] * 60, clean, [1] * 80 + [0] * 20)
    assert low < 2 < high < 6
    low, high = bootstrap_rrs(clean, [0] * 40 + [1] * 60, clean, [1] * 99 + [0])
    assert low > 1
    assert high is None
    assert bootstrap_rrs(clean, clean, clean, clean) == UNTOLD


def test_an_rrs_of_which_most_resamples_say_nothing_has_no_interval():
    # Each model gains a little more than it loses: in 60 % of the resamples neither loses anything.
    lost_9, lost_8 = [1] * 9 + [0] * 10 + [1] * 21, [1] * 8 + [0] * 10 + [1] * 22
    gained_9, gained_8 = [0] * 9 + [1] * 31, [0] * 8 + [1] * 32
    assert bootstrap_rrs(lost_9, gained_9, lost_8, gained_8) == UNTOLD
    # With two gains less it is 41 %.
    lost_9[17:19], lost_8[16:18] = [1, 1], [1, 1]
    assert bootstrap_rrs(lost_9, gained_9, lost_8, gained_8).low == 0


def test_the_four_scores_of_a_task_stay_together():
    clean, lost = [1] * 60, [0] * 30 + [1] * 30
    paired = bootstrap_rrs(clean, lost, clean, [0] * 29 + [1] * 31)
    apart = bootstrap_rrs(clean, lost, clean, [1] * 31 + [0] * 29)
    assert paired.high - paired.low < (apart.high - apart.low) / 3


def test_the_same_scores_give_the_same_interval():
    values = [number**2 / 100 for number in range(30)]
    assert bootstrap_mean(values) == bootstrap_mean(values)
    assert bootstrap_mean(values) != bootstrap_mean(values, seed=1)


@pytest.mark.parametrize(("p10", "p01", "expected"), [(0.45, 0.05, 27), (0.30, 0.15, 168), (0.2, 0.1, 253)])
def test_tasks_needed_is_connors_number_and_a_correction(p10, p01, expected):
    assert tasks_needed(p10 - p01, p10 + p01) == expected
    assert tasks_needed(p01 - p10, p10 + p01) == expected
    reach = norm.ppf(0.975) * np.sqrt(p10 + p01) + norm.ppf(0.8) * np.sqrt(p10 + p01 - (p10 - p01) ** 2)
    assert expected - (reach / (p10 - p01)) ** 2 == pytest.approx(2 / (p10 - p01), abs=2)


@pytest.mark.parametrize(
    ("p10", "p01", "most"), [(0.3, 0.1, 0.83), (0.12, 0.05, 0.83), (0.15, 0.1, 0.83), (0.6, 0.0, 1), (1.0, 0.0, 1)]
)
def test_so_many_tasks_find_the_difference_four_times_in_five(p10, p01, most):
    tasks = tasks_needed(p10 - p01, p10 + p01)
    power, few, share = 0.0, -1, p10 / (p10 + p01)
    for told in range(1, tasks + 1):
        # The test finds up to `few` on either side; that never shrinks as more tasks tell.
        while sign_test(few + 1, told - few - 1) <= 0.05:
            few += 1
        found = binom.cdf(few, told, share) + binom.sf(told - few - 1, told, share)
        power += binom.pmf(told, tasks, p10 + p01) * found
    assert 0.8 <= power <= most


def test_it_holds_for_differences_of_drops_too():
    values, chances = np.array([-2, -1, 0, 1, 2]), [0.01, 0.08, 0.72, 0.16, 0.03]
    mean, mean_square = float(values @ chances), float(values**2 @ chances)
    rng = np.random.default_rng(2)
    tasks = tasks_needed(mean, mean_square)
    found = [
        sign_flip_test([Fraction(int(v)) for v in rng.choice(values, p=chances, size=tasks)]) <= 0.05
        for _ in range(300)
    ]
    assert 0.75 <= np.mean(found) <= 0.9


def test_the_smallest_difference_is_the_one_that_needs_these_tasks():
    assert tasks_needed(smallest_difference(164, 0.3), 0.3) in (164, 165)
    assert smallest_difference(1000, 0.3) < smallest_difference(164, 0.3)
    # Where no task differed yet, enough must come to differ, all to one side.
    assert smallest_difference(164, 0.0) == pytest.approx(9.6 / 164, abs=0.003)
    # Five tasks have no p-value below 5 %, whatever they show; six have one.
    assert smallest_difference(5, 0.0) is None
    assert smallest_difference(6, 0.0) == pytest.approx(1, abs=0.01)
    assert tasks_needed(0.0, 0.4) is None
