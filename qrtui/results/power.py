"""How many tasks a difference asks for, and how small a difference so many tasks can show."""

from __future__ import annotations

import math

from qrtui.results.statistics import ALPHA

POWER = 0.8
"""The chance of finding a difference that is there, for which tasks are counted."""


def tasks_needed(difference: float, mean_square: float) -> int | None:
    """The number of tasks with which a two-sided test at `ALPHA` finds this mean difference with chance `POWER`.

    `difference` is the mean over tasks of a paired difference, `mean_square` the mean of its squares. Between two pass
    rates they are p10 - p01 and p10 + p01, the shares of tasks that only the one and only the other model passes, and
    the formula is Connor's for McNemar's test (1987, Biometrics 43, p. 209; also Miettinen 1968) with a continuity
    correction of one task, since the tests here are exact:

        d n - 1 = sqrt(n) (z[1 - ALPHA/2] sqrt(m) + z[POWER] sqrt(m - d^2))      d = difference, m = mean_square

    For differences of drops, which reach from -2 to 2, it is the same approximation. It counts one test by itself: a
    table's correction asks for more. None for no difference, which no number of tasks can tell.

    >>> tasks_needed(0.45 - 0.05, 0.45 + 0.05)
    27
    """
    if difference == 0:
        return None
    return math.ceil(_needed(abs(difference), mean_square))


def smallest_difference(tasks: int, mean_square: float) -> float | None:
    """The smallest mean difference that this many tasks show, in the sense of `tasks_needed`; None if not even 1.

    `mean_square` is the observed one. A difference cannot exceed the share of tasks that differ, so that where tasks
    differ less than the answer asks, as many differing tasks are assumed as it takes, all in one direction.

    >>> round(smallest_difference(168, 0.45), 2)
    0.15
    """
    from scipy.optimize import brentq

    def missing(difference: float) -> float:
        return _needed(difference, max(mean_square, difference)) - tasks

    return float(brentq(missing, 1e-6, 1.0)) if missing(1.0) <= 0 else None


def _needed(difference: float, mean_square: float) -> float:
    from scipy.special import ndtri

    spread = max(mean_square - difference**2, 0.0)
    reach = ndtri(1 - ALPHA / 2) * math.sqrt(mean_square) + ndtri(POWER) * math.sqrt(spread)
    return float(((reach + math.sqrt(reach**2 + 4 * difference)) / (2 * difference)) ** 2)
