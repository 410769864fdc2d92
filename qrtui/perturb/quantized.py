"""The weights that bitsandbytes holds: reading the values they stand for, storing others, putting the bits back.

The one place that knows bitsandbytes' layouts. Imports torch and bitsandbytes: import it lazily.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import bitsandbytes
import torch
from bitsandbytes import functional
from torch import Tensor, nn

Restore = Callable[[], None]


class QuantizedWeight:
    """The weight of one quantized linear layer, int8 or 4-bit.

    Values are float32 in the layer's own orientation, (out features, in features). Some models keep a projection's
    weight transposed (`Conv1D`); bitsandbytes turns it, and `is_turned` says so.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        source = getattr(module, "source_cls", None)
        self.is_turned = source is not None and source.__name__ == "Conv1D"

    @property
    def device(self) -> torch.device:
        """Where the weight lies."""
        return self._module.weight.device  # type: ignore[no-any-return]

    @property
    def count(self) -> int:
        """How many weights the layer stands for."""
        return int(self._module.in_features * self._module.out_features)

    def values(self) -> Tensor:
        """What the stored weight stands for."""
        raise NotImplementedError

    def store(self, values: Tensor) -> None:
        """Quantize `values` as loading does, and store the result in place."""
        raise NotImplementedError

    def keep(self) -> Restore:
        """Copy the stored bits to main memory; the function returned puts them back."""
        raise NotImplementedError


class Int8Weight(QuantizedWeight):
    """LLM.int8(): a row of integers and its largest magnitude, w = CB * SCB / 127."""

    def values(self) -> Tensor:
        """What the stored weight stands for."""
        integers: Tensor = self._module.weight.data
        return integers.float() * (self._scales().float().unsqueeze(1) / 127)

    def store(self, values: Tensor) -> None:
        """Quantize `values` as loading does, from float16 and by rows, and store the result in place."""
        integers, scales, _ = functional.int8_vectorwise_quant(values.to(torch.float16).contiguous())
        self._module.weight.data.copy_(integers)
        self._scales().copy_(scales)

    def keep(self) -> Restore:
        """Copy the stored bits to main memory; the function returned puts them back."""
        kept = [(tensor, to_main_memory(tensor)) for tensor in (self._module.weight.data, self._scales())]
        return lambda: _put_back(kept)

    def _scales(self) -> Tensor:
        # The first forward pass moves them from the parameter into the layer's state.
        scales: Tensor | None = getattr(self._module.weight, "SCB", None)
        if scales is None:
            scales = self._module.state.SCB
        assert scales is not None
        return scales


class FourBitWeight(QuantizedWeight):
    """NF4 or FP4: codes of four bits, a scale for each block of weights, itself quantized."""

    def values(self) -> Tensor:
        """What the stored weight stands for."""
        data, state = self._module.weight.data, self._module.weight.quant_state
        if _is_packed(state):
            data, state = functional._convert_weight_packed_for_cpu_inverse(data, copy.copy(state))
        return functional.dequantize_4bit(data, state).float()  # type: ignore[no-any-return]

    def store(self, values: Tensor) -> None:
        """Quantize `values` as loading does and store the result in place."""
        weight, state = self._module.weight, self._module.weight.quant_state
        dtype = state.original_dtype if _is_packed(state) else state.dtype
        data, new_state = functional.quantize_4bit(
            values.to(dtype).contiguous(),
            blocksize=weight.blocksize,
            compress_statistics=weight.compress_statistics,
            quant_type=weight.quant_type,
            quant_storage=weight.quant_storage,
        )
        if _is_packed(state):
            # The layer packs the new codes itself, at its next forward pass.
            weight.data = data
            _become(state, vars(new_state))
            return
        for old, new in zip(_tensors(weight.data, state), _tensors(data, new_state), strict=True):
            old.copy_(new)

    def keep(self) -> Restore:
        """Copy the stored bits to main memory; the function returned puts them back."""
        weight, state = self._module.weight, self._module.weight.quant_state
        if _is_packed(state):
            packed, content = weight.data, dict(vars(state))

            def restore() -> None:
                weight.data = packed
                _become(state, content)

            return restore
        kept = [(tensor, to_main_memory(tensor)) for tensor in _tensors(weight.data, state)]
        content = dict(vars(state))
        data = weight.data

        def put_back() -> None:
            # A forward pass in between may have packed the layer for this CPU.
            weight.data = data
            _become(state, content)
            _put_back(kept)

        return put_back


def quantized_weight(module: nn.Module) -> QuantizedWeight | None:
    """The quantized weight of a layer, or None where it has none."""
    if isinstance(module, bitsandbytes.nn.Linear8bitLt):
        return Int8Weight(module)
    return FourBitWeight(module) if isinstance(module, bitsandbytes.nn.Linear4bit) else None


def to_main_memory(tensor: Tensor) -> Tensor:
    """A copy in main memory; of a GPU's tensor in pages that the GPU can read at full speed."""
    if tensor.device.type != "cuda":
        return tensor.detach().to("cpu", copy=True)
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor.detach())


def _put_back(kept: list[tuple[Tensor, Tensor]]) -> None:
    for tensor, original in kept:
        tensor.copy_(original)


def _tensors(data: Tensor, state: Any) -> list[Tensor]:
    nested = [state.offset, state.state2.absmax] if state.nested else []
    return [data, state.absmax, *nested]


def _is_packed(state: Any) -> bool:
    # On processors with the right instructions bitsandbytes re-orders 4-bit weights at their first use.
    return bool(getattr(state, "packing_format_for_cpu", False))


def _become(state: Any, content: dict[str, Any]) -> None:
    vars(state).clear()
    vars(state).update(content)
