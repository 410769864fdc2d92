"""The database's file: opening it at the present schema, reading rows, writing in one transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from qrtui.errors import StoreError
from qrtui.results.light_sqlite import Database
from qrtui.results.schema import migrations

_BUSY_SECONDS = 30
_OPENING_ATTEMPTS = 6
_CACHE_KIB = 65_536


class DatabaseFile:
    """One SQLite file (WAL) at the present schema, for one thread.

    Raises StoreError for a file that cannot be opened, is no database, or was made by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            existed = path.exists()
            self._db = Database(sqlite3.connect(path, timeout=_BUSY_SECONDS))
            if not existed:
                path.chmod(0o600)
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the database {path} cannot be used: {error}", "give another file with --db or QRTUI_DB"
            ) from None

    def _prepare(self) -> None:
        """Bring the file to the present schema. Two programs may meet at a new file: the later one tries again."""
        for attempt in range(_OPENING_ATTEMPTS):
            try:
                self._db.enable_wal()
                self._refuse_newer()
                if migrations.pending(self._db):
                    migrations.apply(self._db)
                return
            except sqlite3.OperationalError:
                if attempt == _OPENING_ATTEMPTS - 1:
                    raise
                time.sleep(0.1 * (attempt + 1))

    def _refuse_newer(self) -> None:
        known = {migration.name for migration in migrations._migrations}
        newer = [applied.name for applied in migrations.applied(self._db) if applied.name not in known]
        if newer:
            raise StoreError(
                f"the database {self.path} was made by a newer qrtui",
                "update qrtui, or give another file with --db",
            )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all that is written within is committed at its end, or nothing. Raises StoreError."""
        connection = self._db.conn
        try:
            # At once, so that waiting for another writer comes before reading what is to be changed.
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        except sqlite3.Error as error:
            locked = "locked" in str(error)
            way_out = "wait for the other program, then run again" if locked else "make room, then run again"
            raise StoreError(f"the database {self.path} cannot be written: {error}", way_out) from None

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
            yield from self._db.conn.execute(sql, parameters)
        except sqlite3.Error as error:
            raise StoreError(
                f"the database {self.path} cannot be read: {error}", "qrtui doctor checks it; give another with --db"
            ) from None

    def row(self, sql: str, parameters: Any = ()) -> tuple[Any, ...] | None:
        """The first row of a question, or None. Raises StoreError."""
        return next(self.rows(sql, parameters), None)
