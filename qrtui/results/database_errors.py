"""What SQLite and the disk say, in words that tell what to do."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from qrtui.errors import StoreError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_ANOTHER = "give another file with --db or QRTUI_DB"


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 where the error is not SQLite's own."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another program holds the database."""
    return primary_code(error) in _BUSY


def store_error(path: Path, error: sqlite3.Error | OSError, participle: str) -> StoreError:
    """The error that a person sees. `participle` is what was to be done: used, read or written."""
    return StoreError(f"the database {path} cannot be {participle}: {reason_of(error)}", _way_out(path, error))


def reason_of(error: sqlite3.Error | OSError) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if is_busy(error):
        return "another program is writing to it"
    if "decode" in str(error):
        return "a text in it is not UTF-8"
    # Of a damaged schema SQLite shows the whole of it.
    return str(error).partition(" - ")[0]


def damaged(path: Path, what: str) -> StoreError:
    """The error for a database that can be read, but holds what nobody wrote there."""
    return StoreError(f"the database {path} is damaged: {what}", _salvage(path))


def _way_out(path: Path, error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return "make room, then run again" if full else _ANOTHER
    code = primary_code(error)
    if code in _DAMAGED or "decode" in str(error):
        return _salvage(path)
    if code in _BUSY:
        return "wait for it, then run again: what was kept is safe"
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return "make room or look after the disk, then run again: what was kept is safe"
    return _ANOTHER


def _salvage(path: Path) -> str:
    return f"qrtui doctor --db {path} --salvage NEW copies what can be read; another --db starts anew"
