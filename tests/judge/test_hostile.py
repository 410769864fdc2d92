"""Programs that mean harm, or mean to cheat. Each must leave the world as it was and get what it deserves."""

from __future__ import annotations

import os
import socket
from concurrent.futures import Future
from pathlib import Path

import pytest

from qrtui.judge.pool import JudgePool
from qrtui.judge.verdict import Verdict
from qrtui.tasks.task import Task

TRY = """
def attempt(f):
    try:
        f()
        return True
    except BaseException:
        return False
"""


@pytest.fixture
def say(pool: JudgePool, add: Task):
    """Run a program's `add` and tell what it returned: any answer but the sum is shown as `got`."""

    def run(code: str) -> str | None:
        return pool.submit(add, TRY + code).result().got

    return run


def descendants() -> set[int]:
    """Processes whose command line is this judge's, by pid."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(os.getpid()):
            found.add(int(entry.parent.name))
    return found


def test_files_outside_cannot_be_written_read_or_deleted(say, tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("x")
    answer = say(f"""
import os, ctypes
def add(a, b):
    path, here = {str(victim)!r}, {str(tmp_path)!r}
    return [attempt(f) for f in (
        lambda: open(path).read(), lambda: open(path, "w"), lambda: os.remove(path), lambda: os.truncate(path, 0),
        lambda: os.rename(path, here + "/b"), lambda: os.mkdir(here + "/d"), lambda: os.symlink("/", here + "/s"),
        lambda: os.chmod(path, 0), lambda: os.utime(path), lambda: os.listdir(here), lambda: open("/etc/passwd"))]
""")
    assert answer == str([False] * 11)
    assert [entry.name for entry in tmp_path.iterdir()] == ["victim.txt"]
    assert victim.read_text() == "x"


def test_the_judge_and_its_expected_values_are_out_of_reach(say, pool: JudgePool) -> None:
    server = next(iter(descendants()))
    answer = say(f"""
import gc, os, sys, ctypes
def add(a, b):
    libc = ctypes.CDLL(None, use_errno=True)
    frames, frame = [], sys._getframe()
    while frame:
        frames.append(repr(frame.f_locals) + repr(sorted(frame.f_globals)))
        frame = frame.f_back
    text = " ".join(frames) + " ".join(repr(o) for o in gc.get_objects() if type(o) in (list, dict, tuple))[:10**7]
    word = bytes([99, 97, 110, 111, 110, 105, 99, 97, 108]).decode() + "_solution"
    return [attempt(f) for f in (
        lambda: open("/proc/{server}/mem", "rb"), lambda: open(f"/proc/{{os.getppid()}}/mem", "rb"),
        lambda: open("/proc/self/mem", "rb"), lambda: open({__file__!r}), lambda: __import__("evalplus"),
        lambda: __import__("qrtui.tasks.task"), lambda: __import__("msgspec"))] + [
        word in text, libc.ptrace(16, {server}, 0, 0), libc.process_vm_readv({server}, 0, 0, 0, 0, 0)]
""")
    assert answer == str([False] * 8 + [-1, -1])


def test_no_network_no_processes_no_signals(say) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        answer = say(f"""
import os, socket, subprocess, posix, ctypes, resource, fcntl
def add(a, b):
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    return [attempt(f) for f in (
        lambda: socket.create_connection(("127.0.0.1", {listener.getsockname()[1]}), 1),
        lambda: socket.socket(socket.AF_UNIX), lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
        lambda: os.fork(), lambda: posix.fork(), lambda: subprocess.run(["/bin/true"]),
        lambda: os.execv("/bin/true", ["true"]), lambda: os.kill(parent, 9), lambda: os.killpg(0, 9),
        lambda: os.kill({os.getpid()}, 9), lambda: os.setsid(), lambda: resource.prlimit(parent, 7, (0, 0)),
        lambda: os.setpriority(os.PRIO_PROCESS, parent, 19), lambda: fcntl.fcntl(3, fcntl.F_SETOWN, parent))
        ] + [libc.system(b"true") == 0]
""")
        assert answer == str([False] * 15)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_nothing_is_inherited(say) -> None:
    answer = say("""
import os, sys
def add(a, b):
    def standard(fd):
        return os.fstat(fd).st_rdev == os.stat("/dev/null").st_rdev
    files = [fd for fd in range(5, 200) if attempt(lambda: os.fstat(fd))]
    return [dict(os.environ), files, [standard(fd) for fd in (0, 1, 2)], attempt(lambda: open("/dev/tty")),
            attempt(input), attempt(lambda: os.write(3, b"")), os.listdir(".")]
""")
    assert answer == "[{}, [], [True, True, True], False, False, True, []]"


CHEATS = {
    "sys.exit": "import sys\ndef add(a, b):\n    sys.exit(0)",
    "an object equal to all": "class A:\n    def __eq__(s, o): return True\ndef add(a, b):\n    return A()",
    "an int equal to all": "class A(int):\n    def __eq__(s, o): return True\ndef add(a, b):\n    return A(7)",
    "pickle": "class A:\n    def __reduce__(s): return eval, ('3',)\ndef add(a, b):\n    return A()",
    "patched oracles": "import numpy as np, json\nnp.allclose = lambda *a, **k: True\nbool = lambda x: True\n"
    "def add(a, b):\n    return 0.5",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheats_fail(pool: JudgePool, add: Task, checked_add: Task, cheat: str) -> None:
    assert pool.submit(add, CHEATS[cheat]).result().base == "failed"
    assert pool.submit(checked_add, CHEATS[cheat]).result().base == "failed"


def test_ends_that_are_no_answers(pool: JudgePool, add: Task) -> None:
    forge = "import os\ndef add(a, b):\n    for fd in range(3, 64):\n        try: os.write(fd, b'{\"value\": 3}\\n')\n"
    forge += "        except OSError: pass\n    os._exit(0)"
    quit_now = pool.submit(add, "import os\ndef add(a, b):\n    os._exit(0)").result()
    assert (quit_now.base, quit_now.error) == ("crashed", "the process exited with status 0")
    assert pool.submit(add, forge).result().base == "tampered"
    killed = pool.submit(add, "import os\ndef add(a, b):\n    os.kill(os.getpid(), 9)").result()
    assert (killed.base, killed.error) == ("crashed", "killed by SIGKILL")


def test_loops_that_will_not_stop(pool: JudgePool, add: Task) -> None:
    swallowing = "def add(a, b):\n    while True:\n        try:\n            while True: pass\n"
    swallowing += "        except BaseException: pass"
    deaf = "import signal\ndef add(a, b):\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True: pass"
    futures: list[Future[Verdict]] = [pool.submit(add, code) for code in (swallowing, deaf)]
    assert [future.result().base for future in futures] == ["timeout", "timeout"]
    assert all(future.result().seconds < 9 for future in futures)


def test_a_flood_of_prints_and_a_full_scratch_folder_harm_nobody(pool: JudgePool, add: Task) -> None:
    flood = "def add(a, b):\n    print('x' * (100 << 20))\n    return a + b"
    assert pool.submit(add, flood).result().plus == "passed"
    disk = "import os\ndef add(a, b):\n    f = open('big', 'wb')\n    f.write(bytes(64 << 20))\n    return a + b"
    assert pool.submit(add, disk).result().base == "failed"
    assert pool.submit(add, "import os\ndef add(a, b):\n    return os.listdir('.')").result().got == "[]"
