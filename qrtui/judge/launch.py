"""Starting a zygote at one of the levels of isolation, and talking to the children it forks."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qrtui.judge import scratch, scratch_place
from qrtui.judge.verdict import Level, Status

MEMORY = 4 << 30
ANSWER_LIMIT = 16 << 20
SCRATCH_LIMIT = 64 << 20
_STARTUP_SECONDS = 30.0
_TICK = 0.1
_THREADS = 256
_SCRATCH_SECONDS = 0.2
"""How often the size of the scratch folder is looked at."""
_LATE, _LATE_IF_LARGE = 0.25, 1.0
"""Seconds over a call's limit that an answer may take on top: to be written down and sent, on a busy machine."""
_SMALL_ANSWER = 64 << 10

_BOOT = """
import json, sys, types
settings = json.loads(sys.argv[1])
for name, folders in (("qrtui", []), ("qrtui.judge", [settings["code"]])):
    package = types.ModuleType(name)
    package.__path__ = folders
    sys.modules[name] = package
from qrtui.judge.zygote import main
main(settings)
"""
"""The zygote imports these files without qrtui's own `__init__`, and so without any dependency."""

_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class LaunchError(Exception):
    """A zygote that does not start, or whose locks do not hold; the message says why."""


class SessionEnded(Exception):  # noqa: N818 - how a session ended, not always an error
    """No further answer will come: `status` says how, from the trusted side's view."""

    def __init__(self, status: Status, error: str | None = None) -> None:
        self.status, self.error = status, error
        super().__init__(status)


@dataclass(frozen=True)
class Limits:
    """What a child may use: seconds in all, bytes of address space, bytes of answers."""

    seconds: float
    memory: int = MEMORY
    answers: int = ANSWER_LIMIT


class CallClock:
    """The trusted side's own count of a call's time: a child's clocks are in its own hands.

    As a child counts, so here: processor time if it never waits, else the time by the clock. `usage` asks the
    kernel's books (None: the child has ended).
    """

    def __init__(self, usage: Callable[[], dict[str, Any] | None], limit: float) -> None:
        self._usage, self._limit = usage, limit
        self._started = time.monotonic()
        self._first: dict[str, Any] | None = None
        self._waited = False

    def check(self, slack: float) -> None:
        """Look, if it is worth it. Raises SessionEnded for a call over its limit, or with too many threads."""
        elapsed = time.monotonic() - self._started
        if elapsed < _TICK or (seen := self._usage()) is None:
            return
        if seen["threads"] > _THREADS:
            raise SessionEnded("crashed", f"more than {_THREADS} threads")
        first = self._first = self._first or seen
        self._waited = self._waited or seen["asleep"] or seen["waits"] > first["waits"]
        if (elapsed if self._waited else seen["cpu"] - first["cpu"]) > self._limit + slack:
            raise SessionEnded("timeout")


class Session:
    """The trusted end of one child's socket. Everything read from it may be forged."""

    def __init__(
        self,
        connection: socket.socket,
        limits: Limits,
        scratch: Path | None,
        usage: Callable[[], dict[str, Any] | None],
    ) -> None:
        self._connection, self._limits, self._scratch, self._usage = connection, limits, scratch, usage
        self._looked = time.monotonic()
        self._token = secrets.token_hex(16)
        self._deadline = time.monotonic() + limits.seconds
        self._buffer, self._count = bytearray(), 0
        self.received = 0

    def start(self, job: dict[str, Any], calls: bytes | None = None) -> None:
        """Send the job and, for a batch, all its calls as JSON."""
        terms = {"token": self._token, "batch": calls is not None, "answer_limit": self._limits.answers}
        self.send(json.dumps({**job, **terms}).encode())
        if calls is not None:
            self.send(calls)

    def send(self, message: bytes) -> None:
        """Send one message. Raises SessionEnded if the child does not take it."""
        try:
            self._connection.settimeout(max(0.01, self._deadline - time.monotonic()))
            self._connection.sendall(struct.pack("!Q", len(message)) + message)
        except TimeoutError as error:
            raise SessionEnded("timeout") from error
        except OSError as error:
            raise SessionEnded("crashed") from error

    def answer(self, silence: float, limit: float = math.inf) -> dict[str, Any]:
        """The next answer, waiting at most `silence` seconds for a sign of life.

        Raises SessionEnded, also where the answer took more than `limit` seconds in the sense of CallClock.
        """
        clock, quiet = CallClock(self._usage, limit), time.monotonic() + silence
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if self._receive(min(quiet, self._deadline)):
                quiet = time.monotonic() + silence
            clock.check(_LATE_IF_LARGE)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        answer = self._parse(line)
        large = end > _SMALL_ANSWER or "digest" in answer
        if "status" not in answer:
            clock.check(_LATE_IF_LARGE if large else _LATE)
        return answer

    @property
    def left(self) -> float:
        """Seconds until the deadline, none if it is over."""
        return max(0.0, self._deadline - time.monotonic())

    def extend(self, seconds: float) -> None:
        """Move the deadline: the trusted side was busy elsewhere."""
        self._deadline += seconds

    def everything(self) -> bytes:
        """All that the child writes until it closes. Raises SessionEnded when it takes too long."""
        try:
            while True:
                self._receive(self._deadline)
        except SessionEnded as ended:
            if ended.status not in ("crashed", "tampered"):
                raise
        return bytes(self._buffer)

    def close(self) -> None:
        """Hang up: the child then reads end of file."""
        self._connection.close()

    def _receive(self, until: float) -> bool:
        left = until - time.monotonic()
        if left <= 0:
            raise SessionEnded("timeout")
        self._connection.settimeout(min(left, _TICK))
        try:
            part = self._connection.recv(1 << 18)
        except TimeoutError:
            self._watch_scratch()
            return False
        except OSError as error:
            raise SessionEnded("crashed") from error
        if time.monotonic() - self._looked > _SCRATCH_SECONDS:
            self._watch_scratch()
        if not part:
            raise SessionEnded("tampered" if self._buffer else "crashed")
        self.received += len(part)
        if self.received > self._limits.answers:
            raise SessionEnded("output too large")
        self._buffer += part
        return True

    def _parse(self, line: bytes) -> dict[str, Any]:
        token, _, content = line.partition(b" ")
        if token != self._token.encode():
            raise SessionEnded("tampered", "an answer without the judge's token")
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise SessionEnded("tampered", "an answer that cannot be read") from error
        if not isinstance(answer, dict) or answer.get("n") != self._count:
            raise SessionEnded("tampered", "an answer out of turn")
        self._count += 1
        return answer

    def _watch_scratch(self) -> None:
        self._looked = time.monotonic()
        if self._scratch and scratch.holds_more(self._scratch, SCRATCH_LIMIT):
            raise SessionEnded("output too large", "too much written to files")


class Zygote:
    """A running zygote and the children of the check in progress."""

    def __init__(self, level: Level, keep: int | None = None) -> None:
        """Start at `level`, with fd `keep` inherited; wait until ready, try its locks. Raises LaunchError."""
        self.level = level
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        self._scratch: Path | None = None
        self._held: int | None = None
        if level != "L3":  # whose scratch folder is in its namespace's own memory
            self._scratch, self._held = scratch_place.make()
        packages = readable_packages()
        settings = {
            "code": str(Path(__file__).resolve().parent),
            "packages": packages,
            "scratch": str(self._scratch or "/tmp/scratch"),
            "locked": level != "L1",
        }
        command = _python_command(settings)
        if level == "L3":
            command = _bubblewrap_command(packages) + command
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_ENVIRONMENT,
                cwd="/",
                pass_fds=[fd for fd in (keep, self._held) if fd is not None],
                start_new_session=True,
            )
        self._sessions: list[Session] = []
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def session(self, limits: Limits) -> Session:
        """Fork a child and return the line to it. Raises LaunchError if the zygote has died."""
        return self._fork({"do": "fork", "memory": _memory(limits), "cpu": int(limits.seconds) + 5}, limits)

    def end(self) -> list[int | None]:
        """End the check: kill and bury its children, empty the scratch folder; return their wait statuses.

        A zygote whose scratch folder cannot be emptied ends after this, so that no other check is run there.
        """
        for session in self._sessions:
            session.close()
        self._sessions.clear()
        statuses: list[int | None] = self._ask({"do": "end"})
        return statuses

    def close(self) -> None:
        """End the zygote and all it started."""
        self._control.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
        if self._scratch:
            scratch.remove(str(self._scratch))
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @property
    def is_out_of_room(self) -> bool:
        """Whether a solution could not write a small file, for whatever the disk is full of."""
        return self._scratch is not None and scratch_place.is_full(self._scratch)

    def _wait_until_ready(self) -> None:
        self._control.settimeout(_STARTUP_SECONDS)
        try:
            greeting = self._control.recv(1 << 16)
        except OSError as error:
            raise LaunchError(f"no sign of life: {error}") from error
        if not greeting:
            said = self._process.stderr.read().decode(errors="replace") if self._process.stderr else ""
            raise LaunchError(said.strip().splitlines()[-1] if said.strip() else "it ended at once")
        report = json.loads(greeting)
        if not report["ready"]:
            raise LaunchError(report["why"])
        if self.level != "L1":
            self._try_locks()

    def _try_locks(self) -> None:
        forbidden = [str(Path(__file__).resolve()), "/etc/passwd"]
        limits = Limits(10.0)
        message = {"do": "probe", "memory": _memory(limits), "cpu": 10, "forbidden": forbidden}
        session = self._fork(message, limits)
        try:
            said = session.everything()
        except SessionEnded as ended:
            raise LaunchError(f"trying the locks ended in: {ended.status}") from ended
        statuses = self.end()
        if not said:
            raise LaunchError(f"a locked child does not come up (status {statuses})")
        if breaches := json.loads(said):
            raise LaunchError("a locked child can " + ", ".join(breaches))

    def _fork(self, message: dict[str, Any], limits: Limits) -> Session:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            pid = self._ask(message, theirs.fileno())["pid"]
        session = Session(ours, limits, self._scratch, lambda: self._ask({"do": "usage", "pid": pid}))
        self._sessions.append(session)
        return session

    def _ask(self, message: dict[str, Any], fd: int | None = None) -> Any:
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], [] if fd is None else [fd])
            reply = self._control.recv(1 << 16)
        except OSError as error:
            raise LaunchError(f"the sandbox's process is gone: {error}") from error
        if not reply:
            raise LaunchError("the sandbox's process is gone")
        return json.loads(reply)


def _memory(limits: Limits) -> int:
    return min(limits.memory, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def readable_packages() -> list[str]:
    """Folders of third-party packages that solutions may import: numpy, and the libraries it brings."""
    spec = importlib.util.find_spec("numpy")
    if spec is None or not spec.origin:
        return []
    folder = Path(spec.origin).resolve().parent
    libraries = folder.parent / "numpy.libs"
    return [str(folder), str(libraries)] if libraries.is_dir() else [str(folder)]


def _python_command(settings: dict[str, Any]) -> list[str]:
    python = os.path.realpath(sys.executable)
    return [python, "-s", "-S", "-P", "-B", "-W", "ignore", "-c", _BOOT, json.dumps(settings)]


def _bubblewrap_command(packages: list[str]) -> list[str]:
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise LaunchError("bubblewrap (bwrap) is not installed")
    python = Path(sys.executable).resolve()
    visible = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", sys.base_prefix, str(python)]
    visible += [str(python.parent.parent / "pyvenv.cfg"), str(Path(__file__).resolve().parent), *packages]
    command = [bubblewrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    command += ["--proc", "/proc", "--dev", "/dev", "--size", str(SCRATCH_LIMIT), "--tmpfs", "/tmp"]
    for path in dict.fromkeys(visible):
        if Path(path).exists():
            command += ["--ro-bind", path, path]
    return [*command, "--chdir", "/", "--"]
