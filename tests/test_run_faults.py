"""A run whose disk is full or whose database another program holds: told in a line, nothing lost, taken up again."""

# `experiment` is a fixture of another module.
# ruff: noqa: F401, F811
from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qrtui.events import Generated, Notice
from qrtui.results.store import Store

from .results.test_faults import mounted
from .test_run import Watcher, execute, experiment, verdicts
from .test_run import run as run_it


class Meddler(Watcher):
    """Does something once the so-manieth completion was told."""

    def __init__(self, after, act):
        super().__init__()
        self._after, self._act = after, act

    def __call__(self, event):
        super().__call__(event)
        if isinstance(event, Generated) and event.done == self._after:
            self._act()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The verdicts by experiment, computed once."""
    known = {}

    def of(experiment):
        if experiment not in known:
            path = tmp_path_factory.mktemp("undisturbed") / "a.db"
            execute(experiment, path)
            known[experiment] = verdicts(path)
        return known[experiment]

    return of


def test_a_full_disk_costs_no_result(experiment, tmp_path, undisturbed):
    expected = undisturbed(experiment)
    with mounted(tmp_path / "disk", "2m") as disk:
        ballast = disk / "ballast"

        def fill_the_disk() -> None:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))

        watcher = Meddler(5, fill_the_disk)
        ended = run_it(experiment, disk / "a.db", watcher, watcher.control)
        assert ended.status == "failed"
        assert "cannot be written: database or disk is full; make room" in ended.reason
        made = watcher.of(Generated)
        with Store(disk / "a.db") as store:
            assert store.known(event.key for event in made) == {event.key for event in made}
            assert store.run().status == "interrupted", "not even how it ended could be noted"
        ballast.unlink()
        again, watched = execute(experiment, disk / "a.db")
        assert (again.status, again.run) == ("finished", ended.run)
        assert len(made) + len(watched.of(Generated)) == 24
        assert verdicts(disk / "a.db") == expected


@contextmanager
def held(database: Path, seconds: float) -> Iterator[threading.Timer]:
    """Another program in the middle of a long write."""
    connection = sqlite3.connect(database, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, connection.rollback)
    timer.start()
    yield timer
    timer.join()
    connection.close()


def test_a_held_database_is_waited_for_and_what_was_made_meanwhile_is_kept(
    experiment,
    tmp_path,
    undisturbed,
    monkeypatch,
):
    monkeypatch.setattr("qrtui.results.database._BUSY_SECONDS", 0.1)
    database = tmp_path / "a.db"
    holders = []

    def hold() -> None:
        holder = held(database, 1.0)
        holder.__enter__()
        holders.append(holder)

    watcher = Meddler(5, hold)
    ended = run_it(experiment, database, watcher, watcher.control)
    assert ended.status == "finished"
    assert len(watcher.of(Generated)) == 24
    assert ["waiting for it" in notice.text for notice in watcher.of(Notice)] == [True]
    assert verdicts(database) == undisturbed(experiment)
    for holder in holders:
        holder.__exit__(None, None, None)


def test_patience_ends_in_a_line_and_a_stop_does_not_wait_for_it(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr("qrtui.results.database._BUSY_SECONDS", 0.05)
    monkeypatch.setattr("qrtui.run._PATIENCE_WHEN_STOPPING", 0.1)
    database = tmp_path / "a.db"
    connection = None

    def hold() -> None:
        nonlocal connection
        connection = sqlite3.connect(database)
        connection.execute("BEGIN IMMEDIATE")
        watcher.control.stop()

    watcher = Meddler(5, hold)
    began = time.monotonic()
    ended = run_it(experiment, database, watcher, watcher.control)
    assert time.monotonic() - began < 60
    assert ended.status in ("failed", "stopped")
    assert ended.status == "stopped" or "another program is writing to it; wait for it" in ended.reason
    connection.close()
    again, watched = execute(experiment, database)
    assert (again.status, again.run) == ("finished", 1)
    assert len(watcher.of(Generated)) + len(watched.of(Generated)) == 24
