"""One check as the sandboxed child sees it: load a program, answer calls.

The child reads one job, then all its calls at once (a batch) or one after the other, and writes one line per
answer: the job's token, then JSON. Line 0 tells how loading went. The answers are plain values; what
they should be, no one in this process knows.

Standard library only: this module runs inside the sandbox.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import io
import json
import os
import random
import resource
import signal
import struct
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterable
from typing import Any

from qrtui.judge.values import TooLargeError, as_bytes, decode, encode

STARVATION = 4
"""How many times its limit a program that never waits may take by the clock, on a busy machine."""
_NOT_WORTH_ASKING = 0.2
"""Seconds by the clock below which no limit can be near: there the processor's share is not asked for."""
_REPEAT_ALARM = 0.5
SAY_SECONDS = 5.0
_LARGE = 64 << 10
_ERROR_CHARACTERS = 400


# A solution may replace what the modules hold.
_perf_counter, _process_time, _getrusage = time.perf_counter, time.process_time, resource.getrusage
_signal, _setitimer = signal.signal, signal.setitimer


class TimeLimit(BaseException):
    """Raised in the midst of a call that has used up its time; no `except Exception` catches it."""


class Stopwatch:
    """Seconds a call has used: of the processor if it never waited for anything, else of the clock.

    So a busy machine does not turn a right solution into a timeout, while a sleeping one still is one.
    """

    def __init__(self) -> None:
        self._clock, self._cpu, self._waits = _perf_counter(), _process_time(), _waits()

    def clock(self) -> float:
        """Seconds by the clock."""
        return _perf_counter() - self._clock

    def used(self) -> float:
        """Seconds used, in the sense of the class."""
        clock = self.clock()
        if clock < _NOT_WORTH_ASKING or _waits() > self._waits:
            return clock
        return min(clock, _process_time() - self._cpu)


def _waits() -> int:
    return _getrusage(resource.RUSAGE_SELF).ru_nvcsw


class Alarm:
    """Interrupts the call in progress when its limit is used up."""

    def __init__(self) -> None:
        self._watch, self._limit = Stopwatch(), 0.0

    def set(self) -> None:
        """Have the signal. A solution may take it away again: the trusted side then ends its child, later."""
        _signal(signal.SIGALRM, self._ring)

    def start(self, limit: float) -> None:
        """Begin to count."""
        self._watch, self._limit = Stopwatch(), limit
        _setitimer(signal.ITIMER_REAL, limit, _REPEAT_ALARM)

    def stop(self) -> float:
        """Stop counting; return the seconds used. Raises TimeLimit if they are more than the limit."""
        _setitimer(signal.ITIMER_REAL, 0)
        used = self._watch.used()
        if used > self._limit:
            raise TimeLimit
        return used

    def _ring(self, _number: int, _frame: types.FrameType | None) -> None:
        if self._watch.used() >= self._limit or self._watch.clock() >= STARVATION * self._limit:
            raise TimeLimit
        _setitimer(signal.ITIMER_REAL, max(0.01, self._limit - self._watch.used()), _REPEAT_ALARM)


class Channel:
    """The socket to the trusted side, and the token that every answer carries."""

    def __init__(self, fd: int) -> None:
        self._fd, self._token = fd, b""
        self._count, self._limit = 0, 0
        self._write, self._dumps = os.write, json.dumps  # a solution may replace what the modules hold

    def read(self) -> Any:
        """The next message. Raises EOFError when the trusted side has closed."""
        (size,) = struct.unpack("!Q", self._exactly(8))
        return json.loads(self._exactly(size))

    def agree(self, token: str, limit: int) -> None:
        """Sign all lines to come with the job's token, and write none longer than `limit` bytes."""
        self._token, self._limit = token.encode(), limit

    def answer(self, content: dict[str, Any]) -> None:
        """Write one line, at once: should the next call end the process, this answer must not be lost."""
        line = self._line(content)
        if len(line) > self._limit:
            line = self._line({"status": "output too large"})
        self._count += 1
        data = memoryview(line)
        while data:
            data = data[self._write(self._fd, data) :]

    def _line(self, content: dict[str, Any]) -> bytes:
        return self._token + b" " + self._dumps({"n": self._count, **content}).encode() + b"\n"

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = os.read(self._fd, min(1 << 20, size - len(data)))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


def serve(fd: int) -> None:
    """Do the one job that comes over `fd`, to its end."""
    channel = Channel(fd)
    job = channel.read()
    channel.agree(job["token"], job["answer_limit"])
    _silence()
    _seed(os.urandom(16) if job["role"] == "check" else 0)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 1000))
    if job["role"] == "check":
        from qrtui.judge.check_candidate import run_check

        run_check(channel, job)
    else:
        _run_solution(channel, job)


def _seed(seed: int | bytes) -> None:
    """A solution's chance is the same each time. A check's is its own: a solution could foretell it otherwise."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed if isinstance(seed, int) else list(seed))


def _silence() -> None:
    """Discard prints at the speed of C, answer `input()` with end of file."""
    sys.stdin = io.StringIO("")
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115, PTH123


def last_line(error: BaseException) -> str:
    """The last line of the exception's traceback, e.g. `KeyError: 3`, bounded; its own code may misbehave."""
    try:
        lines = traceback.format_exception_only(type(error), error)
        text = lines[-1].strip().splitlines()[0] if lines[-1].strip() else type(error).__name__
    except BaseException:  # noqa: BLE001 - the exception's own __str__ may raise anything
        text = type(error).__name__
    return text[:_ERROR_CHARACTERS]


def outcome(error: BaseException) -> dict[str, Any]:
    """An exception as an answer: the status it means and its last line."""
    if isinstance(error, TimeLimit):
        return {"status": "timeout"}
    if isinstance(error, MemoryError):
        return {"status": "memory", "error": "MemoryError"}
    if isinstance(error, TooLargeError):
        return {"status": "output too large"}
    known = next((kind.__name__ for kind in type(error).__mro__ if hasattr(builtins, kind.__name__)), "Exception")
    return {"status": "failed", "error": last_line(error), "kind": known}


def _run_solution(channel: Channel, job: dict[str, Any]) -> None:
    alarm = Alarm()
    alarm.set()
    calls: Iterable[Any] = channel.read() if job["batch"] else iter(channel.read, None)
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    function, loaded = _load(alarm, module.__dict__, job)
    alarm.set()
    channel.answer(loaded)
    if function is None:
        return
    try:
        for arguments, keywords, limit in calls:
            call = functools.partial(_apply, function, arguments, keywords)
            result = _call(alarm, limit, call, full=not job["digests"])
            channel.answer(result)
            if "status" in result and job["batch"]:
                return
    except EOFError:
        return


def _load(
    alarm: Alarm, namespace: dict[str, Any], job: dict[str, Any]
) -> tuple[Callable[..., Any] | None, dict[str, Any]]:
    """The solution's function, or None, and line 0 of the answers."""
    try:
        try:
            alarm.start(job["load_limit"])
            try:
                code = compile(job["code"], "<solution>", "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
                return None, {"status": "syntax error", "error": last_line(error)}
            exec(code, namespace)
        finally:
            seconds = alarm.stop()
    except BaseException as error:  # noqa: BLE001 - whatever the solution raises is an answer
        return None, outcome(error)
    if job["entry_point"] not in namespace:
        return None, {"status": "missing function", "error": f"no {job['entry_point']} is defined"}
    return namespace[job["entry_point"]], {"seconds": seconds}


def _call(alarm: Alarm, limit: float, call: Callable[[], Any], *, full: bool) -> dict[str, Any]:
    """One call. Its answer holds `seconds` with `value` or `digest`, or else `status`."""
    try:
        try:
            alarm.start(limit)
            value = call()
        finally:
            seconds = alarm.stop()
        said = None if full else _quickly(value)
        if said is None:
            alarm.start(max(limit, SAY_SECONDS))
            try:
                said = {"value": encode(value)}
            finally:
                alarm.stop()
        said["seconds"] = seconds
        return said
    except BaseException as error:  # noqa: BLE001 - whatever the solution raises is an answer
        return outcome(error)


def _quickly(value: Any) -> dict[str, Any] | None:
    """A small value, or for a large one a digest, which tells as well whether it is the expected one.

    None for a value that may take long: one that is not made of the built-in types alone.
    """
    raw = as_bytes(value)
    if raw is None:
        return None
    if len(raw) <= _LARGE:
        return {"value": encode(value)}
    return {"digest": hashlib.sha256(raw).hexdigest()}


def _apply(function: Callable[..., Any], arguments: Any, keywords: dict[str, Any]) -> Any:
    """Call with fresh values: what an earlier call did to its own changes nothing here."""
    return function(*decode(arguments), **{name: decode(value) for name, value in keywords.items()})
