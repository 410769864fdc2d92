"""LLM.int8() layers that get the same input, which quantize it once. Imports torch: import it lazily."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor


class _LastInput:
    """The input that was quantized last: the layers that it goes to follow one another."""

    def __init__(self) -> None:
        self._input: Tensor | None = None
        self._quantized: tuple[Tensor, Tensor, Tensor] | None = None

    def quantized(self, inputs: Tensor, rows: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
        """Of `rows`, which are `inputs`: in int8, the largest magnitude of each, the columns that stay as they are."""
        from bitsandbytes.functional import int8_vectorwise_quant

        if inputs is not self._input or self._quantized is None:
            self._quantized = int8_vectorwise_quant(rows.to(torch.float16), threshold=threshold)
            # Held, so that no other input can take its place in memory.
            self._input = inputs
        return self._quantized

    def forget(self) -> None:
        self._input = self._quantized = None


@contextlib.contextmanager
def inputs_shared(model: Any) -> Iterator[int]:
    """Let the int8 layers of a CPU model share what they make of their input; yields how many layers that are.

    bitsandbytes quantizes a layer's input at every call, and looks for outliers in it: the same three times for query,
    key and value, twice for gate and up. Its own operations do all the work, so that every product is the same bit for
    bit. Inputs must not be changed in place between the layers that they go to, and weights must not change meanwhile.
    """
    layers = _int8_layers(model) if model.device.type == "cpu" else []
    last = _LastInput()
    try:
        for layer in layers:
            layer.forward = partial(_product, layer, last)
        yield len(layers)
    finally:
        last.forget()
        for layer in layers:
            layer.__dict__.pop("forward", None)


def _int8_layers(model: Any) -> list[Any]:
    """The layers that LLM.int8() holds, with outliers looked for."""
    import bitsandbytes

    layers = [module for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear8bitLt)]
    return [layer for layer in layers if layer.state.threshold > 0 and not layer.state.has_fp16_weights]


def _product(layer: Any, last: _LastInput, inputs: Tensor) -> Tensor:
    state = layer.state
    if layer.weight.CB is not None:
        layer.init_8bit_state()
        layer.weight.data = state.CB
    rows = inputs.reshape(-1, inputs.shape[-1])
    integers, largest, outliers = last.quantized(inputs, rows, state.threshold)
    bias = None if layer.bias is None else layer.bias.to(inputs.dtype)
    out, _ = torch.ops.bitsandbytes.int8_mixed_scaled_mm(rows, integers, state.CB, largest, state.SCB, outliers, bias)
    product: Tensor = out.reshape(*inputs.shape[:-1], -1)
    return product
