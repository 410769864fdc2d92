"""One run, one process: a lease that the operating system gives back, whatever the process died of."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from qrtui.errors import StoreError
from qrtui.results.lease import HeldError
from qrtui.results.light_sqlite import Database
from qrtui.results.schema import migrations
from qrtui.results.store import Store

from .conftest import fill, planned


@contextmanager
def another_process(work: Callable[[], object]):
    """A forked process that does `work` and then waits to be killed; yields its id once it has done it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
            os.write(writing, b"done")
            signal.pause()
        finally:
            os._exit(1)
    os.close(writing)
    try:
        assert os.read(reading, 4) == b"done"
        yield child
    finally:
        os.close(reading)
        kill(child)


def kill(child: int) -> None:
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def test_a_run_is_of_one_process_until_that_dies(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with another_process(lambda: fill(Store(path), upto=2)) as child, Store(path) as store:
        assert [run.status for run in store.runs("running")] == ["running"]
        assert not store.runs("interrupted")
        for change in (lambda: store.begin_run("fixed", {}, planned(), {}), lambda: store.delete_run(1)):
            with pytest.raises(HeldError, match=f"run 1 is under way in process {child} on "):
                change()
        # Another run of the same database is nobody's yet.
        other = store.begin_run("other", {}, planned()[:1], {})
        store.end_run(other, "finished")
        kill(child)
        assert store.run("1").status == "interrupted"
        assert [run.id for run in store.runs("interrupted")] == [run.id for run in store.runs("unfinished")] == [1]
        assert store.begin_run("fixed", {}, planned(), {}) == 1
        assert store.run("1").status == "running"
        store.end_run(1, "stopped")
        assert store.run("1").status == "stopped"
        assert Store(path).begin_run("fixed", {}, planned(), {}) == 1


def test_two_processes_that_begin_the_same_run_at_once_note_it_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    results, gate = os.pipe(), os.pipe()
    children = []
    for _ in range(6):
        if (child := os.fork()) == 0:
            os.close(gate[1])
            os.read(gate[0], 1)  # the end of file lets all go at once
            try:
                said = f"run {Store(path).begin_run('fixed', {}, planned(), {})}"
            except StoreError as error:
                said = type(error).__name__
            os.write(results[1], f"{said};".encode())
            signal.pause()
        children.append(child)
    os.close(gate[1])
    said = b""
    while said.count(b";") < 6:
        said += os.read(results[0], 100)
    for child in children:
        kill(child)
    assert sorted(said.decode().split(";")) == ["", *["HeldError"] * 5, "run 1"]
    with Store(path) as store:
        assert [run.total for run in store.runs()] == [16]
        assert store.row("PRAGMA foreign_key_check") is None


def test_what_the_store_makes_is_for_its_owner_alone(tmp_path: Path) -> None:
    os.umask(umask := os.umask(0))
    os.umask(0)
    try:
        shared = tmp_path / "shared"
        shared.mkdir(mode=0o755)
        with Store(shared / "new" / "er" / "a.db") as store:
            fill(store)
            made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in sorted(tmp_path.rglob("*"))}
    finally:
        os.umask(umask)
    files = {"a.db": 0o600, "a.db-leases": 0o600, "a.db-shm": 0o600, "a.db-wal": 0o600}
    assert made == {"shared": 0o755, "new": 0o700, "er": 0o700, **files}


def test_a_run_stopped_by_its_own_store_can_be_begun_in_another(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as first, Store(tmp_path / "a.db") as second:
        run = first.begin_run("fixed", {}, planned(), {})
        with pytest.raises(HeldError):
            second.begin_run("fixed", {}, planned(), {})
        first.end_run(run, "interrupted")
        assert second.begin_run("fixed", {}, planned(), {}) == run
        assert msgspec.structs.replace(second.run(), status="running") == first.run()


@pytest.mark.parametrize("looks_at", [(Database, "table_names"), (type(migrations), "applied")])
def test_a_database_that_another_process_makes_meanwhile_is_not_taken_for_a_foreign_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks_at: tuple[type, str]
) -> None:
    """It is made just after one has looked at the empty file's tables, or at what is noted in it as applied."""
    path, made = tmp_path / "a.db", []
    real = getattr(*looks_at)

    def meanwhile(*given: object) -> object:
        seen = real(*given)
        if not made:
            made.append(True)
            Store(path).close()
        return seen

    monkeypatch.setattr(*looks_at, meanwhile)
    with Store(path) as store:
        assert store.runs() == []
    assert made
