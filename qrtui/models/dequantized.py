"""4-bit layers that compute from their dequantized values while a CPU generates. Imports torch: import it lazily."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from qrtui.models.device import fits, free_memory, give_back_memory
from qrtui.models.packed import PackedWeight, Product, can_pack


@contextlib.contextmanager
def dequantized_once(model: Any, *, pack: bool = False, beside: int = 0) -> Iterator[bool]:
    """Hold the values of a CPU model's 4-bit layers in their compute dtype; yields whether that is done.

    bitsandbytes dequantizes a 4-bit layer at every call and multiplies with the result; here it is dequantized once,
    and every product is the same bit for bit, or up to float rounding where `pack` holds the values packed. Costs
    the memory of the projections in the compute dtype, so it is left out where that and the bytes needed `beside` it do
    not fit into what is free. Weights must not change meanwhile.
    """
    layers = four_bit_layers(model)
    needed = sum(layer.in_features * layer.out_features * _compute_dtype(layer).itemsize for layer in layers)
    if not layers or model.device.type != "cpu" or not fits(needed + beside, free_memory()):
        yield False
        return
    try:
        for layer in layers:
            layer.forward = _product_of(layer, pack=pack)
        yield True
    finally:
        for layer in layers:
            layer.__dict__.pop("forward", None)
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
        return partial(_in_compute_dtype, PackedWeight(values, bias), values.dtype)
    return partial(_in_compute_dtype, partial(torch.nn.functional.linear, weight=values, bias=bias), values.dtype)


def _in_compute_dtype(product: Product, dtype: torch.dtype, inputs: Tensor) -> Tensor:
    return product(inputs.to(dtype)).to(inputs.dtype)
