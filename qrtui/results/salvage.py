"""Copies what can be read of a damaged database into a new one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from qrtui.errors import StoreError
from qrtui.judge.verdict import Status
from qrtui.results.planned import COUNT_JUDGED, keep_outcomes
from qrtui.results.records import Determinants
from qrtui.results.store import Store

_HEADER, _LARGEST_PAGE, _LARGEST = 100, 65_536, 1 << 38
_TABLES = ("prompts", "doses", "completions", "verdicts", "translations", "runs", "conditions", "results", "tags")
"""In this order each finds what it refers to, and no verdict is counted before its run is complete."""
_WITHOUT_ROWID = {
    "prompts": "hash",
    "doses": "hash",
    "translations": "engine, source",
    "results": "condition, position, sample",
    "tags": "run, tag",
}

Row = dict[str, Any]


class Salvaged(msgspec.Struct, frozen=True):
    """How many runs, completions and verdicts the new database has."""

    runs: int
    completions: int
    verdicts: int


def salvage(damaged: Path, target: Path) -> Salvaged:
    """Copy every row that can be read, and whose hashes say that it is as it was kept, to a new database at `target`.

    What is lost of a run's completions is made again when the run is resumed. Raises StoreError where `target` is there
    already, or nothing at all can be read.
    """
    if not damaged.exists():
        raise StoreError(f"there is no database at {damaged}", "name the damaged one with --db")
    if target.exists():
        raise StoreError(f"{target} is there already", "give a file that is not there yet")
    try:
        with (
            tempfile.TemporaryDirectory(dir=target.absolute().parent) as folder,
            contextlib.closing(_opened(damaged, Path(folder))) as source,
            Store(target) as store,
        ):
            for table in _TABLES:
                _copy(source, store, table)
            return _counted(store)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}", "give a place with room") from None


def _opened(damaged: Path, folder: Path) -> sqlite3.Connection:
    """A copy of the database in `folder`, opened as far as that goes: the file itself stays as it is."""
    copy = folder / "copy.db"
    for end in ("", "-wal"):
        if (original := Path(f"{damaged}{end}")).exists():
            shutil.copyfile(original, f"{copy}{end}")
    _fill_up(copy)
    try:
        source = sqlite3.connect(copy)
        # A damaged description of one table or trigger shall not hide the others.
        source.execute("PRAGMA writable_schema = ON")
        # Of a text that is damaged the hash tells, where there is one.
        source.text_factory = lambda text: text.decode(errors="replace")
        found = source.execute("SELECT count(*) FROM sqlite_master WHERE name = 'completions'").fetchone()
    except sqlite3.Error as error:
        problem = f"nothing of {damaged} can be read: {error}"
    else:
        if found != (0,):
            return source
        problem = f"{damaged} is no database of qrtui's"
    raise StoreError(problem, "a copy from before an update may lie beside it (.before-); else start anew with --db")


def _fill_up(copy: Path) -> None:
    """Make a file that was cut off as long as it says it is: SQLite then reads the pages that are there."""
    with copy.open("r+b") as file:
        header = file.read(_HEADER)
        if len(header) == _HEADER:
            size, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
            file.truncate(max(copy.stat().st_size, min(pages * (size if size > 1 else _LARGEST_PAGE), _LARGEST)))


def _copy(source: sqlite3.Connection, store: Store, table: str) -> None:
    columns = [row[1] for row in store.rows(f"PRAGMA table_info({table})")]
    with store.writing() as db:
        for row in _readable(source, table):
            if not _is_as_kept(store, table, row):
                continue
            known = [column for column in columns if column in row]
            marks = ", ".join("?" * len(known))
            try:
                db.execute(
                    f"INSERT OR IGNORE INTO {table} ({', '.join(known)}) VALUES ({marks})",
                    [row[column] for column in known],
                )
            except sqlite3.IntegrityError:
                # It refers to a row that is lost, or a value is of another kind than it was.
                continue


def _readable(source: sqlite3.Connection, table: str) -> Iterator[Row]:
    """The rows of a table, from the first on as far as they can be read, then from the last back as far."""
    key = _WITHOUT_ROWID.get(table, "rowid")
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{column} {direction}" for column in key.split(", "))
        try:
            cursor = source.execute(f"SELECT * FROM {table} ORDER BY {order}")
            names = [column[0] for column in cursor.description]
            for values in cursor:
                yield dict(zip(names, values, strict=True))
            return
        except sqlite3.Error:
            # The pages behind this one are lost from this side.
            continue


def _is_as_kept(store: Store, table: str, row: Row) -> bool:
    try:
        if table in ("prompts", "doses"):
            return bool(row["hash"] == _sha256(row["text" if table == "prompts" else "dose"]))
        if table == "completions":
            prompt = store.row("SELECT text FROM prompts WHERE hash = ?", [row["prompt"]])
            determinants = msgspec.convert(
                {**json.loads(row["determinants"]), "prompt": prompt and prompt[0]}, Determinants
            )
            return bool(determinants.key() == row["key"] and _sha256(row["solution"]) == row["solution_hash"])
        if table == "verdicts":
            return row["base"] in get_args(Status) and row["plus"] in (None, *get_args(Status))
        if table == "runs":
            json.loads(row["experiment"]), json.loads(row["environment"])
    except (ValueError, TypeError, AttributeError, msgspec.MsgspecError):
        return False
    return True


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _counted(store: Store) -> Salvaged:
    with store.writing() as db:
        db.execute("DELETE FROM judged")
        db.execute(
            "UPDATE runs SET total = (SELECT count(*) FROM conditions c JOIN results r ON r.condition = c.id"
            " WHERE c.run = runs.id)"
        )
        for (run,) in list(store.rows("SELECT id FROM runs")):
            db.execute(COUNT_JUDGED, [run])
            keep_outcomes(db, run)
    counts = (store.row(f"SELECT count(*) FROM {table}") or (0,) for table in ("runs", "completions", "verdicts"))
    return Salvaged(*(count for (count,) in counts))
