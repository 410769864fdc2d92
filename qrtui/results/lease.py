"""Which process executes a run: a lock of the operating system, which a dead process gives back by being dead.

Beside the database lies a file with `-leases` after its name, and in it a slot for each run's number. Whoever executes
the run holds a lock on the slot (an open file description's, fcntl(2)) and writes there who it is. To look takes no
lock, and no clock is asked. The file may be deleted whenever nothing runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from qrtui.errors import StoreError

_SLOT = 128
_LOCK = struct.Struct("hhqqi4x")
_TABLES = 0
"""The slot of no run: held by whoever changes the tables."""


class HeldError(StoreError):
    """A run that another process executes."""

    title = "The run is under way elsewhere"


class Leases:
    """The runs that this object's owner executes, and a view of those that others do. For one thread."""

    def __init__(self, database: Path) -> None:
        self._path = Path(f"{database.resolve()}-leases")
        self._fd: int | None = None
        self._held: set[int] = set()

    def take(self, run: int) -> None:
        """Hold a run until `give_back`, `close` or the process's end. Raises HeldError, or OSError for the file."""
        if run in self._held:
            return
        if not self._lock(fcntl.F_WRLCK, run):
            raise HeldError(
                f"run {run} is under way in {self.holder(run) or 'another process'}",
                "wait for it or stop it there; what it leaves undone can then be taken up here",
            )
        self._held.add(run)
        who = f"process {os.getpid()} on {socket.gethostname()}"
        os.pwrite(self._open(), who.encode()[: _SLOT - 1].ljust(_SLOT - 1) + b"\n", run * _SLOT)

    def give_back(self, run: int) -> None:
        """Hold a run no more."""
        if run in self._held:
            self._held.remove(run)
            self._lock(fcntl.F_UNLCK, run)

    def holds(self, run: int) -> bool:
        """Whether the owner of this object executes a run."""
        return run in self._held

    def holder(self, run: int) -> str | None:
        """Who executes a run: a process on this machine, this one among them; None where nobody does."""
        fd = self._fd
        try:
            if fd is None:
                fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            # Where there is no such file, or it is not ours, nobody whom we could meet executes anything.
            return None
        try:
            if run not in self._held and not self._is_locked(fd, run):
                return None
            words = os.pread(fd, _SLOT, run * _SLOT).decode(errors="replace").strip(" \n\0")
            return words if words.isprintable() and words else "another process"
        finally:
            if fd != self._fd:
                os.close(fd)

    @contextlib.contextmanager
    def alone_with_tables(self) -> Iterator[None]:
        """Wait until no other process changes the tables, and keep others waiting. Raises OSError."""
        fcntl.fcntl(self._open(), fcntl.F_OFD_SETLKW, _range(fcntl.F_WRLCK, _TABLES))
        try:
            yield
        finally:
            self._lock(fcntl.F_UNLCK, _TABLES)

    def close(self) -> None:
        """Give everything back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._held.clear()

    def _open(self) -> int:
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._fd

    def _lock(self, kind: int, run: int) -> bool:
        try:
            fcntl.fcntl(self._open(), fcntl.F_OFD_SETLK, _range(kind, run))
        except (BlockingIOError, PermissionError):
            return False
        return True

    @staticmethod
    def _is_locked(fd: int, run: int) -> bool:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _range(fcntl.F_WRLCK, run))
        kind: int = _LOCK.unpack(answer)[0]
        return kind != fcntl.F_UNLCK


def _range(kind: int, run: int) -> bytes:
    return _LOCK.pack(kind, os.SEEK_SET, run * _SLOT, 1, 0)
