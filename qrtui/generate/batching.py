"""How many prompts are decoded together: as many as memory allows, fewer after running out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar

from qrtui.models.device import main_memory

_CPU_LIMIT = 48
_GPU_LIMIT = 128
_MEMORY_SHARE = 0.5

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


def batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """The items in order, in as few batches as `size` allows and as even as possible.

    >>> [len(batch) for batch in batches(range(40), 24)]
    [20, 20]
    """
    count = -(-len(items) // size)
    for at in range(count):
        yield list(items[at * len(items) // count : (at + 1) * len(items) // count])
