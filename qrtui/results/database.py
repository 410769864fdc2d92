"""The database's file: opened at the present schema, read row by row, written in transactions."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from qrtui.errors import QrtuiError, StoreError
from qrtui.paths import make_private_folder
from qrtui.results.database_errors import damaged, is_busy, store_error
from qrtui.results.integrity import damage
from qrtui.results.lease import Leases
from qrtui.results.light_sqlite import Database
from qrtui.results.migrating import bring_up_to_date, refuse_other_schema

_Result = TypeVar("_Result")

_BUSY_SECONDS = 1.0
_PATIENCE_SECONDS = 30.0
_CACHE_KIB = 65_536


class DatabaseFile:
    """One SQLite file (WAL) at the present schema, for one thread.

    One that cannot be written is opened for reading. Raises StoreError for a file that cannot be opened, is no
    database, is damaged, or was made by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.leases = Leases(path)
        self.patience: Callable[[float], bool] = lambda waited: waited < _PATIENCE_SECONDS
        """Whether to go on waiting for another program that writes, after so many seconds of it."""
        try:
            self._db = Database(self._connect())
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._db.conn.create_function("is_held", 1, lambda run: self.leases.holder(run) is not None)
            if self.is_read_only:
                refuse_other_schema(self._db, path)
            else:
                bring_up_to_date(self._db, path, self.leases, self._waiting)
        except (sqlite3.Error, OSError) as error:
            raise store_error(path, error, "used") from None

    def _connect(self) -> sqlite3.Connection:
        self.is_read_only = self.path.exists() and not (
            os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        )
        if self.is_read_only:
            return connect_for_reading(self.path)
        if not self.path.exists():
            make_private_folder(self.path.parent)
            # Before SQLite does: what it makes itself, others may read for a moment.
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        return sqlite3.connect(self.path, timeout=_BUSY_SECONDS)

    def close(self) -> None:
        """Close the file, and hold no run any more."""
        self._db.close()
        self.leases.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if isinstance(error, Exception) and not isinstance(error, QrtuiError):
                self.refuse_damaged(error)
        finally:
            self.close()

    def refuse_damaged(self, error: Exception) -> None:
        """Raise StoreError if the file is damaged: it is then the reason for an `error` that nobody foresaw."""
        try:
            findings = damage(self._db.conn)
        except sqlite3.Error:
            return
        if findings:
            raise damaged(self.path, findings[0]) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all that is written within is committed at its end, or nothing. Raises StoreError."""
        connection = self._db.conn
        try:
            # At once, so that waiting for another writer comes before reading what is to be changed.
            self._waiting(lambda: connection.execute("BEGIN IMMEDIATE"))
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
        except sqlite3.Error as error:
            raise store_error(self.path, error, "written") from None

    def _waiting(self, act: Callable[[], _Result]) -> _Result:
        """Do what another program that writes may hold up, as long as `patience` lasts."""
        began = time.monotonic()
        while True:
            try:
                return act()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or not self.patience(time.monotonic() - began):
                    raise

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """What is read within is of one moment, whatever others write meanwhile."""
        self._db.conn.execute("BEGIN")
        try:
            yield
        finally:
            self._db.conn.rollback()

    def rows(self, sql: str, parameters: Any = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a question, read as they are asked for. Raises StoreError."""
        try:
            # Not `yield from`: a generator that nobody reads to its end would close the cursor, after the file.
            for row in self._waiting(lambda: self._db.conn.execute(sql, parameters)):  # noqa: UP028
                yield row
        except sqlite3.Error as error:
            raise store_error(self.path, error, "read") from None

    def row(self, sql: str, parameters: Any = ()) -> tuple[Any, ...] | None:
        """The first row of a question, or None. Raises StoreError."""
        return next(self.rows(sql, parameters), None)


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, also where nothing can be written. Raises sqlite3.Error and StoreError."""
    uri = path.resolve().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        connection.close()
        wal = Path(f"{path}-wal")
        if wal.exists() and wal.stat().st_size:
            raise StoreError(
                f"the database {path} cannot be read where it is: its last results are in {wal.name}",
                "copy both files to a folder of yours and name the copy with --db",
            ) from None
        # Nobody writes there, or there would be a log of it.
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True)
    return connection
