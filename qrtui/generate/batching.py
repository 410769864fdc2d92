"""How many prompts are decoded together: as many as memory allows, fewer after running out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from qrtui.models.device import main_memory

_CPU_LIMIT = 64
_GPU_LIMIT = 128
_MEMORY_SHARE = 0.5
_WINDOW = 4
PROMPT_TOKENS_AT_ONCE = {"cpu": 2048, "cuda": 16384}
"""The tokens of prompts that are read in one pass."""
ROOM = 96
"""The columns by which a cache of keys and values grows at a time."""

Item = TypeVar("Item")


def batch_size(setting: int | Literal["auto"], model: Any, *, tokens: int) -> int:
    """The number of sequences of up to `tokens` tokens (prompt and completion) to decode together.

    `auto` lets the keys and values of a batch take half of the memory that is there: of what is free on the GPU, or of
    a fixed share of the machine's RAM, so that every run there is batched the same way.
    """
    device = next(model.parameters()).device
    free = None
    if device.type == "cuda":
        from qrtui.models.fitting import free_on_gpu

        free = free_on_gpu(device)
    return batch_that_fits(setting, bytes_per_token(model), tokens, free)


def batch_that_fits(setting: int | Literal["auto"], per_token: int, tokens: int, gpu_free: int | None) -> int:
    """As `batch_size`, from the bytes that a token's keys and values take; `gpu_free` is None on a CPU."""
    if setting != "auto":
        return setting
    free, limit = (main_memory() // 4, _CPU_LIMIT) if gpu_free is None else (gpu_free, _GPU_LIMIT)
    return max(1, min(limit, int(free * _MEMORY_SHARE) // (per_token * tokens)))


def bytes_per_token(model: Any) -> int:
    """The size of one token's keys and values over all layers, in bytes."""
    return cache_bytes(model.config.get_text_config().to_dict(), model.dtype.itemsize)


def cache_bytes(config: dict[str, Any], number: int) -> int:
    """As `bytes_per_token`, from a model's configuration and the bytes of one number. Raises KeyError."""
    layers = config.get("num_hidden_layers") or config["n_layer"]
    all_heads = config.get("num_attention_heads") or config["n_head"]
    width = config.get("head_dim") or (config.get("hidden_size") or config["n_embd"]) // all_heads
    return int(2 * layers * (config.get("num_key_value_heads") or all_heads) * width * max(2, number))


def by_length(items: Sequence[Item], length: Callable[[Item], int], size: int) -> list[Item]:
    """The items, those near each other ordered from long to short, so that a batch of `size` has little padding.

    >>> by_length(["a", "bbb", "cc", "d"], len, 1)
    ['bbb', 'cc', 'a', 'd']
    """
    window = _WINDOW * size
    parts = (items[at : at + window] for at in range(0, len(items), window))
    return [item for part in parts for item in sorted(part, key=length, reverse=True)]
