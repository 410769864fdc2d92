"""Keys and values in buffers that are allocated once, every sequence in a row of its own from column 0 on.

Imports torch: import it lazily.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from qrtui.generate.forward import Forward
from qrtui.generate.steps.cuda_graphs import CapturedSteps
from qrtui.generate.steps.growing_cache import Prefilled

_COLUMNS_AT_A_TIME = 128


class _StaticLayer(CacheLayerMixin):  # type: ignore[misc]
    """One layer's keys and values, (rows, heads, columns, head size) each. A step writes one column of every row."""

    is_compileable = True  # which transformers takes for: never look into a mask to leave it out
    is_sliding = False

    def __init__(self, keys: Tensor, values: Tensor, rows: int, columns: int) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self._all_keys = keys.new_zeros(rows, keys.shape[1], columns, keys.shape[3])
        self._all_values = values.new_zeros(rows, values.shape[1], columns, values.shape[3])

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing is left to do."""

    def show(self, rows: int, columns: int, positions: Tensor) -> None:
        """Let the next step see so many rows and columns, and write each row's new column at `positions` (rows,)."""
        self.keys, self.values = self._all_keys[:rows, :, :columns], self._all_values[:rows, :, :columns]
        self._at = positions.to(self.device).view(-1, 1, 1, 1)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write a column of every row; returns all that is shown."""
        self.keys.scatter_(2, self._at.expand(key_states.shape), key_states)
        self.values.scatter_(2, self._at.expand(value_states.shape), value_states)
        return self.keys, self.values

    def put(self, rows: Sequence[int], keys: Tensor, values: Tensor) -> None:
        """Begin these rows anew with what was read: (rows, heads, width, head size)."""
        for held, new in ((self._all_keys, keys), (self._all_values, values)):
            held[rows, :, : new.shape[2]] = new
            # What lies behind is masked, but a NaN of the row's last sequence would get through all the same.
            held[rows, :, new.shape[2] :] = 0

    def move(self, origins: Sequence[int], targets: Sequence[int]) -> None:
        """Copy rows onto others."""
        for held in (self._all_keys, self._all_values):
            held[targets] = held[origins]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """The columns that a mask has to cover, from which on."""
        return self.keys.shape[-2], 0

    def get_seq_length(self) -> int:
        """As if all columns but the last were older than the new token: which of them a row has says the mask."""
        return int(self.keys.shape[-2]) - 1

    def get_max_length(self) -> int:
        """How many columns there are."""
        return int(self._all_keys.shape[-2])


class StaticCache:
    """Sequences of different ages, each in a row (a slot) that it keeps; a new one takes a free row.

    Nothing is copied but what is new: neither for a token nor for a sequence that comes or goes. The rows as the
    decoder counts them are looked up in `_slots`. With `captured` steps the numbers of rows and columns are rounded up,
    so that few different ones are recorded as CUDA graphs and replayed; raises ValueError where there is no CUDA, or
    the model lies on several devices.
    """

    can_take_more = True

    def __init__(self, forward: Forward, rows: int, tokens: int, *, captured: bool) -> None:
        self._forward, self._most = forward, max(rows, 1)
        self._columns = _rounded_up(tokens) if captured else tokens
        self._past: Any = None
        self._rows = 0
        self._slots: list[int] = []
        self._lengths: list[int] = []
        self._inputs = torch.zeros(2, self._most, dtype=torch.long, device=forward.device)
        self._numbers = torch.arange(self._columns, device=forward.device)
        # It gets the method at every call: were it kept there, each would keep the other, and all of this memory.
        self._captured = CapturedSteps(forward.model, self._most) if captured else None

    def rebuild(self, kept: Sequence[int], added: Sequence[Prefilled] = ()) -> None:
        """Keep these rows, in this order, and put the added prompts behind them.

        The added caches are of no use afterwards.
        """
        self._slots = [self._slots[at] for at in kept]
        self._lengths = [self._lengths[at] for at in kept]
        self._rows = self._rows_for(len(kept) + sum(len(new.mask) for new in added))
        self._draw_together()
        for new in added:
            self._put(new)

    def step(self, tokens: Sequence[int], is_open: Sequence[bool]) -> Tensor:
        """Give every open row its last token; the logits of the next ones, (rows, vocabulary), open or not."""
        ids, positions = [0] * self._rows, [0] * self._rows
        columns = 1 + max(length for length, going in zip(self._lengths, is_open, strict=True) if going)
        for at, slot in enumerate(self._slots):
            # A row without an open sequence writes its first column again and again, and sees nothing else.
            if is_open[at]:
                ids[slot], positions[slot] = tokens[at], self._lengths[at]
                self._lengths[at] += 1
        self._inputs[:, : self._rows].copy_(torch.tensor([ids, positions]))
        if self._captured is None:
            logits = self._pass(self._rows, columns)
        else:
            logits = self._captured(self._pass, self._rows, min(_rounded_up(columns), self._columns))
        return logits if self._slots == list(range(self._rows)) else logits[self._slots]

    def _pass(self, rows: int, columns: int) -> Tensor:
        """One pass through the model with what `_inputs` holds. No number leaves the device meanwhile."""
        ids, positions = self._inputs[0, :rows], self._inputs[1, :rows]
        mask = self._mask(columns, positions)
        for layer in self._past.layers:
            layer.show(rows, columns, positions)
        logits, _ = self._forward(ids.unsqueeze(-1), mask, self._past, positions.unsqueeze(-1))
        return logits

    def _mask(self, columns: int, positions: Tensor) -> Tensor:
        """Which columns each row sees, (rows, columns).

        Where eager attention is recorded, what is added to its scores instead, (rows, 1, 1, columns): transformers 5.17
        would make that of a number that it copies to the device, which cannot be recorded.
        """
        seen = self._numbers[:columns] <= positions.unsqueeze(-1)
        model = self._forward.model
        if self._captured is None or model.config._attn_implementation != "eager":
            return seen.long()
        added = torch.zeros(seen.shape, dtype=model.dtype, device=seen.device)
        return added.masked_fill(~seen, torch.finfo(model.dtype).min)[:, None, None]

    def _rows_for(self, wanted: int) -> int:
        if self._captured is None:
            return wanted
        enough = min(self._most, 1 << (wanted - 1).bit_length())
        # Fewer rows are not worth another recording until they are far fewer.
        return enough if enough > self._rows or enough * 4 <= self._rows else self._rows

    def _draw_together(self) -> None:
        """Move what lies behind the rows that are left into free ones before."""
        outside = [at for at, slot in enumerate(self._slots) if slot >= self._rows]
        if not outside:
            return
        free = self._free()[: len(outside)]
        for layer in self._past.layers:
            layer.move([self._slots[at] for at in outside], free)
        for at, slot in zip(outside, free, strict=True):
            self._slots[at] = slot

    def _free(self) -> list[int]:
        return sorted(set(range(self._rows)) - set(self._slots))

    def _put(self, new: Prefilled) -> None:
        """Give prompts that were read free rows, their tokens moved to the left, over what is padding."""
        if self._past is None:
            sizes = self._most, self._columns
            self._past = Cache(layers=[_StaticLayer(layer.keys, layer.values, *sizes) for layer in new.past.layers])
        slots, lengths = self._free()[: len(new.mask)], new.mask.sum(dim=1)
        width = int(lengths.max())
        order = new.mask.argsort(dim=1, descending=True, stable=True)[:, :width, None]
        is_padding = (self._numbers[:width] >= lengths.unsqueeze(-1))[:, None, :, None]
        for at, layer in enumerate(self._past.layers):
            read = new.past.layers[at]
            layer.put(slots, *(_chosen(tensor, order, is_padding) for tensor in (read.keys, read.values)))
            # Let go at once, layer by layer: all of both would double the memory.
            new.past.layers[at] = None
        self._slots += slots
        self._lengths += lengths.tolist()


def _chosen(tensor: Tensor, order: Tensor, is_padding: Tensor) -> Tensor:
    """Columns of a (rows, heads, columns, head size) tensor in a (rows, columns, 1) order, zero where there is none."""
    order, is_padding = order.to(tensor.device), is_padding.to(tensor.device)
    columns = order[:, None].expand(-1, tensor.shape[1], -1, tensor.shape[3])
    return tensor.gather(2, columns).masked_fill(is_padding, 0)


def _rounded_up(columns: int) -> int:
    return -(-columns // _COLUMNS_AT_A_TIME) * _COLUMNS_AT_A_TIME
