"""What happens on shared machines, done to a program on purpose."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from torment.victim import Victim

DISK = 96 * 2**20


def hit(victim: Victim, fault: str) -> None:
    """Do this to the program; start it again if it ended."""
    assert victim.program is not None
    children = victim.family()
    FAULTS[fault](victim)
    if fault in DEADLY:
        victim.until(lambda: victim.ended)
    else:
        # Time enough to notice.
        seen = victim.completions()
        victim.until(lambda: victim.ended or victim.done or victim.completions() > seen)
    if victim.ended and not victim.done:
        victim.bury(children)
        victim.start()


def send(victim: Victim, *signals: signal.Signals) -> None:
    """Send signals to the program, one after the other."""
    assert victim.program is not None
    for one in signals:
        victim.program.send_signal(one)
        time.sleep(0.05)


def kill_all(victim: Victim) -> None:
    """Kill the program and all that it started: none of them has time to clean up."""
    family = victim.family()
    send(victim, signal.SIGSTOP)
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.suspend()
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()
    send(victim, signal.SIGKILL)


def freeze(victim: Victim, seconds: float) -> None:
    """Let the program stand still."""
    send(victim, signal.SIGSTOP)
    time.sleep(seconds)
    send(victim, signal.SIGCONT)


def kill_judge(victim: Victim, depth: int) -> None:
    """Kill a judge server (1) or the zygote below it (2)."""
    assert victim.program is not None
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(victim.program.pid).children()
        for _ in range(depth - 1):
            found = [child for process in found for child in process.children()]
        if found:
            found[0].kill()


def lock(victim: Victim, seconds: float) -> None:
    """Hold the database's write lock."""
    db = sqlite3.connect(victim.database, timeout=10)
    db.execute("BEGIN IMMEDIATE")
    time.sleep(seconds)
    db.rollback()
    db.close()


def fill(victim: Victim, seconds: float) -> None:
    """Leave no room on the disk."""
    filler = victim.disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**16))
    time.sleep(seconds)
    filler.unlink()


FAULTS: dict[str, Callable[[Victim], None]] = {
    "SIGKILL": lambda victim: send(victim, signal.SIGKILL),
    "SIGKILL of all its processes at once": kill_all,
    "SIGTERM": lambda victim: send(victim, signal.SIGTERM),
    "SIGHUP": lambda victim: send(victim, signal.SIGHUP),
    "SIGINT": lambda victim: send(victim, signal.SIGINT),
    "SIGINT twice": lambda victim: send(victim, signal.SIGINT, signal.SIGINT),
    "device lost": lambda victim: send(victim, signal.SIGUSR2),
    "out of memory": lambda victim: send(victim, signal.SIGUSR1),
    "judge killed": lambda victim: kill_judge(victim, 1),
    "judge's zygote killed": lambda victim: kill_judge(victim, 2),
    "frozen for a second": lambda victim: freeze(victim, 1),
    "database locked": lambda victim: lock(victim, 3),
    "disk full": lambda victim: fill(victim, 2),
}
DEADLY = [name for name in FAULTS if name.startswith("SIG") or name == "device lost"]


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A small file system in `folder`; whether there is one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=False)
