"""What the rest of the program uses to judge: solutions in, futures of verdicts out."""

from __future__ import annotations

import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from qrtui.errors import JudgeError
from qrtui.judge import wire
from qrtui.judge.values import TooLargeError, printable
from qrtui.judge.verdict import Level, Verdict
from qrtui.tasks.task import Task

_START_SECONDS = 60.0
_PATIENCE, _PATIENCE_FOR_TRUTH = 100.0, 300.0
"""Seconds for one request: more than a check may take, and more than the reference and a check may."""
_CLOSE_SECONDS = 5.0
_ATTEMPTS, _ATTEMPTS_IF_KILLED = 2, 5
"""How often a solution is judged that the server does not survive; more often where something killed the server."""
_STARTS = 3
_START_PAUSE = 0.5
_CHECKS_A_SERVER = 2000
"""After so many a server is replaced: nothing that may gather in it, or in its sandbox, gathers for long."""


class _ServerDied(Exception):  # noqa: N818 - an event the worker acts on
    """The server ended or spoke nonsense."""


class _ServerHangs(_ServerDied):
    """The server gives no answer; to ask again would take as long again."""


@dataclass(frozen=True)
class _Request:
    task: Task
    solution: str
    future: Future[Verdict] = field(default_factory=Future)


class JudgePool:
    """Judge servers and the threads that talk to them. Also a context manager, which closes it.

    `level` is the isolation found by trying: L3, L2, or L1 where `allow_unsafe` accepts that. Raises
    JudgeError where no level may be used.
    """

    level: Level

    def __init__(self, workers: int | None = None, *, allow_unsafe: bool = False) -> None:
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._pending: set[Future[Verdict]] = set()
        first: Future[Level] = Future()
        count = workers or max(1, (os.cpu_count() or 1) // 2)
        self._workers = [_Worker(self._requests, self._closed, allow_unsafe, first, n == 0) for n in range(count)]
        for worker in self._workers:
            worker.start()
        try:
            self.level = first.result()
        except BaseException:
            self.close()
            raise

    def submit(self, task: Task, solution: str) -> Future[Verdict]:
        """The verdict to come on `solution`, a whole program.

        The future raises JudgeError where the task cannot be judged or the pool is closed first.
        """
        request = _Request(task, solution)
        with self._lock:
            if self._closed.is_set():
                request.future.set_exception(_stopped())
                return request.future
            self._pending.add(request.future)
            self._requests.put(request)
        request.future.add_done_callback(self._forget)
        return request.future

    def close(self) -> None:
        """End every process and thread the pool started, and every future that is still open."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            pending = list(self._pending)
        for future in pending:
            future.cancel()
        for worker in self._workers:
            worker.stop()
            self._requests.put(None)
        for worker in self._workers:
            if worker is not threading.current_thread():
                worker.join(_CLOSE_SECONDS)

    def _forget(self, future: Future[Verdict]) -> None:
        with self._lock:
            self._pending.discard(future)

    def __enter__(self) -> JudgePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def probe_level() -> tuple[Level | None, dict[str, str]]:
    """The level found by trying (None: neither L3 nor L2), and what each layer said."""
    try:
        server = _Server(None, probe=True)
    except _ServerDied as error:
        return None, {"server": str(error)}
    server.kill()
    return server.level, server.layers


def _stopped() -> JudgeError:
    return JudgeError("judging was stopped", "run again to judge what is left")


class _Worker(threading.Thread):
    """One thread, one server. The server dies with this very thread, so only this thread starts it."""

    def __init__(
        self,
        requests: queue.SimpleQueue[_Request | None],
        closed: threading.Event,
        allow_unsafe: bool,
        level: Future[Level],
        leads: bool,
    ) -> None:
        super().__init__(name="judge", daemon=True)
        self._requests, self._closed, self._allow_unsafe = requests, closed, allow_unsafe
        self._level, self._leads = level, leads
        self._server: _Server | None = None
        self._checks = 0

    def run(self) -> None:
        try:
            if self._leads:
                self._find_level()
            self._level.result()
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for the level
            if self._leads:
                self._level.set_exception(error)
            return
        while (request := self._requests.get()) is not None:
            if request.future.set_running_or_notify_cancel():
                self._judge(request)
        self.stop()

    def stop(self) -> None:
        """End the server, and with it whatever it is doing."""
        if self._server:
            self._server.kill()

    def _find_level(self) -> None:
        """Start a server at the level that works here. Raises JudgeError where none may be used."""
        server = _probed()
        if server.level is None:
            server.kill()
            if wire.NO_SCRATCH in server.layers:
                raise JudgeError(server.layers[wire.NO_SCRATCH], "set TMPDIR to a folder of your own")
            if not self._allow_unsafe:
                raise JudgeError(
                    "generated code cannot be isolated here (" + _reasons(server.layers) + ")",
                    "run `qrtui doctor`, or accept the risk with --allow-unsafe-judge",
                )
            server = _Server("L1")
        if server.level is None:
            server.kill()
            raise JudgeError("the judge does not start (" + _reasons(server.layers) + ")", "run `qrtui doctor`")
        self._server = server
        self._level.set_result(server.level)

    def _judge(self, request: _Request) -> None:
        try:
            verdict = self._verdict(request)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the verdict
            request.future.set_exception(_stopped() if self._closed.is_set() else error)
        else:
            request.future.set_result(verdict)

    def _verdict(self, request: _Request) -> Verdict:
        """The verdict, over the deaths of servers. Raises JudgeError where none can be had."""
        started, deaths = time.perf_counter(), 0
        while True:
            server = self._running_server()
            try:
                return server.judge(request.task, request.solution)
            except _ServerDied as event:
                deaths += 1
                allowed = _ATTEMPTS_IF_KILLED if server.was_killed() else _ATTEMPTS
                self._drop_server()
                if self._closed.is_set():
                    raise _stopped() from None
                if deaths >= allowed or isinstance(event, _ServerHangs):
                    return self._gave_up(request.task, time.perf_counter() - started)

    def _running_server(self) -> _Server:
        """The server, a new one where there is none or it has done enough. Raises JudgeError where none starts."""
        if self._checks >= _CHECKS_A_SERVER:
            self._drop_server()
        for _ in range(_STARTS):
            if self._server is None:
                self._server, self._checks = self._started_server(), 0
            if self._closed.is_set():
                raise _stopped()
            if self._server is not None:
                self._checks += 1
                return self._server
            self._closed.wait(_START_PAUSE)
        raise JudgeError("the judge's process does not start again", "run qrtui doctor, then the same run again")

    def _started_server(self) -> _Server | None:
        try:
            server = _Server(self._level.result())
        except (_ServerDied, OSError):
            return None
        if server.level is None:
            server.kill()
            return None
        return server

    def _drop_server(self) -> None:
        self.stop()
        self._server = None

    def _gave_up(self, task: Task, seconds: float) -> Verdict:
        return Verdict(
            base="crashed",
            plus="crashed" if task.plus_input and not task.test else None,
            error="the judge's own process did not survive this solution",
            level=self._level.result(),
            seconds=seconds,
        )


def _probed() -> _Server:
    """A server at the level found by trying, None where none was found twice. Raises JudgeError if none starts."""
    try:
        server = _Server(None)
        if server.level is not None:
            return server
        server.kill()
    except _ServerDied:
        pass  # killed while it was starting, perhaps: that would tell nothing about the machine
    try:
        return _Server(None)
    except _ServerDied as error:
        raise JudgeError(f"the judge does not start ({error})", "run qrtui doctor, then the same run again") from None


def _environment() -> dict[str, str]:
    """Ours, with this very package first: the server must not meet another version of it."""
    folder = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{inherited}" if inherited else folder}


def _reasons(layers: dict[str, str]) -> str:
    return "; ".join(f"{layer}: {said}" for layer, said in layers.items())


class _Server:
    """A judge server process and the pipes to it."""

    def __init__(self, level: Level | None, *, probe: bool = False) -> None:
        """Start it and wait for its greeting. Raises _ServerDied if none comes."""
        command = [sys.executable, "-P", "-W", "ignore", "-m", "qrtui.judge.server"]
        command += ["--level", level] if level else []
        command += ["--probe"] if probe else []
        self._killing = threading.Lock()
        self._alive: int | None
        self._alive, held = os.pipe()
        command += ["--keep", str(held)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            pass_fds=[held],
            start_new_session=True,
        )
        os.close(held)
        self._sent: set[str] = set()
        try:
            greeting = self._read(_START_SECONDS)
        except _ServerDied:
            self.kill()
            raise
        self.level: Level | None = greeting["level"]
        self.layers: dict[str, str] = greeting["layers"]

    def judge(self, task: Task, solution: str) -> Verdict:
        """Ask and wait. Raises _ServerDied, or JudgeError where the task cannot be judged."""
        try:
            key = task.content_hash
            reply = self._ask(key, task if key not in self._sent else None, solution)
            if "missing" in reply:
                reply = self._ask(key, task, solution)
        except (TooLargeError, RecursionError):
            problem = f"the inputs of task {printable(task.task_id)} are nested too deeply or have too many parts"
            raise JudgeError(problem, "mend the task's file or leave the task out") from None
        if "problem" in reply:
            raise JudgeError(reply["problem"], reply["way_out"])
        self._sent.add(key)
        return msgspec.convert(reply["verdict"], Verdict)

    def was_killed(self) -> bool:
        """Whether this server, which gives no answers any more, or its sandbox was killed by something else."""
        try:
            status = self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return status in (-signal.SIGKILL, wire.SANDBOX_GONE)

    def kill(self) -> None:
        """End it at once, and wait until its zygote has ended too and cleaned up."""
        self._process.kill()
        self._process.wait()
        with self._killing:
            if self._alive is not None:
                # End of file comes when the last process that inherited the pipe is gone.
                select.select([self._alive], [], [], _CLOSE_SECONDS)
                os.close(self._alive)
                self._alive = None

    def _ask(self, key: str, task: Task | None, solution: str) -> dict[str, Any]:
        request = {"key": key, "solution": solution}
        stdin = self._process.stdin
        assert stdin is not None
        try:
            wire.write(stdin, request if task is None else {**request, "task": wire.pack_task(task)})
        except (OSError, ValueError) as error:
            raise _ServerDied(str(error)) from error
        return self._read(_PATIENCE if task is None else _PATIENCE_FOR_TRUTH)

    def _read(self, patience: float) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            if not select.select([stdout], [], [], patience)[0]:
                raise _ServerHangs("no answer")
            reply: dict[str, Any] = wire.read(stdout)
        except (EOFError, OSError, ValueError) as error:
            raise _ServerDied(f"the judge's process ended: {error}") from error
        return reply
