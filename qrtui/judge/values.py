"""Plain values as JSON, there and back, with their types: what crosses the sandbox's wall.

JSON's own kinds stand for themselves; everything else is an object with one key, its tag. A value that is not
plain data arrives as `Opaque`: its class, its `__eq__`, its pickle code stay behind.

Standard library only: this module runs inside the sandbox.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

MAX_DEPTH = 200
MAX_NODES = 2_000_000
_JSON_INT_BITS = 63
_SCALAR_KINDS = "biufc"
_PLAIN_DTYPE = re.compile(r"[<>|=]?([biufc]\d{1,2}|U\d*)")
_MANY, _LONGEST_CHAIN = 2000, 500

_CONTAINERS: tuple[tuple[str, type], ...] = (
    ("tuple", tuple),
    ("set", set),
    ("frozenset", frozenset),
    ("deque", deque),
)
_BUILDERS: dict[str, Callable[[Iterable[Any]], Any]] = dict(_CONTAINERS)
_HASHED = ("set", "frozenset")


class TooLargeError(Exception):
    """A value nested too deeply or with too many parts to be carried across."""


class Opaque:
    """Something that is not plain data; equal to nothing but itself."""

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name

    def __repr__(self) -> str:
        return f"<{printable(self.type_name)} object>"


def printable(text: str) -> str:
    """The text with what could steer a terminal, or cannot be written at all, as escapes."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def encode(value: Any) -> Any:
    """What `json.dumps` can write for `value`. Subclasses of plain types are reduced to the plain type.

    Raises TooLargeError beyond MAX_DEPTH levels or MAX_NODES parts.
    """
    return _Encoder().encode(value, 0)


_CARRIED = frozenset({str, float, bool, int, type(None)})


def decode(data: Any) -> Any:
    """The value `encode` wrote. Raises ValueError or TypeError for anything it cannot have written."""
    return _decode(data, 0)


def _decode(data: Any, depth: int) -> Any:
    if depth > MAX_DEPTH + 1:
        raise ValueError("nested too deeply")
    if isinstance(data, list):
        return list(data) if set(map(type, data)) <= _CARRIED else [_decode(item, depth + 1) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) != 1:
        raise ValueError("a tagged value has one key")
    ((tag, content),) = data.items()
    if tag in _BUILDERS:
        items = [_decode(item, depth + 1) for item in content]
        if tag in _HASHED:
            check_spread(items)
        return _BUILDERS[tag](items)
    if tag == "dict":
        pairs = [(_decode(key, depth + 1), _decode(item, depth + 1)) for key, item in content]
        check_spread([key for key, _ in pairs])
        return dict(pairs)
    reader = _READERS.get(tag)
    if reader is None:
        raise ValueError(f"unknown tag {tag!r}")
    return reader(content)


def check_spread(items: Iterable[Any]) -> None:
    """Raise ValueError where `items` were chosen to have the same hash: to look them up would take forever."""
    items = list(items)
    if len(items) <= _MANY:
        return
    chains: dict[int, list[Any]] = {}
    for item in items:
        chain = chains.setdefault(hash(item), [])
        if item not in chain:
            chain.append(item)
            if len(chain) > _LONGEST_CHAIN:
                raise ValueError("too many values with the same hash")


class _Encoder:
    def __init__(self) -> None:
        self.nodes = 0

    def encode(self, value: Any, depth: int) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise TooLargeError
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is float:
            return value
        if kind is int:
            return value if value.bit_length() <= _JSON_INT_BITS else {"int": hex(value)}
        if kind is list:
            if _is_flat(value):
                return value
            return [self.encode(item, depth + 1) for item in value]
        if kind.__module__ == "numpy":
            return self.encode_numpy(value, depth)
        return self.encode_other(value, depth)

    def encode_other(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            pairs = [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in dict.items(value)]
            return {"dict": pairs}
        for tag, kind in _CONTAINERS:
            if isinstance(value, kind):
                return {tag: [self.encode(item, depth + 1) for item in kind.__iter__(value)]}  # type: ignore[attr-defined]
        if isinstance(value, list):
            return [self.encode(item, depth + 1) for item in list.__iter__(value)]
        if isinstance(value, complex):
            return {"complex": [value.real, value.imag]}
        if isinstance(value, bytes | bytearray):
            return {type(value).__name__ if type(value) is bytearray else "bytes": bytes(value).hex()}
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return self.encode(int.__add__(value, 0), depth)
        if isinstance(value, float):
            return float.__add__(value, 0.0)
        return {"opaque": type(value).__name__[:80]}

    def encode_numpy(self, value: Any, depth: int) -> Any:
        dtype = getattr(value, "dtype", None)
        if dtype is None or dtype.kind not in _SCALAR_KINDS + "U":
            return {"opaque": type(value).__name__[:80]}
        if getattr(value, "size", 0) > MAX_NODES:
            raise TooLargeError
        return {"numpy": [dtype.str, list(value.shape), self.encode(value.ravel().tolist(), depth + 1)]}


_PLAIN = frozenset({str, float, bool, type(None)})


def _is_flat(items: list[Any]) -> bool:
    """Whether JSON can carry the list as it is: all parts plain, of few kinds."""
    kinds = set(map(type, items))
    if kinds <= _PLAIN:
        return True
    return kinds == {int} and max(max(items), -min(items)).bit_length() <= _JSON_INT_BITS


def _decode_numpy(content: Any) -> Any:
    dtype, shape, items = content
    if not isinstance(dtype, str) or not _PLAIN_DTYPE.fullmatch(dtype):
        raise ValueError("not a plain array")
    if not all(type(size) is int and size >= 0 for size in shape) or math.prod(shape) != len(items):
        raise ValueError("an array of another shape")
    import numpy as np

    # A width out of the sandbox could ask for any amount of memory: strings find their own.
    kind = np.dtype(str) if "U" in dtype else np.dtype(dtype)
    array = np.array(decode(items), dtype=kind).reshape(shape)
    return array if shape else array[()]


def _decode_complex(content: Any) -> complex:
    real, imaginary = content
    return complex(float(real), float(imaginary))


_READERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda content: int(content, 16),
    "complex": _decode_complex,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "opaque": lambda content: Opaque(str(content)),
    "numpy": _decode_numpy,
}
