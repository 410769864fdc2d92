"""How many bytes a model's weights take in each precision, told before anything is loaded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from qrtui.models.headers import tensor_headers
from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import local_path, read_json, weight_files
from qrtui.models.precisions import Precision

DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# Two-dimensional weights that no recipe quantizes, by words in their names: token tables and the output head.
_TABLES, _HEADS = ("embed", "wte", "wpe"), ("lm_head", "output_layer", "embed_out")
_KEPT_WHOLE = (*_TABLES, *_HEADS)
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def memory_needed(info: ModelInfo, precision: Precision, device: str = "cpu") -> int | None:
    """Bytes the weights take once loaded on `device`; None where neither the catalog nor local files tell.

    Activations and the key-value cache come on top.
    """
    counts = weights_of(info)
    if counts is None:
        return None
    parameters, unquantized = counts
    kept = unquantized * DTYPE_BYTES[precision.dtype_on(device)]
    return round(kept + (parameters - unquantized) * precision.bytes_per_weight)


def weights_of(info: ModelInfo) -> tuple[int, int] | None:
    """(all weights, those no recipe quantizes) of a model; None where neither the catalog nor local files tell."""
    if info.parameters is not None and info.unquantized is not None:
        return info.parameters, info.unquantized
    folder = local_path(info)
    return count_weights(folder) if folder is not None else None


class TokenTable(NamedTuple):
    """Whether the token table is the output head too, and the torch dtype in which a model's files hold it."""

    is_head: bool
    dtype: str


def token_table(folder: Path) -> TokenTable:
    """What the safetensors headers tell of the token table; of no dtype where they tell nothing."""
    try:
        tensors = [tensor for file in weight_files(folder) for tensor in tensor_headers(file)]
    except (OSError, ValueError):
        return TokenTable(False, "")
    has_head = any(word in tensor.name for tensor in tensors for word in _HEADS)
    tied = bool(read_json(folder / "config.json").get("tie_word_embeddings")) or not has_head
    tables = [tensor for tensor in tensors if len(tensor.shape) == 2 and any(word in tensor.name for word in _TABLES)]
    largest = max(tables, key=lambda tensor: math.prod(tensor.shape), default=None)
    return TokenTable(tied, _DTYPES.get(largest.dtype, "") if largest else "")


def count_weights(folder: Path) -> tuple[int, int] | None:
    """(all weights, those no recipe quantizes), from the safetensors headers; None where one is damaged."""
    tied = bool(read_json(folder / "config.json").get("tie_word_embeddings"))
    parameters = unquantized = 0
    try:
        for tensor in (tensor for file in weight_files(folder) for tensor in tensor_headers(file)):
            if tied and tensor.name == "lm_head.weight":
                continue
            size = math.prod(tensor.shape)
            parameters += size
            if len(tensor.shape) != 2 or any(word in tensor.name for word in _KEPT_WHOLE):
                unquantized += size
    except (OSError, ValueError):
        return None
    return (parameters, unquantized) if parameters else None
