"""Messages between the app and its judge servers: eight bytes of length, then JSON."""

from __future__ import annotations

import json
import struct
from typing import IO, Any

import msgspec

from qrtui.judge.values import decode, encode
from qrtui.tasks.task import Task

SANDBOX_GONE = 75
"""The exit status of a judge server whose sandbox ended in the middle of a check."""
NO_SCRATCH = "temporary files"
"""Where among the layers a judge server says that it has no place for what solutions write."""
_LENGTH = struct.Struct("!Q")
_VALUES = frozenset({"base_input", "plus_input"})


def write(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Send one message. Raises OSError if the other side is gone."""
    data = json.dumps(message).encode()
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read(stream: IO[bytes]) -> Any:
    """The next message. Raises EOFError when the other side has closed."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    data = stream.read(_LENGTH.unpack(head)[0])
    return json.loads(data)


def pack_task(task: Task) -> dict[str, Any]:
    """A task as JSON's own kinds; its inputs keep their types (tuples, sets, complex numbers)."""
    fields = {name: getattr(task, name) for name in task.__struct_fields__}
    return {name: encode(value) if name in _VALUES else value for name, value in fields.items()}


def unpack_task(data: dict[str, Any]) -> Task:
    """The task `pack_task` packed."""
    return msgspec.convert({name: decode(value) if name in _VALUES else value for name, value in data.items()}, Task)
