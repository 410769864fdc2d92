"""How much memory making completions takes at the peak, told before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from qrtui.generate.batching import PROMPT_TOKENS_AT_ONCE, ROOM, batch_that_fits, cache_bytes
from qrtui.generate.settings import Generation
from qrtui.models.capacity import capacity
from qrtui.models.device import device_type, free_memory, may_be_taken
from qrtui.models.footprint import DTYPE_BYTES, memory_needed, token_table, weights_of
from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import local_path, read_json
from qrtui.models.precisions import Precision
from qrtui.perturb.noise import Noise

# Measured (benchmarks/memory.py), where sizes do not tell: what the libraries hold, and the process before any weight,
# tokenizer and the model's code included; what reading prompts takes to work with, in times the widest layer's
# activations.
_LIBRARY_BYTES = 335_000_000
_PROCESS_BYTES = 380_000_000
_WORKSPACE, _INT8_WORKSPACE = 8, 14
_CHARACTERS_PER_TOKEN = 3.5
_TEMPLATE_TOKENS = 60
# Of the places of a batch, those whose prompts are read at once lie beside the cache that they are copied into.
_SHARE_COPIED = 0.5
# A step's logits and what is made of them.
_LOGITS = 4


def peak_memory(
    info: ModelInfo,
    precision: Precision,
    device: str,
    prompts: Sequence[str],
    settings: Generation,
    noise: Noise | None,
) -> int | None:
    """Bytes held at the peak while the prompts are completed; None for a model that is not on this machine.

    On a CPU all that the process holds itself, libraries included and file pages left out; on a GPU what is allocated
    there. Where completions end early it is less: sequences are taken to grow to the cap.
    """
    folder, weights, counts = local_path(info), memory_needed(info, precision, device_type(device)), weights_of(info)
    if folder is None or weights is None or counts is None or not prompts:
        return None
    config, cap = read_json(folder / "config.json"), settings.max_new_tokens
    try:
        number = DTYPE_BYTES[precision.dtype_on(device_type(device))]
        per_token, table = cache_bytes(config, number), _table(config) * number
        longest = int(max(map(len, prompts)) / _CHARACTERS_PER_TOKEN) + _TEMPLATE_TOKENS
        rows = batch_that_fits(settings.batch_size, per_token, longest + cap, _gpu_free(device, weights))
        working = working_memory(config, precision, rows=rows, count=len(prompts), longest=longest, cap=cap)
    except (KeyError, TypeError, ZeroDivisionError):
        return None
    if device_type(device) != "cpu":
        return weights + _gpu_cache(min(rows, len(prompts)) * per_token, longest, cap)
    stored = token_table(folder)
    projections = counts[0] - counts[1]
    held = _PROCESS_BYTES + weights
    if noise is None and stored.dtype == precision.dtype_on("cpu") and not stored.is_head:
        held -= table  # it stays in the mapped file
    if noise is not None and precision.quantized and noise.protocol != "published":
        held += int(projections * precision.bytes_per_weight)  # the copy of the quantized weights
    if precision.four_bit_type:
        held += min(4 * projections, spare_memory(weights, working, settings.extra_memory, free_memory() - held))
    return held + working.whole


def spare_memory(weights: int, working: Working, share: float, free: int) -> int:
    """Bytes that may be taken on a CPU for speed alone, where `free` are free with the weights loaded.

    The peak is to stay within libraries, model and cache, and this share of them. The cache counts as it is with the
    prompts read: completions may end early.
    """
    bound = int((1 + share) * (_LIBRARY_BYTES + weights + working.prompts))
    needed = _PROCESS_BYTES + weights + working.prompts + working.passing
    return max(0, min(bound - needed, may_be_taken(free) - working.whole))


class Working(NamedTuple):
    """Bytes beside the weights: keys and values of a batch of `prompts`, what `passing` them through the model takes
    to work with, and the most that is held at a time.
    """

    prompts: int
    passing: int
    whole: int


def working_memory(
    config: dict[str, Any], precision: Precision, *, rows: int, count: int, longest: int, cap: int
) -> Working:
    """What `count` prompts of up to `longest` tokens take on a CPU beside the weights, `rows` at a time.

    The keys and values, those of prompts that are put beside sequences at their end, and what a pass takes to work
    with. Raises KeyError where the configuration does not tell.
    """
    rows = min(rows, count)
    per_token = cache_bytes(config, DTYPE_BYTES[precision.dtype_on("cpu")])
    activations = 4 * _widest(config) * min(PROMPT_TOKENS_AT_ONCE["cpu"], rows * longest)
    is_int8 = precision.quantized and not precision.four_bit_type
    reading = activations * (_INT8_WORKSPACE if is_int8 else _WORKSPACE)
    prompts, grown = rows * per_token * longest, rows * per_token * (longest + cap)
    if count > rows:
        return Working(prompts, reading, grown + int(_SHARE_COPIED * prompts) + reading)
    logits = 4 * _LOGITS * rows * int(config["vocab_size"])
    return Working(prompts, reading, max(grown + logits, prompts + reading))


def _gpu_cache(per_column: int, longest: int, cap: int) -> int:
    """The keys and values of a full batch, columns in reserve included, and those of prompts that are put into it."""
    filling = ROOM + _SHARE_COPIED * (longest + _TEMPLATE_TOKENS)
    return int(per_column * (longest + max(filling, cap + ROOM)))


def _gpu_free(device: str, weights: int) -> int | None:
    return None if device_type(device) == "cpu" else max(0, (capacity(device) or 0) - weights)


def _table(config: dict[str, Any]) -> int:
    """How many numbers the token table has."""
    return int(config["vocab_size"]) * int(config.get("hidden_size") or config["n_embd"])


def _widest(config: dict[str, Any]) -> int:
    """The widest layer's outputs."""
    return int(config.get("intermediate_size") or 4 * int(config.get("hidden_size") or config["n_embd"]))
