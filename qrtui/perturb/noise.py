"""What noise on a model's weights is: its kind, its level, and which weights it reaches."""

from __future__ import annotations

from typing import Literal

import msgspec

NoiseKind = Literal["gaussian", "uniform"]
Protocol = Literal["published"]

PAPER_LEVELS = (1e-4, 1e-3, 3e-3, 5e-3, 1e-2)
"""The levels of the paper's noise study (Section S2)."""


class Noise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One dose of noise.

    `gaussian` adds `level * N(0, 1)` to each weight, `uniform` adds `level * U(-1, 1)`; `level` is in the unit of the
    weights. `protocol` says which weights: `published` reaches the parameters that require a gradient, as the paper's
    tool does, and therefore leaves the projections of a bitsandbytes model untouched.
    """

    kind: NoiseKind
    level: float
    protocol: Protocol = "published"
    seed: int = 0

    @property
    def label(self) -> str:
        """As tables print it: `gaussian 0.003 published`."""
        return f"{self.kind} {self.level:g} {self.protocol}"
