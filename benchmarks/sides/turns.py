"""Two ways of doing the same work, each in a process of its own, taking turns on one machine.

A side is a script that calls `serve`: it gets ready (imports, loads), then works each time it is told to. Its answer is
a table of plain values; what libraries print goes to a log.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


class Side:
    """A way of doing the work: `script --side NAME ARGUMENTS` in a process of its own, ready when this returns."""

    def __init__(self, script: str, name: str, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the side
        self._process = subprocess.Popen(
            [sys.executable, script, "--side", name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **environment},
            text=True,
        )
        self._read()

    def turn(self) -> dict[str, Any]:
        """Do the work once more; returns what the side tells of it."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._log.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            raise SystemExit(f"the side {self.name!r} ended:\n{self._log.read()[-3000:]}")
        return json.loads(line)  # type: ignore[no-any-return]


def serve(get_ready: Callable[[], Callable[[], dict[str, Any]]]) -> None:
    """Get ready and say so; then, for every line on stdin, do the work that `get_ready` returned; tell its answer."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    work = get_ready()
    print("{}", file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(work()), file=answers, flush=True)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The median with the least and the most."""
    numbers = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return "{} ({} to {})".format(*numbers)


def machine() -> str:
    """The processor and its cores, the memory, the versions that matter, and how busy it was."""
    from importlib.metadata import version

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "transformers", "bitsandbytes"))
    load = os.getloadavg()[0]
    return f"{len(os.sched_getaffinity(0))} cores of {name}, {memory:.0f} GiB, {versions}, load {load:.1f} at the start"
