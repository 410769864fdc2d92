"""Which two conditions the Compare room shows next: another perturbation, precision or model."""

from __future__ import annotations

from qrtui.tui.comparison import CLEAN, Comparison, Pair


def another_perturbation(comparison: Comparison, pair: Pair, step: int, *, with_clean: bool) -> Pair:
    """The pair under the next (`step` 1) or previous (-1) perturbation, going round the end."""
    choices = [name for name in comparison.perturbations if with_clean or name != CLEAN]
    return pair._replace(perturbation=_next(choices, pair.perturbation, step))


def another_precision(comparison: Comparison, pair: Pair, step: int) -> Pair:
    """The original beside the next or previous quantized precision."""
    return pair._replace(quantized=_next(comparison.quantized(pair.model), pair.quantized, step))


def another_model(comparison: Comparison, pair: Pair, step: int) -> Pair:
    """The next or previous model, in the same precision if the run has it; the same pair where it has one model."""
    model = _next(comparison.models, pair.model, step)
    quantized = comparison.quantized(model)
    kept = pair.quantized if pair.quantized in quantized else next(iter(quantized), "")
    return pair._replace(model=model, quantized=kept)


def _next(values: list[str], value: str, step: int) -> str:
    return values[(values.index(value) + step) % len(values)] if value in values else value
