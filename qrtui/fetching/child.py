"""Runs a long download or conversion as a child process: its progress is read from its standard output.

A child can be stopped at any moment, prints nothing on the screen, and gives all its memory back.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from qrtui.errors import FetchError

# What pip prints with `--progress-bar raw`; our own children print the same, with the file's name at the end.
_PROGRESS = re.compile(r"^Progress (?P<done>\d+) of (?P<total>\d+)(?: (?P<file>.+))?$")
_PR_SET_PDEATHSIG = 1
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


class StoppedError(FetchError):
    """The person asked to stop; nothing half-written is left."""

    title = "Stopped"

    def __init__(self) -> None:
        super().__init__("the download was stopped", "start it again to go on")


class ChildResult(msgspec.Struct, frozen=True):
    """How a child ended: its exit status, the other lines it printed, and the end of its standard error."""

    status: int
    lines: list[str]
    complaint: str


def python_module(module: str, arguments: Sequence[str]) -> list[str]:
    """The command that calls `main` of one of our modules in a fresh interpreter, from a checkout too."""
    call = f"import sys; sys.path.append({str(_PACKAGE_PARENT)!r}); from {module} import main; sys.exit(main())"
    return [sys.executable, "-P", "-c", call, *arguments]


def end_with_parent() -> None:
    """From inside a child: ask the system to end it when what started it is gone, however that ended (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def report(done: int, total: int, file: str = "") -> None:
    """Print a progress line from inside a child."""
    sys.stdout.write(f"Progress {done} of {total} {file}".rstrip() + "\n")
    sys.stdout.flush()


def run_child(
    command: Sequence[str],
    progress: Callable[[int, int | None, str], None],
    stop: threading.Event | None = None,
    extra_environment: Mapping[str, str] | None = None,
) -> ChildResult:
    """Run `command` to its end, calling `progress(done, total, file)` for each progress line.

    `total` is None while it is not known. Raises StoppedError, after the child has ended, when `stop` is set, and
    FetchError where there is no place for temporary files.
    """
    with _complaints() as complaints:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(extra_environment or {})},
            start_new_session=True,
        )
        finished = threading.Event()
        watcher = threading.Thread(target=_end_when_stopped, args=(process, stop, finished), daemon=True)
        watcher.start()
        try:
            lines = _read(process, progress)
        except BaseException:
            process.kill()
            raise
        finally:
            status = process.wait()
            finished.set()
            watcher.join()
        if stop is not None and stop.is_set():
            raise StoppedError
        return ChildResult(status, lines, _tail(complaints))


def _complaints() -> IO[str]:
    try:
        return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise FetchError(
            f"no temporary file can be made ({error.strerror or error})", "free some space, or set TMPDIR"
        ) from error


def _read(process: subprocess.Popen[str], progress: Callable[[int, int | None, str], None]) -> list[str]:
    lines: list[str] = []
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if match := _PROGRESS.match(line.strip()):
                progress(int(match["done"]), int(match["total"]) or None, match["file"] or "")
            elif line.strip():
                lines.append(line.strip())
    return lines


def _end_when_stopped(process: subprocess.Popen[str], stop: threading.Event | None, finished: threading.Event) -> None:
    while stop is not None and not finished.wait(0.1):
        if stop.is_set():
            process.terminate()
            if not finished.wait(2):
                process.kill()
            return


def _tail(complaints: IO[str], characters: int = 4_000) -> str:
    complaints.seek(0)
    return complaints.read()[-characters:].strip()
