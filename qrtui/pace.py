"""How long the rest of a run will take, honestly: from what it took so far and what was expected."""

from __future__ import annotations

_PRIOR = 8
_ENOUGH = 4


def seconds_left(spent: float, done: int, in_flight: int, to_do: int, expected: float | None) -> float | None:
    """Seconds until all `to_do` completions are made; None while nothing can be said.

    `done` of them are made after `spent` seconds, `in_flight` are being made and on average half done: a batch that has
    just begun must not look like a slow one. `expected`, the plan's seconds for all of them, counts as much as `_PRIOR`
    completions, so that it rules at first and is forgotten soon.

    >>> seconds_left(60.0, 30, 0, 60, None), seconds_left(0.0, 0, 0, 60, 120.0), seconds_left(5.0, 1, 8, 60, None)
    (60.0, 120.0, None)
    """
    prior = _PRIOR if expected is not None and to_do else 0
    made = done + in_flight / 2
    if not prior and done < _ENOUGH:
        return None
    each = (spent + prior * (expected or 0.0) / max(1, to_do)) / (made + prior)
    return max(0.0, each * (to_do - made))
