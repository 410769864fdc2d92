"""Plain values as JSON, there and back, with their types: what crosses the sandbox's wall.

JSON's own kinds stand for themselves; everything else is an object with one key, its tag. A value that is not
plain data arrives as `Opaque`: its class, its `__eq__`, its pickle code stay behind.

Standard library only: this module runs inside the sandbox.
"""

from __future__ import annotations

import hashlib
import marshal
import math
import re
from collections import UserDict, UserList, UserString, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

MAX_DEPTH = 200
MAX_NODES = 2_000_000
_JSON_INT_BITS = 63
_SCALAR_KINDS = "biufc"
_PLAIN_DTYPE = re.compile(r"[<>|=]?([biufc]\d{1,2}|U\d*)")
_MARSHAL_WITHOUT_REFERENCES = 2
_FEW, _MOST_COMPARED = 64, 10_000_000
_WIDEST_TEXTS = 1 << 24

_CONTAINERS: tuple[tuple[str, type], ...] = (
    ("tuple", tuple),
    ("set", set),
    ("frozenset", frozenset),
    ("deque", deque),
)
_BUILDERS: dict[str, Callable[[Iterable[Any]], Any]] = dict(_CONTAINERS)
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
_MOST_DIGITS = 2000
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


def as_bytes(value: Any) -> bytes | None:
    """A value of the built-in types as bytes that are the same in every process; None for any other value.

    Two values with the same bytes are equal, but for arrays inside of them, which go for `bytes`.
    """
    if type(value) not in _BUILT_IN:
        return None  # marshal takes everything that has a buffer for bytes
    try:
        return marshal.dumps(value, _MARSHAL_WITHOUT_REFERENCES)
    except ValueError:
        return None


def digest(value: Any) -> str | None:
    """SHA-256 of `as_bytes`, None where there is none."""
    raw = as_bytes(value)
    return None if raw is None else hashlib.sha256(raw).hexdigest()


_NUMBERS = frozenset({int, float, complex, bool})
_BUILT_IN = frozenset({str, bytes, float, complex, bool, int, type(None), list, tuple, dict, set, frozenset})
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
    """Raise ValueError where `items` were chosen to have the same hash: to look them up would take forever.

    What looking up costs is counted: comparisons with others of the same hash, times the parts compared.
    """
    items = list(items)
    if len(items) <= _FEW:
        return
    chains: dict[int, list[Any]] = {}
    cost = 0
    for item in items:
        chain = chains.setdefault(hash(item), [])
        cost += len(chain) * _weight(item)
        if cost > _MOST_COMPARED:
            raise ValueError("too many values with the same hash")
        if item not in chain:
            chain.append(item)


def _weight(value: Any) -> int:
    """About how many parts a comparison of `value` with its like may look at."""
    if isinstance(value, tuple | frozenset):
        return 1 + sum(map(_weight, value))
    return 1 + value.bit_length() // 256 if isinstance(value, int) else 1


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
        view = _VIEWS.get(type(value))
        if view is not None:
            return {view: [self.encode(item, depth + 1) for item in value]}
        if isinstance(value, UserList | UserDict | UserString):
            return self.encode(value.data, depth + 1)
        if isinstance(value, Decimal):
            return _bounded("decimal", Decimal.__str__(value))
        if type(value) is Fraction:
            return {"fraction": [_bounded("int", hex(part))["int"] for part in (value.numerator, value.denominator)]}
        if isinstance(value, complex):
            return {"complex": [complex.real.__get__(value), complex.imag.__get__(value)]}
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
        if dtype is None:
            return {"opaque": type(value).__name__[:80]}
        if dtype.kind == "O" and value.shape == ():
            return self.encode(value.item(), depth + 1)
        if dtype.char == "g":
            return self.encode_long(value, depth)
        if dtype.char == "G" or dtype.kind not in _SCALAR_KINDS + "U":
            return {"opaque": type(value).__name__[:80]}
        if getattr(value, "size", 0) > MAX_NODES:
            raise TooLargeError
        return {"numpy": [dtype.str, list(value.shape), self.encode(_flat(value), depth + 1)]}

    def encode_long(self, value: Any, depth: int) -> Any:
        """Of a long double the nearest double, and what is left: together they are exact."""
        whole = value.astype("f8")
        rest = (value - whole).astype("f8")
        return {"long": [self.encode_numpy(part, depth) for part in (whole, rest)]}


def _flat(array: Any) -> list[Any]:
    """The parts in order: those of a matrix would stay nested, in a row."""
    parts = array.ravel().tolist()
    return parts[0] if type(array).__name__ == "matrix" else parts  # type: ignore[no-any-return]


def _bounded(tag: str, digits: str) -> dict[str, str]:
    if len(digits) > _MOST_DIGITS:
        raise TooLargeError
    return {tag: digits}


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

    # A width out of the sandbox could ask for any amount of memory: strings find their own, up to a bound.
    kind = np.dtype(str) if "U" in dtype else np.dtype(dtype)
    parts = decode(items)
    if not all(type(part) is str if "U" in dtype else type(part) in _NUMBERS for part in parts):
        raise ValueError("an array of other parts")
    if "U" in dtype and len(parts) * max(map(len, parts), default=0) > _WIDEST_TEXTS:
        raise ValueError("an array of too long texts")
    array = np.array(parts, dtype=kind).reshape(shape)
    return array if shape else array[()]


def _decode_long(content: Any) -> Any:
    import numpy as np

    whole, rest = (decode(part) for part in content)
    if not all(getattr(part, "dtype", None) == np.float64 for part in (whole, rest)) or whole.shape != rest.shape:
        raise ValueError("not a long double")
    return np.where(np.isfinite(whole), np.longdouble(whole) + rest, whole)[()]


def _decode_fraction(content: Any) -> Fraction:
    numerator, denominator = content
    return Fraction(int(_short(numerator), 16), int(_short(denominator), 16) or 1)


def _short(digits: str) -> str:
    if not isinstance(digits, str) or len(digits) > _MOST_DIGITS:
        raise ValueError("too many digits")
    return digits


def _decode_decimal(content: Any) -> Decimal:
    try:
        return Decimal(_short(content))
    except ArithmeticError as error:
        raise ValueError("not a decimal number") from error


def _decode_view(tag: str, content: Any) -> Any:
    """A view of a dict made for it: equal to what such a view is equal to."""
    items = decode(content)
    if tag == "values":
        return dict(enumerate(items)).values()
    if tag == "keys":
        check_spread(items)
        return dict.fromkeys(items).keys()
    check_spread([key for key, _ in items])
    return dict(items).items()


def _decode_complex(content: Any) -> complex:
    real, imaginary = content
    return complex(float(real), float(imaginary))


_READERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda content: int(content, 16),
    "complex": _decode_complex,
    "fraction": _decode_fraction,
    "decimal": _decode_decimal,
    "long": _decode_long,
    "keys": partial(_decode_view, "keys"),
    "values": partial(_decode_view, "values"),
    "items": partial(_decode_view, "items"),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "opaque": lambda content: Opaque(str(content)),
    "numpy": _decode_numpy,
}
