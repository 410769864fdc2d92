"""How many prompts are decoded together: as many as memory allows, fewer after running out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from qrtui.models.device import main_memory

_CPU_LIMIT = 64
_GPU_LIMIT = 128
_MEMORY_SHARE = 0.5
_WINDOW = 4

Item = TypeVar("Item")


def batch_size(setting: int | Literal["auto"], model: Any, *, tokens: int) -> int:
    """The number of sequences of up to `tokens` tokens (prompt and completion) to decode together.

    `auto` lets the keys and values of a batch take half of the memory that is there: of what is free on the GPU, or of
    a fixed share of the machine's RAM, so that every run there is batched the same way.
    """
    if setting != "auto":
        return setting
    device = next(model.parameters()).device
    if device.type == "cuda":
        import torch

        free, limit = torch.cuda.mem_get_info(device)[0], _GPU_LIMIT
    else:
        free, limit = main_memory() // 4, _CPU_LIMIT
    return max(1, min(limit, int(free * _MEMORY_SHARE) // (bytes_per_token(model) * tokens)))


def bytes_per_token(model: Any) -> int:
    """The size of one token's keys and values over all layers, in bytes."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * max(2, model.dtype.itemsize))


def by_length(items: Sequence[Item], length: Callable[[Item], int], size: int) -> list[Item]:
    """The items, those near each other ordered from long to short, so that a batch of `size` has little padding.

    >>> by_length(["a", "bbb", "cc", "d"], len, 1)
    ['bbb', 'cc', 'a', 'd']
    """
    window = _WINDOW * size
    parts = (items[at : at + window] for at in range(0, len(items), window))
    return [item for part in parts for item in sorted(part, key=length, reverse=True)]
