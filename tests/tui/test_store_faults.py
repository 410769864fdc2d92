"""The app on a database that is damaged, newer, or in another process's hands: a dialog, and the app goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from textual.widgets import Static

from qrtui.plan import make_plan
from qrtui.results.store import Store
from qrtui.run import run as real_run
from qrtui.tui.app import QrtuiApp
from qrtui.tui.screens.dialogs import Message

from ..test_run import experiment  # noqa: F401
from . import filled
from .conftest import until


def said(app) -> str:
    return " ".join(str(part.render()) for part in app.screen.query(Static))


async def test_a_run_that_another_process_executes_is_told_of(experiment, database):  # noqa: F811
    with Store(database) as other:
        run = other.begin_run("tiny", {}, make_plan(experiment, other).conditions, {})
        app = QrtuiApp(database, experiment, True, run_function=real_run)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: f"run {run} is under way in process" in said(app))
            assert isinstance(app.screen, Message)
            assert not app.engine.busy
        assert other.run().status == "running"


@pytest.mark.parametrize("fault", ["garbage", "newer", "truncated"])
async def test_a_database_that_cannot_be_used_is_told_of(opened, database, fault):
    filled.fill(database)
    with closing(sqlite3.connect(database)) as connection:
        if fault == "newer":
            insert = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('qrtui', 'm999', 'x')"
            connection.execute(insert)
            connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if fault != "newer":
        whole = database.read_bytes()
        database.write_bytes(b"no database at all" * 1000 if fault == "garbage" else whole[: len(whole) // 3])
    words = {"garbage": "not a database", "newer": "newer qrtui", "truncated": "malformed"}[fault]
    async with opened() as (app, pilot):
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, Message) and words in said(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Message))
        await pilot.press("1")
        await until(pilot, lambda: app.current_mode == "setup")
