"""Weights in the order in which a CPU multiplies with them fastest. Imports torch: import it lazily."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from qrtui.models.device import fits, free_memory, give_back_memory

Product = Callable[[Tensor], Tensor]

# oneDNN takes float16 on few processors only.
_DTYPES = (torch.float32, torch.bfloat16)


class PackedWeight:
    """A linear layer's weight (out, in) in oneDNN's blocked order; called with inputs (..., in), gives (..., out).

    torch puts the weights into such an order anew for every product, which for the few rows of a decoding step costs
    as much as multiplying. The sums are rounded in another order than torch's own.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        self._bias = bias

    def __call__(self, inputs: Tensor) -> Tensor:
        """The product, bias added."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self._packed, self._bias, "none", [], "")
        return product

    def plain(self) -> Tensor:
        """The weight as it was, bit for bit: the order is a permutation."""
        dense: Tensor = self._packed.to_dense()
        return dense


def can_pack(weight: Tensor) -> bool:
    """Whether a weight can be packed here: on a CPU with oneDNN, in a dtype that it multiplies in."""
    on_cpu = weight.device.type == "cpu" and weight.dim() == 2 and weight.dtype in _DTYPES
    return on_cpu and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def packed(model: Any, *, beside: int = 0) -> Iterator[int]:
    """Hold the weights of a CPU model's plain linear layers packed; yields how many layers that are.

    The plain weights are given up meanwhile and come back bit for bit, so that nothing is held twice but an output
    head which is also the token table; it stays as it is where a second one and the bytes needed `beside` it do not fit
    into what is free. Weights must not be read or changed meanwhile.
    """
    held: list[tuple[Any, PackedWeight | None]] = []
    owners = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    try:
        for layer in model.modules():
            if type(layer) is torch.nn.Linear and can_pack(layer.weight):
                is_shared = owners[id(layer.weight)] > 1
                if not is_shared or fits(layer.weight.nbytes + beside, free_memory()):
                    _pack(layer, held, is_shared=is_shared)
        yield len(held)
    finally:
        # One by one, each let go before the next, so that no more than one is there twice.
        while held:
            layer, weight = held.pop()
            layer.__dict__.pop("forward", None)
            if weight is not None:
                layer.weight.data = weight.plain()
            weight = None
        give_back_memory()


def _pack(layer: Any, held: list[tuple[Any, PackedWeight | None]], *, is_shared: bool) -> None:
    with torch.inference_mode(False):
        weight = PackedWeight(layer.weight.detach(), layer.bias)
    held.append((layer, None if is_shared else weight))
    layer.forward = weight
    if not is_shared:
        layer.weight.data = layer.weight.data.new_empty(0)
