"""The headers of safetensors files, read without torch: which weights there are, of what type and shape."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_LONGEST = 100_000_000
"""Bytes of a header; safetensors itself reads no longer one."""


class TensorHeader(NamedTuple):
    """What a file says of one tensor.

    `dtype` is in safetensors' words (`F32`, `BF16`, `I8`); its data end `end` bytes after the header.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    end: int


def tensor_headers(file: Path) -> Iterator[TensorHeader]:
    """Every tensor of a file. Raises OSError, and ValueError where the file is not what its header says."""
    with file.open("rb") as stream:
        size = file.stat().st_size
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(_LONGEST, size - 8):
            raise ValueError("no sound header")
        try:
            header = json.loads(stream.read(length))
        except (ValueError, RecursionError):
            raise ValueError("a header that is not JSON") from None
    if not isinstance(header, dict):
        raise ValueError("a header that is no table")
    header.pop("__metadata__", None)
    found = [_tensor(name, entry) for name, entry in header.items()]
    data = size - 8 - length
    promised = max((tensor.end for tensor in found), default=0)
    if promised != data:
        raise ValueError(f"{data:,} bytes of weights where its header promises {promised:,}")
    yield from found


def _tensor(name: str, entry: Any) -> TensorHeader:
    fields = entry if isinstance(entry, dict) else {}
    dtype, shape, offsets = fields.get("dtype"), _sizes(fields.get("shape")), _sizes(fields.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or offsets is None or len(offsets) != 2:
        raise ValueError(f"a header that says nothing sound of {name}")
    return TensorHeader(name, dtype, shape, offsets[1])


def _sizes(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not all(type(size) is int and 0 <= size < 2**63 for size in value):
        return None
    return tuple(value)
