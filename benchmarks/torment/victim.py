"""A run whose program may end at any moment: started again, looked at, and buried each time."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

PROGRAM = Path(__file__).with_name("program.py")
PATIENCE = 300.0
RESULTS = """
SELECT c.position, r.task, r.completion, g.text, g.finish, v.base, v.plus
FROM conditions c JOIN results r ON r.condition = c.id
LEFT JOIN completions g ON g.key = r.completion
LEFT JOIN verdicts v ON v.solution_hash = g.solution_hash AND v.task_hash = r.task_hash
ORDER BY 1, 2
"""


@dataclass
class Sample:
    """What the program holds at a moment."""

    life: int
    completions: int
    memory: int
    descriptors: int
    threads: int
    processes: int
    files: int


@dataclass
class Victim:
    """A run, its program, and what was seen of them."""

    folder: Path
    preset: Path
    disk: Path
    total: int
    program: subprocess.Popen[bytes] | None = None
    lives: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """Where the results go."""
        return self.disk / "soak.db"

    @property
    def scratch(self) -> Path:
        """The program's folder for temporary files."""
        return self.folder / "tmp"

    def start(self) -> None:
        """Start the program, and wait until it generates or has ended."""
        self.lives += 1
        self.scratch.mkdir(exist_ok=True)
        environment = {**os.environ, "TMPDIR": str(self.scratch), "QRTUI_CACHE": str(self.folder / "cache")}
        arguments = [self.preset, self.database, self.folder / "shown"]
        with (self.folder / "log").open("ab") as log:
            self.program = subprocess.Popen(
                [sys.executable, PROGRAM, *map(str, arguments)], stdout=log, stderr=log, env=environment
            )
        before = self.completions()
        self.until(lambda: self.ended or self.completions() > before)

    @property
    def ended(self) -> bool:
        """Whether the program is gone."""
        return self.program is None or self.program.poll() is not None

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something; a run in which nothing happens for long is a problem."""
        moved, seen = time.monotonic(), -1
        while not true():
            if (now := self.completions()) != seen:
                moved, seen = time.monotonic(), now
            if time.monotonic() - moved > PATIENCE:
                raise SystemExit(f"the program hangs: see {self.folder / 'log'}")
            time.sleep(0.02)

    def completions(self) -> int:
        """How many are in the database now."""
        with contextlib.suppress(sqlite3.Error), reading(self.database) as db:
            return int(db.execute("SELECT count(*) FROM completions").fetchone()[0])
        return 0

    def family(self) -> list[psutil.Process]:
        """The program's child processes: judge servers, their zygotes, checks."""
        assert self.program is not None
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.program.pid).children(recursive=True)
        return []

    def look(self) -> None:
        """Note what the program holds."""
        assert self.program is not None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.program.pid)
            self.samples.append(
                Sample(
                    self.lives,
                    self.completions(),
                    process.memory_info().rss,
                    process.num_fds(),
                    process.num_threads(),
                    len(self.family()),
                    sum(1 for _ in self.scratch.rglob("*")),
                )
            )

    def bury(self, children: list[psutil.Process]) -> None:
        """After an end: the database is whole, what was shown is there, no process and no file is left behind."""
        assert self.program is not None
        code = self.program.wait()
        self.ends[str(signal.Signals(-code).name if code < 0 else code)] += 1
        _, left = psutil.wait_procs(children, timeout=10)
        self.note(bool(left), f"{len(left)} processes outlived the program")
        # Whatever a SIGKILL left is taken away by the next start.
        with reading(self.database) as db:
            self.note(db.execute("PRAGMA integrity_check").fetchone()[0] != "ok", "the database is damaged")
            self.note(bool(db.execute("PRAGMA foreign_key_check").fetchall()), "references lead nowhere")
            kept = {key for (key,) in db.execute("SELECT key FROM completions")}
        self.note(bool(lost := self.shown() - kept), f"{len(lost)} completions were shown and are lost")

    def shown(self) -> set[str]:
        """The keys of all completions that were told so far."""
        file = self.folder / "shown"
        return set(file.read_text().split()) if file.exists() else set()

    def note(self, wrong: bool, what: str) -> None:
        """Keep a problem."""
        if wrong:
            self.problems.append(f"life {self.lives}: {what}")

    @property
    def done(self) -> bool:
        """Whether every completion is there."""
        return self.completions() >= self.total


@contextlib.contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection of our own."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        yield db
    finally:
        db.close()


def results(database: Path) -> dict[tuple[int, str], tuple[Any, ...]]:
    """Every result by condition and task: completion's key, text and end, and its verdict."""
    with reading(database) as db:
        return {(row[0], row[1]): row[2:] for row in db.execute(RESULTS)}
