"""The process that forks a sandboxed child per check. It has seen no solution, no input and no answer.

Started by `qrtui.judge.launch` without third-party packages on its path, save numpy. Its standard input is a
socket: `fork` comes with the socket a child shall talk over, `usage` asks what a child has used, `end` asks to kill
and bury the children of this check. End of file ends it: its children are killed and its scratch folder is removed.

Standard library only: this module runs inside the sandbox.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from qrtui.judge import check_candidate, confine, landlock, seccomp, session, values
from qrtui.judge.scratch import empty, remove

_USUAL_IMPORTS = """
    abc array ast binascii bisect calendar cmath collections.abc contextlib copy csv dataclasses datetime
    decimal difflib enum fractions functools hashlib heapq inspect io itertools json keyword locale logging
    math numbers operator os pathlib pprint queue random re secrets statistics string struct sys textwrap
    threading time timeit traceback types typing unicodedata uuid warnings weakref zlib
    numpy numpy.random numpy.linalg
"""
MESSAGE_LIMIT = 1 << 16
_MODULES = (check_candidate, confine, landlock, session, values)


def main(settings: dict[str, Any]) -> None:
    """Serve until the socket closes. `settings`: packages (folders to read), scratch (made if not there), locked."""
    scratch = settings["scratch"]
    Path(scratch).mkdir(mode=0o700, exist_ok=True)
    try:
        _get_ready_and_serve(settings, scratch)
    finally:
        # Also where the judge ended while this was starting.
        _bury({})
        remove(scratch)


def _get_ready_and_serve(settings: dict[str, Any], scratch: str) -> None:
    _import_the_usual(settings["packages"])
    confine.adopt_orphans()
    with contextlib.suppress(OSError):
        # If memory runs out, a solution goes before anything of the user's.
        Path("/proc/self/oom_score_adj").write_text("1000")
    control = socket.socket(fileno=os.dup(0))
    try:
        rules = confine.ruleset(settings["packages"], scratch) if settings["locked"] else None
        control.send(json.dumps({"ready": True, "landlock": landlock.abi()}).encode())
    except OSError as error:
        control.send(json.dumps({"ready": False, "why": str(error)}).encode())
        return
    confine.hide_memory()
    if rules is not None and seccomp.supported():
        seccomp.prepared(os.uname().machine)
    processes = confine.processes_allowed(filtered=rules is not None)
    gc.freeze()
    _serve(control, rules, scratch, processes)


def _import_the_usual(packages: list[str]) -> None:
    """Import once what solutions import, then forget the way to every other package."""
    folders = sorted({str(Path(package).parent) for package in packages})
    sys.path[:] = [entry for entry in sys.path if entry] + folders
    for name in _USUAL_IMPORTS.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    sys.path[:] = [entry for entry in sys.path if entry not in folders]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)


def _serve(control: socket.socket, rules: landlock.Ruleset | None, scratch: str, processes: int) -> None:
    children: dict[int, int | None] = {}
    while True:
        data, fds, _, _ = socket.recv_fds(control, MESSAGE_LIMIT, 1)
        if not data:
            return
        message = json.loads(data)
        if message["do"] == "end":
            statuses = _bury(children)
            emptied = empty(scratch)
            control.send(json.dumps(statuses).encode())
            children.clear()
            if not emptied:
                return  # another one takes over, with a scratch folder of its own
            continue
        if message["do"] == "usage":
            control.send(json.dumps(_usage(message["pid"])).encode())
            continue
        pid = os.fork()
        if pid == 0:
            _child(fds[0], rules, scratch, {**message, "processes": processes})
        os.close(fds[0])
        children[pid] = None
        control.send(json.dumps({"pid": pid}).encode())


def _child(fd: int, rules: landlock.Ruleset | None, scratch: str, message: dict[str, Any]) -> None:
    try:
        channel = confine.detach(fd)
        confine.die_with_parent()
        confine.lock(rules, scratch, message["memory"], message["cpu"], message["processes"])
        if message["do"] == "probe":
            os.write(channel, json.dumps(confine.breaches(message["forbidden"])).encode())
        else:
            session.serve(channel)
    except BaseException:  # noqa: BLE001 - nothing of a child may go on in the zygote's code
        os._exit(70)
    os._exit(0)


def _usage(pid: int) -> dict[str, Any] | None:
    """What the kernel's books say of a child, which no solution can alter; None for one that has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        return {
            "cpu": time.clock_gettime(_cpu_clock(pid)),
            "waits": int(fields["voluntary_ctxt_switches"]),
            "asleep": fields["State"][0] != "R",
            "threads": int(fields["Threads"]),
        }
    except (OSError, KeyError, ValueError):
        return None


def _cpu_clock(pid: int) -> int:
    """The number of the clock that counts a process's processor time (clock_getcpuclockid(3))."""
    return (~pid << 3) | 2


def _bury(children: dict[int, int | None]) -> list[int | None]:
    """Kill and reap this check's children, and every process they left behind; return wait statuses."""
    deadline = time.monotonic() + 0.05
    for pid in children:
        # A child that is ending tells by its status what ended it: give it the time to.
        while children[pid] is None and time.monotonic() < deadline:
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                children[pid] = status
            else:
                time.sleep(0.0005)
        if children[pid] is None:
            os.kill(pid, signal.SIGKILL)
            children[pid] = os.waitpid(pid, 0)[1]
    while _strays_left():
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.0005)
    return list(children.values())


def _strays_left() -> bool:
    """Reap the adopted that have ended; whether any still lives."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return False
    return True


def _descendants() -> list[int]:
    """Process ids of all descendants, from the kernel's table."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(entry.parent.name)] = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found - {os.getpid()})
        found |= more
