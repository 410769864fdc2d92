"""How much memory making completions takes at the peak, told before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qrtui.generate.batching import ROOM, batch_that_fits, cache_bytes
from qrtui.generate.settings import Generation
from qrtui.models.capacity import capacity
from qrtui.models.device import device_type
from qrtui.models.footprint import DTYPE_BYTES, memory_needed, weights_of
from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import local_path, read_json
from qrtui.models.precisions import Precision

# Measured (benchmarks/memory.py), where sizes do not tell: what the process holds before any weight, and the workspace
# that bitsandbytes takes while prompts are read, in times the widest layer's activations.
_PROCESS_BYTES = 280_000_000
_PORTION_TOKENS = 2048
_INT8_WORKSPACE, _FOUR_BIT_WORKSPACE = 25, 10
_CHARACTERS_PER_TOKEN = 3.5
_TEMPLATE_TOKENS = 60
# Of the places of a batch, those whose prompts are read at once lie beside the cache that they are copied into.
_SHARE_COPIED = 0.6


def peak_memory(
    info: ModelInfo,
    precision: Precision,
    device: str,
    prompts: Sequence[str],
    settings: Generation,
    *,
    is_noisy: bool,
) -> int | None:
    """Bytes held at the peak while the prompts are completed; None for a model that is not on this machine.

    On a CPU all that the process holds itself, libraries included and file pages left out; on a GPU what is allocated
    there. Where completions end early it is less: sequences are taken to grow to the cap.
    """
    folder, weights, counts = local_path(info), memory_needed(info, precision, device_type(device)), weights_of(info)
    config = read_json(folder / "config.json") if folder is not None else {}
    try:
        number = DTYPE_BYTES[precision.dtype_on(device_type(device))]
        per_token, table, widest = cache_bytes(config, number), _table(config) * number, _widest(config)
    except (KeyError, TypeError, ZeroDivisionError):
        return None
    if weights is None or counts is None or not prompts:
        return None
    cache = _cache(per_token, prompts, settings, _gpu_free(device, weights))
    if device_type(device) != "cpu":
        return weights + cache
    held = _PROCESS_BYTES + weights + table + cache + _workspace(precision, widest, counts)
    # A copy of what noise reaches, and of the largest tensor its numbers and its pages of the file.
    reached = counts[1] * number if precision.quantized else weights
    return held + (reached + 2 * table if is_noisy else 0)


def _cache(per_token: int, prompts: Sequence[str], settings: Generation, gpu_free: int | None) -> int:
    """The keys and values of a full batch, and those of the prompts that are being put into it."""
    longest = int(max(map(len, prompts)) / _CHARACTERS_PER_TOKEN) + _TEMPLATE_TOKENS
    rows = batch_that_fits(settings.batch_size, per_token, longest + settings.max_new_tokens, gpu_free)
    filling = ROOM + _SHARE_COPIED * (longest + _TEMPLATE_TOKENS)
    return int(min(rows, len(prompts)) * per_token * (longest + max(filling, settings.max_new_tokens + ROOM)))


def _workspace(precision: Precision, widest: int, counts: tuple[int, int]) -> int:
    """What a CPU needs beside the weights to multiply with quantized ones."""
    activations = 4 * _PORTION_TOKENS * widest
    if precision.four_bit_type:
        return 4 * (counts[0] - counts[1]) + _FOUR_BIT_WORKSPACE * activations
    return _INT8_WORKSPACE * activations if precision.quantized else 0


def _gpu_free(device: str, weights: int) -> int | None:
    return None if device_type(device) == "cpu" else max(0, (capacity(device) or 0) - weights)


def _table(config: dict[str, Any]) -> int:
    """How many numbers the token table has."""
    return int(config["vocab_size"]) * int(config.get("hidden_size") or config["n_embd"])


def _widest(config: dict[str, Any]) -> int:
    """The widest layer's outputs."""
    return int(config.get("intermediate_size") or 4 * int(config.get("hidden_size") or config["n_embd"]))
