"""The scratch folder's place: hostile folders for temporary files, and judges killed with all that could clean up."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qrtui.errors import JudgeError
from qrtui.judge.pool import JudgePool, probe_level
from qrtui.tasks.task import Task

RIGHT = "def add(a, b):\n    return a + b\n"
HOME = """
import os, stat
def add(a, b):
    assert stat.S_IMODE(os.stat(".").st_mode) == 0o700
    open("mine", "w").write("x")
    return a + b
"""
LARGE = HOME.replace('write("x")', 'write("x" * 100_000)')
JUDGE = """
import time
from qrtui.judge.pool import JudgePool
pool = JudgePool(1)
print(pool.level, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))  # no bubblewrap: its scratch folder would not be on the disk
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    if probe_level()[0] is None:
        pytest.skip("no isolation on this machine")
    return tmp_path / "tmp"


def family(process: int) -> Iterator[int]:
    yield process
    for thread in Path(f"/proc/{process}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from family(int(child))


def test_a_judge_killed_as_a_whole_leaves_a_folder_that_the_next_one_removes(tmp: Path) -> None:
    with JudgePool(1), subprocess.Popen([sys.executable, "-c", JUDGE], stdout=subprocess.PIPE, text=True) as other:
        (living,) = tmp.iterdir()
        assert other.stdout
        assert other.stdout.readline().strip() == "L2"
        processes = list(family(other.pid))
        assert len(processes) == 3  # the program, the judge's server and the sandbox
        # Frozen first, so that none sees another die and cleans up.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes:
                os.kill(process, number)
        other.wait()
        (left,) = set(tmp.iterdir()) - {living}
        assert stat.S_IMODE(left.stat().st_mode) == 0o700
        (left / "closed").mkdir(mode=0)
        deadline = time.monotonic() + 10
        while left.exists() and time.monotonic() < deadline:
            # Its processes may take a moment to be gone.
            with JudgePool(1):
                pass
        assert list(tmp.iterdir()) == [living]


def is_taken(add: Task) -> None:
    with JudgePool(1) as pool:
        assert pool.submit(add, HOME).result().base == "passed"


@pytest.mark.parametrize("kind", ["missing", "a file", "a link to nowhere", "closed"])
def test_a_folder_that_cannot_be_used_is_passed_over(
    add: Task, tmp: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp / "named"
    match kind:
        case "a file":
            named.write_text("x")
        case "a link to nowhere":
            named.symlink_to(tmp / "nowhere")
        case "closed":
            named.symlink_to("/proc")  # to root, too
    monkeypatch.setenv("TMPDIR", str(named))
    monkeypatch.setenv("TEMP", str(tmp))
    is_taken(add)
    assert list(tmp.iterdir()) == [named] * (kind != "missing")


@pytest.mark.parametrize("kind", ["a link", "with sticky bit", "long"])
def test_an_odd_folder_is_as_good_as_any(add: Task, tmp: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp / "named"
    match kind:
        case "a link":
            (tmp / "real").mkdir()
            named.symlink_to(tmp / "real")
        case "with sticky bit":
            named.mkdir()
            named.chmod(0o1777)
        case "long":
            named = named.joinpath(*["d" * 250] * 14)
            named.mkdir(parents=True)
            assert len(str(named)) > 3500
    monkeypatch.setenv("TMPDIR", str(named))
    is_taken(add)
    assert list(named.iterdir()) == []


def test_a_folder_in_which_everybody_may_rename_is_refused(tmp: Path) -> None:
    tmp.chmod(0o777)
    with pytest.raises(JudgeError, match="lacks the sticky bit") as told:
        JudgePool(1, allow_unsafe=True)
    assert told.value.problem == f"everybody may rename what lies in {tmp}: it lacks the sticky bit"
    assert told.value.way_out == "set TMPDIR to a folder of your own"
    assert list(tmp.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_no_solution_is_blamed_for_a_full_disk(
    add: Task, tmp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", tmp], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with JudgePool(1) as pool:
            assert pool.submit(add, HOME).result().base == "passed"
            (tmp / "filler").write_bytes(bytes(shutil.disk_usage(tmp).free - 4096))
            assert pool.submit(add, RIGHT).result().base == "passed"
            with pytest.raises(JudgeError, match="temporary files is full; free some space, or set TMPDIR"):
                pool.submit(add, LARGE).result()
            (tmp / "filler").write_bytes(bytes((tmp / "filler").stat().st_size + shutil.disk_usage(tmp).free))
            monkeypatch.setenv("TEMP", str(tmp_path))
            is_taken(add)  # by a judge that is started now: elsewhere
            (tmp / "filler").unlink()
            assert pool.submit(add, LARGE).result().base == "passed"
    finally:
        subprocess.run(["/bin/umount", "-l", tmp], check=True)
