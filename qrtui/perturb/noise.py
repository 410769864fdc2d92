"""What noise on a model's weights is: its kind, its level, and which weights it reaches."""

from __future__ import annotations

from typing import Literal

import msgspec

NoiseKind = Literal["gaussian", "uniform"]
Protocol = Literal["published", "before", "after"]

PAPER_LEVELS = (1e-4, 1e-3, 3e-3, 5e-3, 1e-2)
"""The levels of the paper's noise study (Section S2)."""

NOISE_VERSION = "2"
"""Raised whenever the same noise comes to mean other numbers, so that no old completion is taken for a new one."""


class Noise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One dose of noise d.

    `gaussian` adds `level * N(0, 1)` to each weight, `uniform` adds `level * U(-1, 1)`; `level` is in the unit of the
    weights. `protocol` says which weights, and when: `published` reaches the parameters that require a gradient, as
    the paper's tool does, and so leaves the projections of a bitsandbytes model untouched; `before` reaches all
    weights before they are quantized, Q(W + d); `after` reaches all values that the quantized weights stand for, and
    stores them in the same format again, Q(Q(W) + d). On a model that is not quantized the three are one.
    """

    kind: NoiseKind
    level: float
    protocol: Protocol = "published"
    seed: int = 0

    @property
    def label(self) -> str:
        """As tables print it: `gaussian 0.003 published`."""
        return f"{self.kind} {self.level:g} {self.protocol}"

    def on(self, *, quantized: bool) -> Noise:
        """The noise as it determines results: without quantization the protocols are one, called `published`."""
        return self if quantized else msgspec.structs.replace(self, protocol="published")
