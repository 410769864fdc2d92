"""Keeps everything but the app off the terminal while the app has it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from qrtui.paths import make_private_folder

_LARGEST_LOG = 5_000_000


@contextmanager
def guarded_screen(log: Path) -> Iterator[None]:
    """A context in which file descriptors 1 and 2 lead to `log`.

    Textual draws on `sys.__stdout__` and `sys.__stderr__`, which lead to the terminal meanwhile. Whatever else writes,
    writes to the log: handlers bound to the old streams, C code, child processes. On leaving, everything leads to where
    it led before. Where the log cannot be opened, it is the null device. The log is readable by its owner alone.
    """
    _flush()
    log_fd = _open(log)
    terminals = [os.dup(1), os.dup(2 if os.isatty(2) else 1)]
    before = (os.dup(1), os.dup(2), sys.__stdout__, sys.__stderr__)
    sys.__stdout__, sys.__stderr__ = (_stream(fd) for fd in terminals)  # type: ignore[misc]
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    os.close(log_fd)
    handler = _log_own_messages()
    try:
        yield
    finally:
        logging.getLogger("qrtui").removeHandler(handler)
        _flush()
        _flush_stream(sys.__stdout__)
        _flush_stream(sys.__stderr__)
        for fd in (1, 2):
            os.dup2(before[fd - 1], fd)
            os.close(before[fd - 1])
        sys.__stdout__, sys.__stderr__ = before[2], before[3]  # type: ignore[misc]


def _open(log: Path) -> int:
    try:
        make_private_folder(log.parent)
        too_large = log.exists() and log.stat().st_size > _LARGEST_LOG
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if too_large else 0)
        fd = os.open(log, flags, 0o600)
        os.fchmod(fd, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)
    return fd


def _stream(fd: int) -> TextIO:
    return os.fdopen(fd, "w", encoding="utf-8", errors="replace", buffering=1)


def _log_own_messages() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("qrtui")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return handler


def _flush() -> None:
    _flush_stream(sys.stdout)
    _flush_stream(sys.stderr)


def _flush_stream(stream: TextIO | None) -> None:
    if stream is not None and not stream.closed:
        stream.flush()
