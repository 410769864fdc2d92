"""Folders that a program makes for itself alone and holds by a lock, so that what a killed one left can be told.

The lock is the operating system's (flock(2)), on the folder itself: it goes with the last process that has inherited
it, however that ended. Where a file system knows no such lock nothing is ever taken for left behind.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 100


def make_held(parent: Path, prefix: str) -> tuple[Path, int]:
    """A fresh folder in `parent` (mode 0700), and the open folder whose closing gives it up. Raises OSError.

    Processes that inherit the open folder hold it too.
    """
    for _ in range(_ATTEMPTS):
        folder = parent / f"{prefix}{secrets.token_hex(8)}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue  # whatever stands there, a link perhaps, is not ours
        held = os.open(folder, _FOLDER)
        # Between its making and its locking another program may have taken it for left behind.
        if _lock(held) is not False and _is_at(held, folder):
            return folder, held
        os.close(held)
    raise FileExistsError(f"{parent} takes no new folder")


def sweep(parent: Path, prefix: str, remove: Callable[[Path], object]) -> None:
    """Remove this user's folders in `parent` that begin with `prefix` and are held by no living process."""
    try:
        names = [entry.name for entry in os.scandir(parent) if entry.name.startswith(prefix)]
    except OSError:
        return
    for name in names:
        try:
            left = os.open(parent / name, _FOLDER)
        except OSError:
            continue
        try:
            if os.fstat(left).st_uid == os.geteuid() and _lock(left) and _is_at(left, parent / name):
                remove(parent / name)
        finally:
            os.close(left)


def _lock(folder: int) -> bool | None:
    """Whether it could be locked; None where this file system has no such locks."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(folder: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(folder), path.lstat())
    except OSError:
        return False
