"""Reading what a sandboxed child says: every answer may be forged, and is taken apart with that in mind."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, replace
from typing import Any

from qrtui.judge.launch import SessionEnded
from qrtui.judge.values import decode, encode, printable
from qrtui.judge.verdict import Status

LOAD_SECONDS = 5.0
NOTHING = object()
"""In place of a value that is not known."""

_FROM_A_CHILD: tuple[Status, ...] = (
    "failed",
    "timeout",
    "memory",
    "output too large",
    "syntax error",
    "missing function",
)
_ERROR_CHARACTERS = 400


@dataclass(frozen=True)
class Outcome:
    """How a check ended, and at which input (None: before the first)."""

    status: Status
    at: int | None = None
    arguments: list[Any] | None = None
    expected: Any = NOTHING
    got: Any = NOTHING
    error: str | None = None

    def explained(self, wait_status: int | None) -> Outcome:
        """For a child that died: this outcome with what it died of, by its wait status."""
        if self.status != "crashed" or self.error or wait_status is None:
            return self
        if os.WIFSIGNALED(wait_status):
            number = os.WTERMSIG(wait_status)
            if number == signal.SIGXCPU:
                return replace(self, status="timeout")
            known = {one.value: one.name for one in signal.Signals}
            return replace(self, error=f"killed by {known.get(number, f'signal {number}')}")
        return replace(self, error=f"the process exited with status {os.waitstatus_to_exitcode(wait_status)}")


@dataclass(frozen=True)
class Digest:
    """In place of a large value: its SHA-256, which is equal where type and value are."""

    sha256: str


def solution_job(code: str, entry_point: str, *, digests: bool = True) -> dict[str, Any]:
    """The job of a child that is to answer calls of `entry_point`, large values by digest unless told."""
    return {
        "role": "solution",
        "code": code,
        "entry_point": entry_point,
        "load_limit": LOAD_SECONDS,
        "digests": digests,
    }


def calls_as_json(inputs: list[list[Any]], limits: list[float]) -> bytes:
    """The calls of a batch: [arguments, keyword arguments, seconds allowed] each."""
    calls = [[encode(list(one)), {}, limit] for one, limit in zip(inputs, limits, strict=True)]
    return json.dumps(calls).encode()


def value_of(answer: dict[str, Any], *, digests: bool = True) -> Any:
    """The value an answer carries, or its Digest if it may. Raises SessionEnded for what no honest child writes."""
    if digests and isinstance(answer.get("digest"), str):
        return Digest(answer["digest"])
    try:
        return decode(answer["value"])
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, OverflowError, MemoryError) as error:
        raise SessionEnded("tampered", "a value that cannot be read") from error


def seconds_of(answer: dict[str, Any]) -> float:
    """The seconds an answer says its call took."""
    seconds = answer.get("seconds")
    if not isinstance(seconds, int | float):
        raise SessionEnded("tampered", "an answer without its time")
    return float(seconds)


def status_of(answer: dict[str, Any], *, passed: bool = False) -> Status:
    """The status a child reports, if a child may report it: `passed` only a check's own."""
    status = answer.get("status")
    for known in _FROM_A_CHILD:
        if status == known:
            return known
    return "passed" if passed and status == "passed" else "tampered"


def error_of(answer: dict[str, Any]) -> str | None:
    """The exception's last line, if the answer brings one."""
    error = answer.get("error")
    return printable(error[:_ERROR_CHARACTERS]) if isinstance(error, str) else None
