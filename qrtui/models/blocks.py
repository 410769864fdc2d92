"""The order in which oneDNN holds a packed weight, seen as a tensor. Imports torch: import it lazily."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

# Outputs that lie beside each other, and inputs of one output that do (two where 16-bit numbers are multiplied in
# pairs), by what processors can do: the widest vectors first.
_WIDTHS = (64, 48, 32, 24, 16, 8)
_RUNS = (1, 2)
# Prime, so that rows so far apart lie at every place of a block.
_APART = 61


class Blocks:
    """The numbers of a packed weight (out, in), in its own memory.

    `memory` is (out / width, in / run, width, run): for each block of `width` outputs and each `run` of inputs, the
    numbers of all those outputs side by side. It must not outlive the packed weight.
    """

    def __init__(self, memory: Tensor) -> None:
        self.memory = memory

    def rows(self, at: Tensor) -> Tensor:
        """The weight's rows at these places (of any shape): (*shape, in)."""
        width = self.memory.shape[2]
        flat = at.reshape(-1)
        found = self.memory[flat // width, :, flat % width]
        return found.reshape(*at.shape, -1)


def blocks_of(packed: Tensor, weight: Tensor) -> Blocks | None:
    """How oneDNN holds `weight` (out, in) in `packed`; None where it is in no order that is known here.

    The order is oneDNN's own affair and another on other processors: it is found by looking for the weight's numbers.
    """
    outputs, inputs = weight.shape
    memory = _memory(packed, weight.dtype)
    if memory is None:
        return None
    at = torch.arange(0, outputs, _APART, device=weight.device)
    for width in _WIDTHS:
        for run in _RUNS:
            blocks = -(-outputs // width)
            if inputs % run or memory.numel() != blocks * width * inputs:
                continue
            found = Blocks(memory.view(blocks, inputs // run, width, run))
            if torch.equal(found.rows(at), weight[at]):
                return found
    return None


def _memory(packed: Any, dtype: torch.dtype) -> Tensor | None:
    """The memory of a packed weight, flat."""
    try:
        start, size = torch.ops.mkldnn.data_ptr(packed), torch.ops.mkldnn._nbytes(packed)
    except (AttributeError, RuntimeError):
        return None
    return torch.frombuffer((ctypes.c_char * size).from_address(start), dtype=dtype)
