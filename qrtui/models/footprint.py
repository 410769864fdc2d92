"""How many bytes a model's weights take in each precision, told before anything is loaded."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path

from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import local_path, read_json, weight_files
from qrtui.models.precisions import Precision

DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
# Two-dimensional weights that no recipe quantizes, by words in their names: token tables and the output head.
_KEPT_WHOLE = ("embed", "wte", "wpe", "lm_head", "output_layer", "embed_out")
_LONGEST_HEADER = 100_000_000


def memory_needed(info: ModelInfo, precision: Precision, device: str = "cpu") -> int | None:
    """Bytes the weights take once loaded on `device`; None where neither the catalog nor local files tell.

    Activations and the key-value cache come on top.
    """
    parameters, unquantized = info.parameters, info.unquantized
    if parameters is None or unquantized is None:
        folder = local_path(info)
        counts = count_weights(folder) if folder is not None else None
        if counts is None:
            return None
        parameters, unquantized = counts
    kept = unquantized * DTYPE_BYTES[precision.dtype_on(device)]
    return round(kept + (parameters - unquantized) * precision.bytes_per_weight)


def count_weights(folder: Path) -> tuple[int, int] | None:
    """(all weights, those no recipe quantizes), from the safetensors headers; None where one is damaged."""
    tied = bool(read_json(folder / "config.json").get("tie_word_embeddings"))
    parameters = unquantized = 0
    try:
        for name, shape in _tensors(folder):
            if tied and name == "lm_head.weight":
                continue
            size = math.prod(shape)
            parameters += size
            if len(shape) != 2 or any(word in name for word in _KEPT_WHOLE):
                unquantized += size
    except (OSError, ValueError, KeyError, struct.error):
        return None
    return (parameters, unquantized) if parameters else None


def _tensors(folder: Path) -> Iterator[tuple[str, list[int]]]:
    for file in weight_files(folder):
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _LONGEST_HEADER:
                raise ValueError(f"{file.name} has no sound header")
            header = json.loads(stream.read(length))
        for name, entry in header.items():
            if name != "__metadata__":
                yield name, entry["shape"]
