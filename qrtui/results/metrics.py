"""The paper's numbers: pass@k, the relative drop (Eq. 1) and the Relative Robustness Score (Eq. 2). Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

MoreRobust = Literal["quantized", "original", "equal"]

ARROWS: dict[MoreRobust | None, str] = {"quantized": "↓", "original": "↑", "equal": "=", None: ""}
"""How the paper marks the more robust side: ↓ the quantized model, ↑ the original."""

_KS = (1, 2, 5, 10, 20, 50, 100)


class RelativeRobustness(NamedTuple):
    """The Relative Robustness Score and who withstood the perturbation better.

    `value` is None where the ratio has no meaning: one of the drops is zero or negative.
    """

    value: float | None
    more_robust: MoreRobust


def pass_at_k(n: int, correct: int, k: int) -> float:
    """The unbiased estimate of the chance that one of `k` samples passes, from `correct` of `n` that did.

    Chen et al. 2021, Section 2.1: 1 - C(n - correct, k) / C(n, k). Raises ValueError unless 0 <= correct <= n and
    1 <= k <= n.

    >>> pass_at_k(10, 3, 1)
    0.3
    """
    if not (0 <= correct <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {correct} in {n}")
    draws = math.comb(n, k)
    return (draws - math.comb(n - correct, k)) / draws


def mean_pass_at_k(tasks: Iterable[Sequence[bool]]) -> dict[int, float]:
    """pass@k over tasks, for each k of 1, 2, 5, 10, 20, 50 and 100 that some task has samples for.

    Each of `tasks` says which of its samples passed. A task with fewer than k samples tells nothing of pass@k and is
    left out there; without any sample there is nothing to tell at all.

    >>> mean_pass_at_k([[True, False], [False, False]])
    {1: 0.25, 2: 0.5}
    """
    counts = [(len(samples), sum(samples)) for samples in tasks]
    found = {}
    for k in _KS:
        told = [pass_at_k(n, correct, k) for n, correct in counts if n >= k]
        if told:
            found[k] = math.fsum(told) / len(told)
    return found


def drop(clean: Fraction, perturbed: Fraction) -> Fraction:
    """How much pass@1 fell, in shares of tasks: negative where the perturbation helped."""
    return clean - perturbed


def relative_drop(clean: Fraction, perturbed: Fraction) -> Fraction | None:
    """%Δ of Eq. 1: the drop as a share of the clean pass@1; None where nothing passed clean."""
    return (clean - perturbed) / clean if clean else None


def relative_robustness(original_drop: Fraction, quantized_drop: Fraction) -> RelativeRobustness:
    """RRS of Eq. 2: the original's drop over the quantized model's.

    Above 1 the quantized model is the more robust, below 1 the original. Who is more robust follows from the drops
    (the smaller one wins, equal ones tie), never from the ratio, which has a meaning only if both are positive.

    >>> relative_robustness(Fraction(1, 10), Fraction(3, 40))
    RelativeRobustness(value=1.3333333333333333, more_robust='quantized')
    >>> relative_robustness(Fraction(0), Fraction(1, 20))
    RelativeRobustness(value=None, more_robust='original')
    """
    if original_drop == quantized_drop:
        more_robust: MoreRobust = "equal"
    else:
        more_robust = "quantized" if quantized_drop < original_drop else "original"
    meaningful = original_drop > 0 and quantized_drop > 0
    return RelativeRobustness(float(original_drop / quantized_drop) if meaningful else None, more_robust)
