"""The scratch folder: counted and emptied, whatever a solution left in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qrtui.judge.pool import JudgePool
from qrtui.judge.scratch import empty, holds_more, remove
from qrtui.tasks.task import Task

RIGHT = "    return a + b\n"
MEBIBYTE = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "scratch"
    made.mkdir()
    yield made
    remove(str(made))
    assert not made.exists()


def nest(folder: Path, depth: int, name: str) -> int:
    """An open folder `depth` levels beneath."""
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    return fd


def write(fd: int, size: int) -> None:
    with os.fdopen(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as stream:
        stream.write(bytes(size))
    os.close(fd)


def test_closed_and_deep_folders_are_emptied(folder: Path) -> None:
    os.close(nest(folder, 3000, "d"))
    for mode in (0o000, 0o300, 0o500):
        (folder / f"closed{mode}" / "inner").mkdir(parents=True)
        (folder / f"closed{mode}" / "inner" / "file").write_text("x")
        (folder / f"closed{mode}" / "inner").chmod(mode)
        (folder / f"closed{mode}").chmod(mode)
    (folder / "outside").symlink_to(folder.parent)
    (folder.parent / "kept").write_text("x")
    (folder / os.fsdecode(b"\xff\n")).mkdir()
    assert empty(str(folder))
    assert list(folder.iterdir()) == []
    assert (folder.parent / "kept").exists()


def test_bytes_beyond_the_longest_path_are_counted(folder: Path) -> None:
    write(nest(folder, 20, "d" * 250), MEBIBYTE)
    assert not holds_more(folder, 2 * MEBIBYTE)
    assert holds_more(folder, MEBIBYTE)


def test_empty_folders_and_too_deep_ones_count(folder: Path) -> None:
    for number in range(64):
        (folder / str(number)).mkdir()
    assert holds_more(folder, 63 * 4096)
    assert not holds_more(folder, MEBIBYTE)
    os.close(nest(folder, 101, "d"))
    assert holds_more(folder, MEBIBYTE)


@pytest.mark.parametrize(
    "mess",
    [
        "for n in range(3000): os.mkdir('d'); os.chdir('d')",
        "os.mkdir('h'); open('h/file', 'w').write('x'); os.mkdir('k', 0o300); os.umask(0); os.mkdir('z', 0)",
        "[(os.mkdir('d' * 250), os.chdir('d' * 250)) for n in range(20)]; open('file', 'w').write('x')",
    ],
)
def test_the_next_solution_finds_nothing(pool: JudgePool, add: Task, mess: str) -> None:
    program = f"import os\nhome = os.getcwd()\ndef add(a, b):\n    if a == 1:\n        {mess}\n{RIGHT}"
    assert pool.submit(add, program).result().base in ("passed", "output too large")
    server = pool._workers[0]._server
    after = f"import os\nassert os.listdir('.') == []\ndef add(a, b):\n{RIGHT}"
    assert pool.submit(add, after).result().base == "passed"
    assert pool._workers[0]._server is server
