"""What a judge says of one solution."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal[
    "passed",
    "failed",
    "timeout",
    "crashed",
    "memory",
    "output too large",
    "syntax error",
    "missing function",
    "tampered",
]
Level = Literal["L3", "L2", "L1"]


def level_in_words(level: str) -> str:
    """The level as a person must see it: that generated code is not isolated is said wherever it was consented to.

    >>> level_in_words("L2"), level_in_words("L1")
    ('L2', 'L1, NOT isolated')
    """
    return f"{level}, NOT isolated" if level == "L1" else level


JUDGE_VERSION = "3"
"""Part of every verdict's key: raise it when a change of the judge could change a verdict."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a solution's tests.

    `base` is the status over the benchmark's original tests, `plus` over the original and the added tests
    together (None where the task has no added tests). `failing_input` is the call that failed first, as
    Python source such as `add(1, 2)`; `expected` and `got` are the two values as Python source; `error` is
    the last line of the exception, if one was raised. All four are None for a solution that passed.
    `level` is the isolation the solution ran under, `seconds` the wall time of judging it.
    """

    base: Status
    plus: Status | None = None
    failing_input: str | None = None
    expected: str | None = None
    got: str | None = None
    error: str | None = None
    level: Level = "L2"
    seconds: float = 0.0
