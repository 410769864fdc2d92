"""Values as Python source, for people to read: bounded, however large the value."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

MAX_CHARACTERS = 400
_LARGEST_DECIMAL_BITS = 4096


def source(value: Any, limit: int = MAX_CHARACTERS) -> str:
    """`repr(value)`, cut to about `limit` characters.

    >>> source((1, "a"))
    "(1, 'a')"
    >>> source([0] * 1000, 12)
    '[0, 0, 0, 0…'
    """
    return _bounded(_parts(value), limit)


def call_source(entry_point: str, arguments: Iterable[Any], limit: int = MAX_CHARACTERS) -> str:
    """The call as Python source, cut likewise.

    >>> call_source("add", [1, 2])
    'add(1, 2)'
    """

    def parts() -> Iterator[str]:
        yield f"{entry_point}("
        yield from _separated(arguments)
        yield ")"

    return _bounded(parts(), limit)


def _bounded(parts: Iterator[str], limit: int) -> str:
    text = ""
    for part in parts:
        text += part
        if len(text) > limit:
            return text[: limit - 1] + "…"
    return text


def _separated(items: Iterable[Any]) -> Iterator[str]:
    for index, item in enumerate(items):
        if index:
            yield ", "
        yield from _parts(item)


def _parts(value: Any) -> Iterator[str]:
    kind = type(value)
    if kind is list:
        yield "["
        yield from _separated(value)
        yield "]"
    elif kind is tuple:
        yield "("
        yield from _separated(value)
        yield ",)" if len(value) == 1 else ")"
    elif kind in (set, frozenset) and value:
        yield "{" if kind is set else "frozenset({"
        yield from _separated(value)
        yield "}" if kind is set else "})"
    elif kind is dict:
        yield "{"
        for index, (key, item) in enumerate(value.items()):
            yield ", " if index else ""
            yield from _parts(key)
            yield ": "
            yield from _parts(item)
        yield "}"
    elif kind is int and value.bit_length() > _LARGEST_DECIMAL_BITS:
        yield hex(value)  # the decimal form takes time that grows with the square of the length
    elif kind in (str, bytes):
        yield repr(value[: MAX_CHARACTERS * 2])
    elif kind is deque:
        yield "deque(["
        yield from _separated(value)
        yield "])"
    else:
        yield _repr(value)


def _repr(value: Any) -> str:
    """`repr(value)`, or the type's name where there is none: Python refuses to write very long integers."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - shown to people only
        return f"<{type(value).__name__} object>"
