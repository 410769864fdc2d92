"""What may happen to a database's file: old, newer, another's, read-only, locked, damaged."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
from sqlite_utils import Database

from qrtui.cli import cli
from qrtui.errors import QrtuiError, StoreError
from qrtui.judge.verdict import JUDGE_VERSION
from qrtui.results.integrity import damage
from qrtui.results.records import digest
from qrtui.results.salvage import salvage
from qrtui.results.schema import migrations
from qrtui.results.store import Store

from ..tui import filled
from .conftest import determinants, fill, planned

VERSIONS = [migration.name for migration in migrations._migrations]
READING = [
    ["runs"],
    ["report", "1"],
    ["report", "2", "--format", "json"],
    ["report", "1", "--layout", "table1"],
    ["compare", "1", "Demo/3"],
    ["chart", "rrs", "1"],
    ["export", "1", "FOLDER"],
    ["plan", "demo"],
]


def qrtui(database: Path, *arguments: str, folder: Path) -> str | None:
    """Run a command on the database: its error, or None. Any other exception passes."""
    if "FOLDER" in arguments:
        shutil.rmtree(folder, ignore_errors=True)
    words = [str(folder) if word == "FOLDER" else word for word in arguments]
    try:
        cli.main([*words, "--db", str(database)], standalone_mode=False)
    except QrtuiError as error:
        return str(error)
    except click.UsageError as error:
        return error.format_message()
    return None


@pytest.fixture(scope="module")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file without a log beside it: a finished run and one of another name that was not."""
    path = tmp_path_factory.mktemp("filled") / "a.db"
    filled.fill(path)
    filled.fill(path, judged=50, status=None)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for beside in path.parent.glob("a.db-*"):
        beside.unlink()
    return path


# Older and newer ones


def make_old(path: Path, version: str) -> None:
    """A database as the program that knew no more than `version` left it, with a run of two tasks."""
    old = Database(sqlite3.connect(path))
    later = VERSIONS[VERSIONS.index(version) + 1 :]
    migrations.apply(old, stop_before=later[:1])
    key = determinants("fp32", "clean", "Demo/0")
    table = msgspec.to_builtins(key)
    prompt = table.pop("prompt")
    rows = {
        "prompts": {"hash": digest(prompt), "text": prompt},
        "completions": {
            "key": key.key(),
            "determinants": json.dumps(table, sort_keys=True),
            "prompt": digest(prompt),
            "text": "t",
            "solution": "s",
            "solution_hash": digest("s"),
            "finish": "stop",
            "tokens": 5,
            "seconds": 0.5,
            "memory": 99,
            "weights_perturbed": 0.25,
            "created": "2026-01-01",
        },
        "runs": {
            "id": 7,
            "name": "old",
            "experiment": "{}",
            "fingerprint": "f",
            "status": "running",
            "started": "2026-01-01",
            "environment": "{}",
        },
        "conditions": {
            "id": 3,
            "run": 7,
            "position": 0,
            "model": "m",
            "precision": "fp32",
            "is_baseline": 1,
            "dataset": "demo",
            "perturbation": "gaussian 0.1 after",
        },
    }
    if "total" in old["runs"].columns_dict:
        # The program itself counts a run's results when it plans it.
        rows["runs"]["total"] = 2
    for name, row in rows.items():
        old[name].insert(row)
    for task, completion in enumerate((key.key(), "not yet made")):
        result = (3, task, f"Demo/{task}", 0, "h", digest(prompt), completion)
        old.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?)", result)
    for judge in ("0", JUDGE_VERSION):
        verdict = (digest("s"), "h", judge, "passed", None, None, None, None, None, "L2", 0.1, "then")
        old.execute(f"INSERT INTO verdicts VALUES ({', '.join('?' * 12)})", verdict)
    old.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_earlier_schema_is_brought_up_to_date_and_copied_first(tmp_path: Path, version: str) -> None:
    path = tmp_path / "old.db"
    make_old(path, version)
    for _ in range(2):
        with Store(path) as store:
            run = store.run()
            assert (run.id, run.total, run.judged, run.status, run.tags) == (7, 2, 1, "interrupted", ())
            assert [outcome.base for outcome in store.outcomes(7)] == ["passed", None]
            assert [(c.memory, c.weights_perturbed) for c in store.conditions(7)] == [(99, 0.25)]
            assert store.cases(7, "Demo/0")[0].solution == "s"
            assert store.seconds_per_completion("r1", "fp32", "cpu") == 0.5
            assert damage(store._db.conn) == []
            store.tag_run(7, [])
    copies = sorted(tmp_path.glob("old.db.before-*"))
    if version == VERSIONS[-1]:
        assert not copies
        return
    (copy,) = copies
    missing = VERSIONS[VERSIONS.index(version) + 1].partition("_")[0]
    assert copy.name.startswith(f"old.db.before-{missing}.20")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(copy)) as before:
        applied = before.execute("SELECT name FROM _sqlite_migrations ORDER BY id").fetchall()
        assert [name for (name,) in applied] == VERSIONS[: VERSIONS.index(version) + 1]
        assert before.execute("SELECT count(*) FROM completions").fetchone() == (1,)
        assert before.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_programs_that_meet_at_an_old_database_change_it_once(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    make_old(path, VERSIONS[0])
    seen: list[str] = []
    threads = [threading.Thread(target=lambda: seen.append(_status(path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["interrupted"] * 4
    assert len(list(tmp_path.glob("old.db.before-*"))) == 1


def _status(path: Path) -> str:
    with Store(path) as store:
        return store.run().status


def test_a_newer_database_and_another_programs_are_refused_and_left_alone(tmp_path: Path) -> None:
    newer, others = tmp_path / "newer.db", tmp_path / "others.db"
    with Store(newer) as store:
        fill(store)
    with contextlib.closing(sqlite3.connect(newer)) as connection:
        insert = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('qrtui', 'm999', 'later')"
        connection.execute(insert)
        connection.commit()
        connection.execute("PRAGMA journal_mode = DELETE")
    with contextlib.closing(sqlite3.connect(others)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    for path, words in ((newer, "newer qrtui; update qrtui"), (others, "another program's")):
        before = path.read_bytes()
        for command in READING:
            assert words in (qrtui(path, *command, folder=tmp_path / "out") or "")
        assert path.read_bytes() == before


# Mounted file systems


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A small file system of its own in main memory; skips where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


@pytest.mark.parametrize("log", ["no log", "log", "log without index"])
def test_what_cannot_be_written_can_be_read(tmp_path: Path, filled_file: Path, log: str) -> None:
    with mounted(tmp_path / "disk", "8m") as disk:
        path = disk / "a.db"
        if log == "no log":
            shutil.copy(filled_file, path)
        else:
            # As a killed program leaves it: the last rows in the log alone.
            made = tmp_path / "made.db"
            filled.fill(made)
            with Store(made) as store:
                store.tag_run(1, ["last"])
                for beside in tmp_path.glob("made.db*"):
                    shutil.copy(beside, disk / beside.name.replace("made", "a"))
            if log == "log without index":
                (disk / "a.db-shm").unlink()
        remount(disk, "ro")
        answers = {tuple(command): qrtui(path, *command, folder=tmp_path / "out") for command in READING}
        if log == "log without index":
            assert all("copy both files to a folder of yours" in (said or "") for said in answers.values())
            return
        second = {"no log": None, "log": "there is no run '2'"}[log]
        for command, said in answers.items():
            assert said is None if second is None or "2" not in command else second in (said or "")
        assert (tmp_path / "out").is_dir()
        with Store(path) as store:
            assert store.run("1").tags == (("last",) if log == "log" else ())
            for change in (lambda: store.tag_run(1, ["no"]), lambda: store.begin_run("x", {}, planned(), {})):
                with pytest.raises(StoreError, match=r"cannot be written: .*readonly.*--db"):
                    change()
        with pytest.raises(StoreError, match=r"cannot be used: Read-only file system.*--db"):
            Store(disk / "new" / "b.db")


def test_an_old_database_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "8m") as disk:
        make_old(disk / "old.db", VERSIONS[0])
        remount(disk, "ro")
        with pytest.raises(StoreError, match=r"older qrtui and cannot be written here; copy it"):
            Store(disk / "old.db")


def test_a_copy_that_has_no_room_changes_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "640k") as disk:
        path = disk / "old.db"
        make_old(path, VERSIONS[0])
        (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 80_000))
        with pytest.raises(StoreError, match=r"a copy of the database.*full; make room there"):
            Store(path)
        assert {file.name for file in disk.iterdir() if "before" in file.name} == set()
        (disk / "ballast").unlink()
        with Store(path) as store:
            assert store.run().id == 7


# Damage


def test_a_damaged_file_is_told_of_in_a_line_by_every_command(tmp_path: Path, filled_file: Path, capsys) -> None:
    whole = filled_file.read_bytes()
    told = 0
    for seed in range(16):
        damaged = _damaged(whole, random.Random(seed), kind=seed % 4)
        path = tmp_path / f"{seed}.db"
        path.write_bytes(damaged)
        # The others read the same, and take longer over it.
        for command in (["runs"], ["compare", "1", "Demo/3"], ["export", "1", "FOLDER"], READING[seed % len(READING)]):
            said = qrtui(path, *command, folder=tmp_path / "out")
            assert said is None or "--db" in said or "qrtui runs" in said, said
            told += said is not None
    assert told > 16
    # What is ignored while a generator is collected would be printed to the person.
    assert "Exception ignored" not in capsys.readouterr().err


def _damaged(whole: bytes, rng: random.Random, kind: int) -> bytes:
    damaged = bytearray(whole)
    page = rng.randrange(len(whole) // 4096) * 4096
    if kind == 0:
        for _ in range(10):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del damaged[rng.randrange(1, len(damaged)) :]
    else:
        damaged[page : page + 4096] = rng.randbytes(4096) if kind == 2 else bytes(4096)
    return bytes(damaged)


def test_doctor_finds_what_sqlite_does_not(tmp_path: Path, filled_file: Path) -> None:
    from qrtui.doctor import _database

    path = tmp_path / "a.db"
    assert _database(shutil.copy(filled_file, path)).found.endswith("MB, whole")
    path.write_bytes(filled_file.read_bytes().replace(b"count the vowels in", b"count the vOwels in"))
    check = _database(path)
    assert not check.ok
    assert "prompts changed since they were kept" in check.found
    assert "--salvage" in check.way_out


def test_what_can_be_read_is_saved_and_nothing_else(tmp_path: Path, filled_file: Path) -> None:
    whole = filled_file.read_bytes()
    with contextlib.closing(sqlite3.connect(filled_file)) as connection:
        count = dict(connection.execute("SELECT key, solution FROM completions"))
        (page,) = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = 'completions' AND pagetype = 'leaf' LIMIT 1 OFFSET 3"
        ).fetchone()
    damaged = tmp_path / "damaged.db"
    for number, content in enumerate(
        (whole[: (page - 1) * 4096] + bytes(4096) + whole[page * 4096 :], whole[: len(whole) * 3 // 4])
    ):
        damaged.write_bytes(content)
        target = tmp_path / f"{number}.db"
        saved = salvage(damaged, target)
        assert damaged.read_bytes() == content
        assert saved.runs == 2
        assert len(count) // 3 < saved.completions < len(count)
        with Store(target) as store:
            assert damage(store._db.conn) == []
            kept = dict(store.rows("SELECT key, solution FROM completions"))
            assert kept.items() <= count.items()
            outcomes = store.outcomes(1)
            assert store.run("1").judged == sum(one.base is not None for one in outcomes) > 0
    with pytest.raises(StoreError, match="there already"):
        salvage(damaged, target)
