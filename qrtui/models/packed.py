"""Weights in the order in which a CPU multiplies with them fastest. Imports torch: import it lazily."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from qrtui.models.blocks import Blocks, blocks_of
from qrtui.models.device import give_back_memory
from qrtui.models.spare import Spare

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

    def __call__(self, inputs: Tensor, bias: Tensor | None = None) -> Tensor:
        """The product, bias added: `bias` where one is given."""
        bias = self._bias if bias is None else bias
        product: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self._packed, bias, "none", [], "")
        return product

    def plain(self) -> Tensor:
        """The weight as it was, bit for bit: the order is a permutation."""
        dense: Tensor = self._packed.to_dense()
        return dense

    def blocks(self, weight: Tensor) -> Blocks | None:
        """This memory, in which `weight` is; None where the order is not known. Not to be used longer than this."""
        return blocks_of(self._packed, weight)


def can_pack(weight: Tensor) -> bool:
    """Whether a weight can be packed here: on a CPU with oneDNN, in a dtype that it multiplies in."""
    on_cpu = weight.device.type == "cpu" and weight.dim() == 2 and weight.dtype in _DTYPES
    return on_cpu and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def packed(model: Any, spare: Spare) -> Iterator[int]:
    """Hold the weights of a CPU model's plain linear layers packed; yields how many layers that are.

    The plain weights are given up meanwhile and come back bit for bit, so that nothing is held twice. From an output
    head which is also the token table tokens are looked up in its packed order; where that is not known, the head is
    packed beside the table if it can be had of `spare`, and else stays as it is. Weights must not be read or changed
    meanwhile.
    """
    held: list[_Held] = []
    owners = _owners(model)
    try:
        for layer in model.modules():
            if type(layer) is nn.Linear and can_pack(layer.weight):
                others = [owner for owner in owners[id(layer.weight)] if owner is not layer]
                if found := _pack(layer, others, spare):
                    held.append(found)
        yield len(held)
    finally:
        # One by one, each let go before the next, so that no more than one is there twice.
        while held:
            _unpack(held.pop())
        give_back_memory()


class _Held(NamedTuple):
    """A layer that is held packed, those that look its weight up, and the packed weight if the plain one is gone."""

    layer: nn.Linear
    tables: list[Any]
    weight: PackedWeight | None


def _owners(model: Any) -> dict[int, list[Any]]:
    """The modules that hold each weight, by the weight's id."""
    owners: dict[int, list[Any]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(module)
    return owners


def _pack(layer: nn.Linear, others: list[Any], spare: Spare) -> _Held | None:
    """Pack a layer's weight, which `others` hold too; None where it is left as it is."""
    with torch.inference_mode(False):
        plain = layer.weight.detach()
        weight = PackedWeight(plain, layer.bias)
        blocks = weight.blocks(plain) if all(map(_is_table, others)) else None
    if others and blocks is None:
        if not spare.take(plain.nbytes):
            return None
        layer.forward = weight  # type: ignore[assignment]
        return _Held(layer, [], None)
    for table in others:
        table.forward = blocks.rows  # type: ignore[union-attr]
    layer.forward = weight  # type: ignore[assignment]
    layer.weight.data = plain.new_empty(0)
    return _Held(layer, others, weight)


def _is_table(module: Any) -> bool:
    """Whether a module does nothing but look rows of its weight up."""
    return type(module) is nn.Embedding and module.max_norm is None


def _unpack(held: _Held) -> None:
    for module in (held.layer, *held.tables):
        module.__dict__.pop("forward", None)
    if held.weight is not None:
        held.layer.weight.data = held.weight.plain()
