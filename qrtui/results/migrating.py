"""Bringing an older database to the present schema, with a copy of the old one beside it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qrtui.errors import StoreError
from qrtui.results.database_errors import reason_of
from qrtui.results.lease import Leases
from qrtui.results.light_sqlite import Database
from qrtui.results.schema import migrations


def bring_up_to_date(db: Database, path: Path, leases: Leases, waiting: Callable[[Callable[[], Any]], Any]) -> None:
    """Apply what migrations are missing, one process at a time; `waiting` does what another program may hold up.

    A database that holds anything is copied first. Raises StoreError for a newer one and for another program's,
    sqlite3.Error and OSError.
    """
    waiting(lambda: _refuse_foreign(db, path))
    waiting(db.enable_wal)
    if not migrations.pending(db):
        return
    with leases.alone_with_tables():
        # Another process may have done it while this one waited.
        if missing := migrations.pending(db):
            if migrations.applied(db):
                back_up(db.conn, _free_name(path, missing[0].name))
            waiting(lambda: migrations.apply(db))


def refuse_other_schema(db: Database, path: Path) -> None:
    """Raise StoreError unless the database, which cannot be written, is at the present schema."""
    _refuse_foreign(db, path)
    if migrations.pending(db):
        raise StoreError(
            f"the database {path} is from an older qrtui and cannot be written here",
            "copy it to a folder of yours and name the copy with --db",
        )


def back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Copy a database as it is at this moment to a file that is there whole or not at all, for its owner alone.

    Raises StoreError.
    """
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            copy = sqlite3.connect(unfinished)
            try:
                connection.backup(copy)
            finally:
                copy.close()
            unfinished.rename(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{target}, a copy of the database before it is brought up to date, cannot be written: {reason_of(error)}",
            "make room there, then run again: the database is as it was",
        ) from None


def _free_name(path: Path, migration: str) -> Path:
    """`results.db.before-m003.2026-11-25`, with a number behind it where that is taken."""
    stem = f"{path.name}.before-{migration.partition('_')[0]}.{datetime.now(UTC):%Y-%m-%d}"
    names = (path.with_name(stem if not number else f"{stem}.{number + 1}") for number in range(1000))
    return next(name for name in names if not name.exists())


def _refuse_foreign(db: Database, path: Path) -> None:
    known = {migration.name for migration in migrations._migrations}
    # Before what is noted as applied: another process may be making tables, each together with its note.
    has_tables = any(name != migrations.migrations_table for name in db.table_names())
    applied = [migration.name for migration in migrations.applied(db)]
    if any(name not in known for name in applied):
        raise StoreError(f"the database {path} was made by a newer qrtui", "update qrtui, or give another with --db")
    if not applied and has_tables:
        raise StoreError(f"the database {path} is another program's", "give another file with --db or QRTUI_DB")
