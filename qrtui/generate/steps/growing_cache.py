"""The keys and values of the sequences that are decoded together, in buffers that grow.

This is the plain way, which is always there; `static_cache.py` has another. Imports torch: import it lazily.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

from qrtui.generate.batching import ROOM
from qrtui.generate.forward import Forward
from qrtui.models.device import give_back_memory

# What steps work with comes to lie scattered too, the faster the more rows they have; giving back takes a millisecond.
_TOKENS_UNTIL_GIVING_BACK = 128
# So many columns fill whole pages of 4096 bytes where a head has 64 numbers, or more, of 2 bytes.
_WHOLE_PAGES = 32


class Prefilled(NamedTuple):
    """Prompts that were read: the library's cache of them and their mask, (rows, width), 0 where there is padding."""

    past: Any
    mask: Tensor


class _SlotLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values with room to grow: a new token is written in place.

    The library's own layer copies all that it holds for every token, which for a large batch takes as long as the
    arithmetic.
    """

    _all_keys: Tensor
    _all_values: Tensor

    def hold(self, keys: Tensor, values: Tensor, width: int) -> None:
        """Take over buffers (rows, heads, capacity, head size) of which `width` columns are filled."""
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self._all_keys, self._all_values = keys, values
        self._show(width)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write new columns; returns all that are filled. There is room: `SlotCache.make_room` saw to it."""
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        self._all_keys[:, :, start:end] = key_states
        self._all_values[:, :, start:end] = value_states
        self._show(end)
        return self.keys, self.values

    def _show(self, width: int) -> None:
        self.keys, self.values = self._all_keys[:, :, :width], self._all_values[:, :, :width]

    @property
    def capacity(self) -> int:
        """How many columns fit."""
        return self._all_keys.shape[-2]


class _ReadingLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values of prompts that are being read, in pages of their own.

    Among the large tensors that come and go while prompts are read, what stays would leave holes too small for the next
    layer's: LLM.int8() came to take four times what it works with.
    """

    keys: Tensor
    values: Tensor

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Put new columns behind those that are there; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = _joined(self.keys, key_states), _joined(self.values, value_states)
        return self.keys, self.values


class SlotCache:
    """Sequences of different ages side by side, all ending in the same column; rows come and go.

    `mask` is (rows, width): 1 where a row has a token. New rows are put behind the kept ones.
    """

    can_take_more = True

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._tokens = 0
        self.past: Any = None
        self.mask = torch.zeros(0, 0, dtype=torch.long)

    def rebuild(self, kept: Sequence[int], added: Sequence[Prefilled] = ()) -> None:
        """Keep these rows, in this order, and put the added prompts behind them; columns that none needs go.

        What was held before, and the added caches, are of no use afterwards.
        """
        old = self.mask[list(kept)] if kept else self.mask[:0]
        width = max([_needed(old), *(_needed(new.mask) for new in added)])
        parts = [(self.past, old, list(kept))] if kept else []
        parts += [(new.past, new.mask, list(range(len(new.mask)))) for new in added]
        layers = [_SlotLayer() for _ in parts[0][0].layers]
        for at, layer in enumerate(layers):
            keys = _right_aligned([(past.layers[at].keys, rows) for past, _, rows in parts], width)
            values = _right_aligned([(past.layers[at].values, rows) for past, _, rows in parts], width)
            layer.hold(keys, values, width)
            # Let go at once, layer by layer: all of the old beside all of the new would double the memory.
            for past, _, _ in parts:
                past.layers[at] = None
        self.mask = torch.cat([_fit(mask, width) for _, mask, _ in parts])
        self.past = Cache(layers=layers)
        if self.mask.device.type == "cpu":
            give_back_memory()

    def make_room(self) -> None:
        """See to it that one more column fits."""
        if self.mask.shape[1] >= self.past.layers[0].capacity:
            self.rebuild(range(len(self.mask)))

    def step(self, tokens: Sequence[int], is_open: Sequence[bool]) -> Tensor:
        """Give every row its last token; the logits of the next ones, (rows, vocabulary), open or not."""
        self.make_room()
        logits, self.past, self.mask = _step(self._forward, tokens, self.past, self.mask)
        self._tokens += len(tokens)
        if self.mask.device.type == "cpu" and self._tokens >= _TOKENS_UNTIL_GIVING_BACK:
            self._tokens = 0
            give_back_memory()
        return logits


class LibraryCache:
    """The model's own kind of cache, for models whose layers remember otherwise: one batch at a time."""

    can_take_more = False

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self.past: Any = None
        self.mask = torch.zeros(0, 0, dtype=torch.long)

    def rebuild(self, kept: Sequence[int], added: Sequence[Prefilled] = ()) -> None:
        """Keep these rows; or begin anew with one batch of prompts."""
        if added:
            self.past, self.mask = added[0]
            return
        rows = torch.tensor(list(kept), device=self.mask.device)
        self.past.batch_select_indices(rows)
        self.mask = self.mask[rows]

    def step(self, tokens: Sequence[int], is_open: Sequence[bool]) -> Tensor:
        """Give every row its last token; the logits of the next ones, (rows, vocabulary), open or not."""
        logits, self.past, self.mask = _step(self._forward, tokens, self.past, self.mask)
        return logits


def _step(forward: Forward, tokens: Sequence[int], past: Any, mask: Tensor) -> tuple[Tensor, Any, Tensor]:
    """A pass with one token of every row: the logits, and the cache and the mask, a column wider."""
    mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=-1)
    ids = torch.tensor(tokens, device=forward.device).unsqueeze(-1)
    return *forward(ids, mask, past), mask


def holds_plain_layers(model: Any) -> bool:
    """Whether every layer keeps plain keys and values of all tokens, so that rows can come and go."""
    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def reading_cache(model: Any, beginning: Any, rows: int) -> Any:
    """A cache of plain layers for reading `rows` prompts, all of which begin as the one-row cache `beginning` does.

    `beginning` is None where they have nothing in common.
    """
    if beginning is None:
        return Cache(layers=[_ReadingLayer() for _ in DynamicCache(config=model.config).layers])
    layers = [_ReadingLayer() for _ in beginning.layers]
    for layer, begun in zip(layers, beginning.layers, strict=True):
        layer.lazy_initialization(begun.keys, begun.values)
        layer.keys, layer.values = (tensor.expand(rows, -1, -1, -1) for tensor in (begun.keys, begun.values))
    return Cache(layers=layers)


def _needed(mask: Tensor) -> int:
    """The columns from the first that any row uses to the end."""
    used = mask.any(dim=0).nonzero()
    return mask.shape[1] - int(used[0]) if len(used) else 0


def _fit(mask: Tensor, width: int) -> Tensor:
    lacking = width - mask.shape[1]
    return torch.nn.functional.pad(mask, (lacking, 0)) if lacking > 0 else mask[:, -lacking:]


def _joined(begun: Tensor, new: Tensor) -> Tensor:
    """The columns of both, (rows, heads, columns, head size); `begun` may be empty."""
    width = begun.shape[-2] if begun.numel() else 0
    whole = _untouched((*new.shape[:2], width + new.shape[2], new.shape[3]), new)
    if width:
        whole[:, :, :width] = begun
    whole[:, :, width:] = new
    return whole


def _untouched(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """A tensor without content.

    On a CPU its pages are its own: they take memory only once they are written to, so that columns kept in reserve cost
    nothing, and go back to the system as soon as it is let go of, where the C library would keep them for later.
    """
    if like.device.type != "cpu" or not hasattr(mmap, "MAP_PRIVATE"):
        return like.new_empty(shape)
    size = max(1, math.prod(shape) * like.itemsize)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(pages, dtype=like.dtype, count=math.prod(shape)).view(shape)


def _right_aligned(parts: Sequence[tuple[Tensor, list[int]]], width: int) -> Tensor:
    """The rows of all parts under each other, ending in column `width`, with room behind; padding is zero."""
    first = parts[0][0]
    rows = sum(len(chosen) for _, chosen in parts)
    # Each row begins with a page, so that no page is half in reserve.
    capacity = -(-(width + ROOM) // _WHOLE_PAGES) * _WHOLE_PAGES
    whole = _untouched((rows, first.shape[1], capacity, first.shape[3]), first)
    at = 0
    for tensor, chosen in parts:
        mine = whole[at : at + len(chosen)]
        at += len(chosen)
        filled = min(width, tensor.shape[-2])
        # What lies there is masked, but a NaN would get through all the same.
        mine[:, :, : width - filled] = 0
        source = tensor[:, :, tensor.shape[-2] - filled :]
        # Piece by piece: a copy of the chosen rows would be as large as the whole.
        for to, begin, end in _runs(chosen):
            mine[to : to + end - begin, :, width - filled : width] = source[begin:end]
    return whole


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Rows that follow each other: their first place in `rows`, the first of them, the one behind the last.

    >>> list(_runs([0, 1, 2, 5, 6, 4]))
    [(0, 0, 3), (3, 5, 7), (5, 4, 5)]
    """
    at = 0
    while at < len(rows):
        count = 1
        while at + count < len(rows) and rows[at + count] == rows[at] + count:
            count += 1
        yield at, rows[at], rows[at] + count
        at += count
