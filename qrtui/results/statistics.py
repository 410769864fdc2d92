"""How sure the numbers are: intervals and exact tests over tasks.

numpy, scipy and statsmodels do the mathematics; they are imported by the functions that use them.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2000
"""How many times the tasks are drawn again for a bootstrap interval."""

BOOTSTRAP_SEED = 0
"""What fixes those draws."""

ALPHA = 0.05
"""The level of every test; intervals are of confidence 1 - ALPHA."""

_FINEST_STEP = 100


class Interval(NamedTuple):
    """A confidence interval; an end is None where it is infinite or cannot be told."""

    low: float | None
    high: float | None


UNTOLD = Interval(None, None)


class OddsRatio(NamedTuple):
    """An odds ratio with its interval; None where it is infinite or cannot be told."""

    value: float | None
    low: float | None
    high: float | None


def bootstrap_mean(values: Sequence[float], *, seed: int = BOOTSTRAP_SEED, confidence: float = 1 - ALPHA) -> Interval:
    """The percentile interval of a mean over tasks, from `RESAMPLES` resamples of the tasks.

    `values` holds one number per task; a drop's are clean score less perturbed score, so that the pair stays together.
    Where all tasks agree there is nothing to resample and no interval: one of width zero would claim certainty.
    """
    import numpy as np

    if len(set(values)) < 2:
        return UNTOLD
    means = _drawn(len(values), seed) @ np.asarray(values, dtype=float) / len(values)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(round(float(low), 12), round(float(high), 12))


def bootstrap_rrs(
    original_clean: Sequence[float],
    original: Sequence[float],
    quantized_clean: Sequence[float],
    quantized: Sequence[float],
    *,
    seed: int = BOOTSTRAP_SEED,
    confidence: float = 1 - ALPHA,
) -> Interval:
    """The percentile interval of the RRS (Eq. 2) from `RESAMPLES` resamples of the tasks, all four scores together.

    Each argument holds one score per task, in the same order. A resample in which only the quantized model lost nothing
    counts as an infinite RRS, one in which only the original lost nothing as 0, and one in which neither lost is left
    out. An infinite end is None. There is no interval where fewer than half of the resamples tell anything, nor where
    all tell the same.
    """
    import numpy as np

    scores = np.array([original_clean, original, quantized_clean, quantized], dtype=float)
    means = scores @ _drawn(scores.shape[1], seed).T / scores.shape[1]
    original_drop, quantized_drop = np.round(means[0] - means[1], 12), np.round(means[2] - means[3], 12)
    told = (original_drop > 0) | (quantized_drop > 0)
    if told.sum() * 2 < RESAMPLES:
        return UNTOLD
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(quantized_drop > 0, np.maximum(original_drop, 0) / quantized_drop, np.inf)[told]
    tail = (1 - confidence) / 2
    low, high = (float(np.quantile(ratio, share, method="nearest")) for share in (tail, 1 - tail))
    return UNTOLD if low == high else Interval(_finite(low), _finite(high))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """The two-sided p-value of McNemar's exact test on paired passes: 1.0 where no pair differs."""
    return sign_test(*discordant(first, second))


def discordant(first: Sequence[bool], second: Sequence[bool]) -> tuple[int, int]:
    """How many tasks only the first passes, and how many only the second."""
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    return only_first, only_second


def sign_test(wins: int, losses: int) -> float:
    """The two-sided exact p-value of so many wins against so many losses; ties do not count.

    >>> round(sign_test(65, 54), 3)
    0.359
    """
    if wins + losses == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue)


def sign_flip_test(differences: Sequence[Fraction | int]) -> float:
    """The two-sided exact p-value of the paired permutation test (Fisher-Pitman) that the mean difference is zero.

    `differences` holds one number per task. Under the null hypothesis the two models are exchangeable in every task, so
    that each difference is as likely with the other sign; p is the chance of a sum at least as far from zero, over all
    sign patterns. For differences of -1, 0 and 1 this is McNemar's exact test. Where the models are not exchangeable
    the test still holds for the mean when tasks are many (Romano 1990). Differences that are no multiples of 1/100 or
    coarser are rounded to 1/100.

    >>> round(sign_flip_test([Fraction(1)] * 5 + [Fraction(0)] * 10), 4)
    0.0625
    """
    import numpy as np
    from scipy.stats import binom

    steps = min(math.lcm(*(difference.denominator for difference in differences)), _FINEST_STEP)
    whole = [round(difference.numerator * steps / difference.denominator) for difference in differences]
    chances = np.ones(1)
    for size, count in Counter(abs(value) for value in whole if value).items():
        # So many coins, each worth `size`: the number of heads is binomial, and each head moves the sum by one size.
        heads = np.zeros(size * count + 1)
        heads[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, heads)
    sums = np.abs(2 * np.arange(len(chances)) - (len(chances) - 1))
    return min(1.0, float(chances[sums >= abs(sum(whole))].sum()))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values of a table, corrected together by Holm's step-down method; None stays None and does not count.

    A corrected value is to be compared with the level itself: the chance of any false finding in the table is then
    at most that level.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    told = [p for p in p_values if p is not None]
    if not told:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    corrected = iter(multipletests(told, method="holm")[1].tolist())
    return [None if p is None else next(corrected) for p in p_values]


def odds_ratio(only_quantized: int, only_original: int, *, confidence: float = 1 - ALPHA) -> OddsRatio:
    """The odds that it is the quantized model that passes, over the tasks which only one of the two passes.

    This is the conditional estimate for matched pairs, `only_quantized / only_original`: above 1 the quantized model
    passes more. Its interval is the exact (Clopper-Pearson) one of the share, turned into odds. Where one count is zero
    the estimate is 0 or infinite and the interval one-sided; without any such task there is nothing to tell.

    >>> odds_ratio(6, 3).value
    2.0
    """
    told = only_quantized + only_original
    if told == 0:
        return OddsRatio(None, None, None)
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(only_quantized, told, alpha=1 - confidence, method="beta")
    value = only_quantized / only_original if only_original else None
    return OddsRatio(value, _odds(float(low)), _odds(float(high)))


def wilson(share: float, n: int, *, confidence: float = 1 - ALPHA) -> tuple[float, float]:
    """The score interval of a share of `n` (Wilson 1927).

    >>> tuple(round(end, 3) for end in wilson(0.5, 20))
    (0.299, 0.701)
    """
    if not n:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@functools.lru_cache(maxsize=4)
def _drawn(tasks: int, seed: int) -> NDArray[Any]:
    """How often each task is drawn in each resample: RESAMPLES x tasks; every row sums to `tasks`.

    The same for all conditions over as many tasks, so that a table costs one drawing.
    """
    import numpy as np

    picks = np.random.default_rng(seed).integers(tasks, size=(RESAMPLES, tasks))
    places = picks + tasks * np.arange(RESAMPLES)[:, None]
    return np.bincount(places.ravel(), minlength=RESAMPLES * tasks).reshape(RESAMPLES, tasks).astype(float)


def _odds(share: float) -> float | None:
    return share / (1 - share) if share < 1 else None


def _finite(value: float) -> float | None:
    return value if value < math.inf else None
