"""How much noise a model got: which weights it reached, and how large it was beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec


class LayerDose(msgspec.Struct, frozen=True, kw_only=True):
    """The noise on all layers of one kind.

    `kind` is one of `embedding`, `attention`, `mlp`, `head`, `norm`, `other`. `weights` are there, `reached` of them
    got noise. `noise` is |d| / |W| in Frobenius norms, 0 where nothing was reached; `moved` is |W' - W| / |W|, where
    W' is what the model holds afterwards: a quantized layer rounds the noise to its own steps. Both are None where
    they overflowed.
    """

    kind: str
    weights: int
    reached: int
    noise: float | None
    moved: float | None


class Dose(msgspec.Struct, frozen=True, kw_only=True):
    """The noise on a whole model: `share` of its weights reached (0 to 1); `noise` and `moved` as for a layer."""

    share: float
    noise: float | None = None
    moved: float | None = None
    layers: tuple[LayerDose, ...] = ()

    @property
    def in_words(self) -> str:
        """One line: `noise reaches 21 % of the weights, |d|/|W| 0.025, and moves them by 0.025`."""
        size = "" if self.noise is None else f", |d|/|W| {self.noise:.2g}"
        moved = "" if self.moved is None else f", and moves them by {self.moved:.2g}"
        return f"noise reaches {self.share:.0%} of the weights{size}{moved}"


class Measured(msgspec.Struct, frozen=True):
    """One parameter's part: its layer kind, its weights, whether noise reached it, and sums of squares."""

    kind: str
    weights: int
    reached: bool
    squares: float
    noise_squares: float
    moved_squares: float


KINDS = ("embedding", "attention", "mlp", "head", "norm", "other")


def dose_of(parameters: Sequence[Measured]) -> Dose:
    """The dose of a model from its parameters'."""
    layers = [_layer(kind, [part for part in parameters if part.kind == kind]) for kind in KINDS]
    weights = sum(part.weights for part in parameters)
    return Dose(
        share=sum(part.weights for part in parameters if part.reached) / weights if weights else 0.0,
        noise=_relative(parameters, [part.noise_squares for part in parameters]),
        moved=_relative(parameters, [part.moved_squares for part in parameters]),
        layers=tuple(layer for layer in layers if layer.weights),
    )


def _layer(kind: str, parts: Sequence[Measured]) -> LayerDose:
    return LayerDose(
        kind=kind,
        weights=sum(part.weights for part in parts),
        reached=sum(part.weights for part in parts if part.reached),
        noise=_relative(parts, [part.noise_squares for part in parts]),
        moved=_relative(parts, [part.moved_squares for part in parts]),
    )


def _relative(parts: Sequence[Measured], squares: Iterable[float]) -> float | None:
    """The norm whose squares are given, in units of the norm of all these weights; None where it overflowed."""
    weights, size = sum(part.squares for part in parts), sum(squares)
    if not math.isfinite(size) or not math.isfinite(weights):
        return None
    return math.sqrt(size / weights) if weights else 0.0
