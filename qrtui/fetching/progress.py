"""How far a fetch is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

Stage = Literal["download", "convert", "verify"]


class FetchProgress(msgspec.Struct, frozen=True):
    """How far a fetch is: `done` of `total` bytes of `file` (steps, while converting); None is not known."""

    stage: Stage
    file: str
    done: int
    total: int | None = None


ProgressListener = Callable[[FetchProgress], None]
