"""The life of a pool: what it starts ends with it, and what dies on the way is replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from qrtui.errors import JudgeError
from qrtui.judge.pool import JudgePool, _Server, probe_level
from qrtui.judge.verdict import JUDGE_VERSION, Level
from qrtui.tasks.task import Task

RIGHT = "def add(a, b):\n    return a + b\n"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("PATH", str(tmp_path))  # no bubblewrap: its scratch folder would not be on the disk
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "tmp").mkdir()
    if probe_level()[0] is None:
        pytest.skip("no isolation on this machine")
    return tmp_path / "tmp"


def judge_processes() -> list[int]:
    """Processes of this user with this test's own scratch folder or server among their arguments."""
    mine = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.environ["QRTUI_CACHE"].encode() in entry.read_bytes() and entry.parent.name != str(os.getpid()):
                mine.append(int(entry.parent.name))
        except OSError:
            continue
    return mine


def test_close_ends_everything_and_may_be_called_twice(add: Task, own_folders: Path) -> None:
    pool = JudgePool(2)
    assert pool.submit(add, RIGHT).result().plus == "passed"
    assert list(own_folders.iterdir())
    stuck = [pool.submit(add, "while True: pass\n") for _ in range(4)]
    started = time.monotonic()
    pool.close()
    pool.close()
    assert time.monotonic() - started < 3
    assert all(future.done() for future in stuck)
    assert not list(own_folders.iterdir())
    assert not judge_processes()
    with pytest.raises(JudgeError, match="stopped"):
        pool.submit(add, RIGHT).result()


SLOW = f"import time\ntime.sleep(0.6)\n{RIGHT}"


def offspring(parent: int) -> list[int]:
    """The children of a process."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def next_victim(pool: JudgePool, generations: int, killed: set[int]) -> int:
    """The pool's server, its zygote or the child that judges, once there is one that was not killed yet."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        server = pool._workers[0]._server
        family = [server._process.pid] if server else []
        for _ in range(generations):
            family = offspring(family[0]) if family else []
        if family and family[0] not in killed:
            return family[0]
        time.sleep(0.01)
    raise AssertionError("nothing to kill")


@pytest.mark.parametrize(("generations", "kills"), [(0, 2), (1, 2), (2, 1)], ids=["server", "zygote", "child"])
def test_what_is_killed_in_the_midst_of_a_check_is_replaced_and_the_solution_judged_again(
    add: Task, own_folders: Path, generations: int, kills: int
) -> None:
    with JudgePool(1) as pool:
        assert pool.submit(add, RIGHT).result().plus == "passed"
        future = pool.submit(add, SLOW)
        killed: set[int] = set()
        for _ in range(kills):
            victim = next_victim(pool, generations, killed)
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
        verdict = future.result(30)
        assert (verdict.base, verdict.plus, verdict.error) == ("passed", "passed", None)
        assert len(list(own_folders.iterdir())) == 1
    assert not list(own_folders.iterdir())
    assert not judge_processes()


def test_a_server_that_cannot_be_started_again_is_not_the_solutions_fault(
    add: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JudgePool(1) as pool:
        server = pool._workers[0]._server
        assert server is not None
        monkeypatch.setattr("qrtui.judge.pool._START_PAUSE", 0.01)
        monkeypatch.setattr("qrtui.judge.pool.sys.executable", "/bin/false")
        os.kill(server._process.pid, signal.SIGKILL)
        with pytest.raises(JudgeError, match=r"does not start again.*qrtui doctor"):
            pool.submit(add, RIGHT).result(30)


def test_everything_ends_with_the_app(own_folders: Path) -> None:
    program = (
        "from qrtui.judge.pool import JudgePool; JudgePool(1); import sys; print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as app:
        assert app.stdout
        assert app.stdout.readline() == b"up\n"
        assert list(own_folders.iterdir())
        app.kill()
    until = time.monotonic() + 5
    while (judge_processes() or list(own_folders.iterdir())) and time.monotonic() < until:
        time.sleep(0.02)
    assert not judge_processes()
    assert not list(own_folders.iterdir())


def test_truth_is_kept_for_the_user_alone_and_checked_when_read(add: Task, tmp_path: Path) -> None:
    with JudgePool(1) as pool:
        pool.submit(add, RIGHT).result()
    (kept,) = (tmp_path / "cache" / "ground-truth").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    other = {"judge": "an earlier one", "values": [0, 0, 0, 0], "seconds": [0, 0, 0, 0]}
    for unfit in ({"judge": JUDGE_VERSION, "values": [1], "seconds": [0]}, other):
        kept.write_text(json.dumps(unfit))
        with JudgePool(1) as pool:
            assert pool.submit(add, RIGHT).result().plus == "passed"
        assert json.loads(kept.read_text())["values"][:3] == [3, 70, 0]
    # What fits is taken as it is.
    kept.write_text(json.dumps({**other, "judge": JUDGE_VERSION}))
    with JudgePool(1) as pool:
        assert pool.submit(add, RIGHT).result().base == "failed"


def test_without_isolation_only_on_request(monkeypatch: pytest.MonkeyPatch, add: Task) -> None:
    class NoLocks(_Server):
        def __init__(self, level: Level | None, *, probe: bool = False) -> None:
            super().__init__(level or "L1", probe=probe)
            if level is None:
                self.level, self.layers = None, {"landlock": "switched off"}

    monkeypatch.setattr("qrtui.judge.pool._Server", NoLocks)
    with pytest.raises(JudgeError, match=r"landlock: switched off.*--allow-unsafe-judge"):
        JudgePool(1)
    with JudgePool(1, allow_unsafe=True) as pool:
        assert pool.level == "L1"
        assert pool.submit(add, RIGHT).result().plus == "passed"
        daemon = "import os, time\ndef add(a, b):\n    if os.fork() == 0:\n        os.setsid()\n"
        daemon += "        if os.fork() == 0:\n            time.sleep(60)\n        os._exit(0)\n    return 3"
        pool.submit(add, daemon).result()
        assert pool.submit(add, RIGHT).result().level == "L1"
    assert not judge_processes()
