"""How sure the numbers are: paired intervals and exact tests. scipy does the mathematics."""

from __future__ import annotations

from collections.abc import Sequence

_RESAMPLES = 2000


def bootstrap_rrs(
    original_clean: Sequence[float],
    original: Sequence[float],
    quantized_clean: Sequence[float],
    quantized: Sequence[float],
    *,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float | None, float | None]:
    """A percentile interval of the RRS (Eq. 2) from `_RESAMPLES` resamples of the tasks, the four scores kept together.

    Each argument holds one score per task, in the same order. A resample in which only the quantized model lost nothing
    counts as an infinite RRS, one in which only the original lost nothing as 0, and one in which neither lost is left
    out. An end that is infinite, or that rests on fewer than half of the resamples, is None.
    """
    import numpy as np

    scores = np.array([original_clean, original, quantized_clean, quantized], dtype=float)
    tasks = scores.shape[1]
    picks = np.random.default_rng(seed).integers(tasks, size=(_RESAMPLES, tasks))
    means = scores[:, picks].mean(axis=2)
    original_drop, quantized_drop = np.round(means[0] - means[1], 12), np.round(means[2] - means[3], 12)
    told = (original_drop > 0) | (quantized_drop > 0)
    if told.sum() * 2 < _RESAMPLES:
        return None, None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(quantized_drop > 0, np.maximum(original_drop, 0) / quantized_drop, np.inf)[told]
    tail = (1 - confidence) / 2
    low, high = (float(np.quantile(ratio, share, method="nearest")) for share in (tail, 1 - tail))
    return _finite(low), _finite(high)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """The two-sided p-value of McNemar's exact test on paired passes: 1.0 where no pair differs."""
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    return sign_test(only_first, only_second)


def sign_test(wins: int, losses: int) -> float:
    """The two-sided exact p-value of so many wins against so many losses; ties do not count.

    >>> round(sign_test(65, 54), 3)
    0.359
    """
    if wins + losses == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue)


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None
