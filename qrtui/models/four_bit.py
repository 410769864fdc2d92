"""4-bit layers made faster for the time in which a CPU generates. Imports torch: import it lazily.

bitsandbytes makes a 4-bit layer's values anew for every product, and torch puts them into its order for multiplying
anew. Here the codes are put into that order once, so that the values come out in it; or, as far as there is memory to
spare, the values themselves are held.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from qrtui.models.device import give_back_memory
from qrtui.models.packed import PackedWeight, Product, can_pack
from qrtui.models.spare import Spare

# A product is made in parts whose values stay in the processor's cache between being made and being multiplied with.
_PART_BYTES = 4_000_000
# The recipes' block size, the only one that is reordered.
_BLOCK = 64


@contextlib.contextmanager
def four_bit_faster(model: Any, spare: Spare, *, pack: bool) -> Iterator[int]:
    """Let the 4-bit layers of a CPU model multiply faster; yields for how many the values are held.

    Every value is bitsandbytes' own, bit for bit, and with it the product; up to float rounding where `pack` has
    weights in oneDNN's order. Values are held where `spare` has their bytes. The codes of the other layers are
    reordered if `pack`, and left alone otherwise. Weights must not be read or changed meanwhile.
    """
    layers = four_bit_layers(model) if model.device.type == "cpu" else []
    reordered: list[_ReorderedCodes] = []
    room: dict[tuple[int, int], _Scratch] = {}
    values_held = 0
    try:
        for layer in layers:
            dtype = _compute_dtype(layer)
            if spare.take(layer.in_features * layer.out_features * dtype.itemsize):
                layer.forward = partial(_in_compute_dtype, _product_of(layer, pack=pack), dtype)
                values_held += 1
            elif pack and (codes := _ReorderedCodes.of(layer, room)):
                layer.forward = partial(_in_compute_dtype, codes, dtype)
                reordered.append(codes)
        yield values_held
    finally:
        for layer in layers:
            layer.__dict__.pop("forward", None)
        while reordered:
            reordered.pop().put_back()
        give_back_memory()


def four_bit_layers(model: Any) -> list[Any]:
    """The model's 4-bit linear layers."""
    import bitsandbytes

    return [module for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]


def keep_compute_dtype(model: Any) -> None:
    """Make 4-bit layers on a CPU compute in the recipe's dtype.

    On processors with bfloat16 instructions bitsandbytes would re-pack them at their first use and multiply in bfloat16
    whatever the recipe says: the same preset would write other completions there than elsewhere.
    """
    for layer in four_bit_layers(model):
        layer.support_avx512bf16_for_cpu = False


class _Scratch:
    """Room for a packed weight (out, in) in float32, filled anew for every product.

    `memory` is (blocks, in, width): oneDNN's own order, `width` outputs side by side; None where that is not known.
    """

    def __init__(self, outputs: int, inputs: int) -> None:
        numbers = torch.arange(outputs * inputs, dtype=torch.float32).view(outputs, inputs)
        self.weight = PackedWeight(numbers, None)
        self.ones = torch.ones(outputs * inputs // _BLOCK)
        blocks = self.weight.blocks(numbers)
        self.memory: Tensor | None = None
        if blocks is not None and blocks.memory.shape[3] == 1 and outputs % blocks.memory.shape[2] == 0:
            self.memory = blocks.memory[..., 0]


class _ReorderedCodes:
    """The product of a 4-bit layer whose codes lie in the order of oneDNN's blocks: inputs (..., in) to (..., out)."""

    def __init__(self, parts: list[_Part]) -> None:
        self._parts = parts
        for part in parts:
            part.reorder()

    @classmethod
    def of(cls, layer: Any, room: dict[tuple[int, int], _Scratch]) -> _ReorderedCodes | None:
        """The layer's product, its codes reordered where they lie; None where that cannot be done.

        `room` holds scratch by (outputs, inputs), and gets what is lacking.
        """
        state, outputs, inputs = layer.weight.quant_state, layer.out_features, layer.in_features
        if state.blocksize != _BLOCK or inputs % _BLOCK or _compute_dtype(layer) is not torch.float32:
            return None
        codes = layer.weight.data.view(torch.uint8).view(outputs, inputs // 2)
        scales = _scales(state).view(outputs, inputs // _BLOCK)
        at_once = max(_BLOCK, _PART_BYTES // (4 * inputs) // _BLOCK * _BLOCK)
        parts = []
        for start in range(0, outputs, at_once):
            part = slice(start, min(outputs, start + at_once))
            shape = (part.stop - start, inputs)
            if shape not in room:
                room[shape] = _Scratch(*shape)
            if room[shape].memory is None:
                return None
            bias = None if layer.bias is None else layer.bias[part].float()
            parts.append(_Part(codes[part], scales[part], state.quant_type, room[shape], bias))
        return cls(parts)

    def __call__(self, inputs: Tensor) -> Tensor:
        """The product, bias added."""
        products = [part(inputs) for part in self._parts]
        return products[0] if len(products) == 1 else torch.cat(products, dim=-1)

    def put_back(self) -> None:
        """Bring the codes back into their former order."""
        for part in self._parts:
            part.put_back()


class _Part:
    """Some outputs of a layer. `codes` is (outputs, in / 2), two codes to a byte, `scales` (outputs, in / block)."""

    def __init__(self, codes: Tensor, scales: Tensor, kind: str, scratch: _Scratch, bias: Tensor | None) -> None:
        assert scratch.memory is not None
        blocks, self._inputs, width = scratch.memory.shape
        self._codes, self._kind, self._scratch, self._bias = codes, kind, scratch, bias
        self._by_output, self._by_block = (blocks, width, self._inputs), (blocks, self._inputs, width)
        self._scales = scales.view(blocks, width, -1).transpose(1, 2).contiguous().unsqueeze(2)
        self._memory = scratch.memory.view(blocks, -1, _BLOCK, width)

    def reorder(self) -> None:
        self._turn(self._by_output)

    def put_back(self) -> None:
        self._turn(self._by_block)

    def _turn(self, shape: tuple[int, int, int]) -> None:
        """Swap inputs and the outputs of each block, in place."""
        single = torch.stack([self._codes >> 4, self._codes & 15], dim=-1).view(shape)
        pairs = single.transpose(1, 2).reshape(-1, 2)
        self._codes.copy_((pairs[:, 0] << 4 | pairs[:, 1]).view(self._codes.shape))

    def __call__(self, inputs: Tensor) -> Tensor:
        values = torch.ops.bitsandbytes.dequantize_4bit(
            self._codes, self._scratch.ones, _BLOCK, self._kind, self._memory.shape, torch.float32
        )
        torch.mul(values, self._scales, out=self._memory)
        return self._scratch.weight(inputs, self._bias)


def _scales(state: Any) -> Tensor:
    """The scale of each block of weights, flat, in float32."""
    from bitsandbytes.functional import dequantize_blockwise

    scales: Tensor = state.absmax
    if state.nested:
        scales = dequantize_blockwise(scales, state.state2) + state.offset
    return scales.float()


def _compute_dtype(layer: Any) -> torch.dtype:
    return layer.compute_dtype or torch.float32


def _values(layer: Any) -> Tensor:
    from bitsandbytes.functional import dequantize_4bit

    values: Tensor = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(_compute_dtype(layer))
    return values.view(layer.out_features, layer.in_features)


def _product_of(layer: Any, *, pack: bool) -> Product:
    values = _values(layer)
    bias = None if layer.bias is None else layer.bias.to(values.dtype)
    if pack and can_pack(values):
        return PackedWeight(values, bias)
    return partial(torch.nn.functional.linear, weight=values, bias=bias)


def _in_compute_dtype(product: Product, dtype: torch.dtype, inputs: Tensor) -> Tensor:
    return product(inputs.to(dtype)).to(inputs.dtype)
