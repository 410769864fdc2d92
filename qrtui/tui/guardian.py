"""A process that waits beside the app, and gives the terminal back where the app could not do it itself.

A crash in native code, or a kill, leaves a terminal on the alternate screen, without a cursor, and writing mouse
reports into the shell. Nothing inside a dead process can mend that, so its parent does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any, Final

_CLEAN: Final = b"clean"
_FORWARDED = (signal.SIGTERM, signal.SIGHUP)
_IGNORED = (signal.SIGINT, signal.SIGQUIT)
# In this order: drawing not held back, alternate screen left, cursor shown, line wrap, mouse, focus, paste and resize
# reports off, kitty's keys off, colours as they were.
_RESTORE = (
    "\x1b[?2026l\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?7h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[m\r"
)

_to_guardian: int | None = None


def ended_under_guard() -> int | None:
    """Fork. Returns None in the child, which becomes the app, and its exit status in the parent when it has ended.

    The exit status of a child that a signal ended is 128 and the signal's number, and a line on stderr says so.
    Call this before any thread is started. Where there is no fork it returns None, and the app is on its own.
    """
    global _to_guardian
    if not hasattr(os, "fork") or not sys.stdin.isatty():
        return None
    saved = _terminal_modes()
    before = {number: signal.getsignal(number) for number in (*_FORWARDED, *_IGNORED)}
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    parent = os.getpid()
    for number in before:
        signal.signal(number, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        os.close(reading)
        _to_guardian = writing
        for number, handler in before.items():
            signal.signal(number, handler)
        _end_with(parent)
        return None
    os.close(writing)
    try:
        return _wait_for(child, reading, saved)
    finally:
        os.close(reading)


def tell_guardian_all_is_well() -> None:
    """The app has given the terminal back itself."""
    global _to_guardian
    if _to_guardian is not None:
        os.write(_to_guardian, _CLEAN)
        os.close(_to_guardian)
        _to_guardian = None


def _wait_for(child: int, reading: int, saved: list[Any] | None) -> int:
    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in _FORWARDED:
        signal.signal(number, forward)
    status = _until_ended(child)
    for number in _FORWARDED:
        signal.signal(number, signal.SIG_IGN)
    os.set_blocking(reading, False)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0 and _said(reading) == _CLEAN:
        return code
    _restore(saved)
    if code < 0:
        from qrtui.paths import log_file

        name = signal.Signals(-code).name
        kept = "What was judged is in the database."
        print(f"qrtui: the app was ended by {name}. {kept} The log is {log_file()}", file=sys.stderr)
    return code if code >= 0 else 128 - code


def _until_ended(child: int) -> int:
    """The child's wait status at its end; while it is suspended, so are we, and the shell sees one job."""
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return status
        os.kill(os.getpid(), signal.SIGSTOP)


def _said(reading: int) -> bytes:
    try:
        return os.read(reading, len(_CLEAN))
    except BlockingIOError:
        return b""


def _terminal_modes() -> list[Any] | None:
    import termios

    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except termios.error:
        return None


def _restore(saved: list[Any] | None) -> None:
    import termios

    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), _RESTORE.encode())
    if saved is not None:
        with contextlib.suppress(termios.error):
            # What the mouse reported meanwhile must not reach the shell as if typed.
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, saved)


def _end_with(parent: int) -> None:
    """Where the guardian itself is killed, the app is asked to end: it could not read keys any more (Linux)."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


_PR_SET_PDEATHSIG = 1
