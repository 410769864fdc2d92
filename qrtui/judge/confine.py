"""Locking a forked child up: limits, capabilities, file rules, system calls; and trying the locks.

Standard library only: this module runs inside the sandbox.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
import resource
import socket
import struct
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

from qrtui.judge import landlock, seccomp

FILE_LIMIT = 16 << 20
OPEN_FILES = 64
STACK = 64 << 20
PROCESSES_UNFILTERED, MORE_THREADS = 64, 1024

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_SIGKILL = 9
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """Raise OSError where the kernel refuses."""
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def die_with_parent() -> None:
    """Be killed when the thread that started this process ends."""
    prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def hide_memory() -> None:
    """Let no process of the same user read this one's memory or trace it; forked children inherit it."""
    prctl(_PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none can outlive a check."""
    prctl(_PR_SET_SUBREAPER, 1)


def _libraries() -> list[Path]:
    """The shared libraries that an extension module of the standard library may still have to load."""
    folders = {Path(name) for name in ("/lib", "/usr/lib", "/lib64", "/usr/lib64")}
    triplet = sysconfig.get_config_var("MULTIARCH")
    if triplet:
        folders |= {Path("/lib") / triplet, Path("/usr/lib") / triplet}
    try:
        mapped = Path("/proc/self/maps").read_text()
    except OSError:
        mapped = ""
    folders |= {Path(name).parent for name in re.findall(r"(/\S+\.so[.\d]*)$", mapped, re.MULTILINE)}
    folders = {folder.resolve() for folder in folders if folder.is_dir()}
    return [file for folder in folders for file in folder.glob("*.so*") if file.is_file()]


def _standard_library() -> list[Path]:
    """Its files and folders one by one: third-party packages lie in the midst of them."""
    roots = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    return [
        entry
        for root in roots
        if root.is_dir()
        for entry in root.iterdir()
        if entry.name not in ("site-packages", "dist-packages")
    ]


def ruleset(packages: list[str], scratch: str) -> landlock.Ruleset:
    """Read: the standard library, shared libraries, `packages`. Write: beneath `scratch`. Nothing else."""
    rules = landlock.Ruleset()
    rules.allow(_standard_library() + _libraries(), landlock.READ)
    rules.allow(packages, landlock.READ)
    rules.allow(["/etc/ld.so.cache", "/usr/share/zoneinfo"], landlock.READ)
    rules.allow(["/dev/urandom", "/dev/random", "/dev/zero"], landlock.READ_FILE)
    rules.allow(["/dev/null"], landlock.READ_FILE | landlock.WRITE_FILE)
    rules.allow_all_but_execute([scratch])
    return rules


def _drop_capabilities() -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")


def tasks_of_user() -> int:
    """How many processes and threads this user has now: the kernel counts them together."""
    mine, count = os.getuid(), 0
    for folder in Path("/proc").glob("[0-9]*/task"):
        try:
            if folder.stat().st_uid == mine:
                count += len(os.listdir(folder))  # noqa: PTH208 - names are enough
        except OSError:
            continue
    return count


def processes_allowed(*, filtered: bool) -> int:
    """The limit for a child: filtered, it has only threads, and its user's other processes may grow meanwhile."""
    return tasks_of_user() + MORE_THREADS if filtered else PROCESSES_UNFILTERED


def _set_limits(memory: int, cpu_seconds: int, processes: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: FILE_LIMIT,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_STACK: STACK,
        resource.RLIMIT_NPROC: processes,
    }
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))


def detach(keep: int) -> int:
    """Cut what the fork inherited: session, terminal, open files, environment. Return `keep`'s new number."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    kept = os.dup2(keep, 3, inheritable=False)
    os.environ.clear()
    return kept


def lock(rules: landlock.Ruleset | None, scratch: str, memory: int, cpu_seconds: int, processes: int) -> None:
    """Confine the calling process for good. Without `rules` only the limits are set (L1).

    `processes` is how many processes and threads its user may have; the kernel does not hold root to it.
    Raises OSError where any layer fails: a child must then end at once.
    """
    os.chdir(scratch)
    tempfile.tempdir = scratch
    _set_limits(memory, cpu_seconds, processes)
    _drop_capabilities()
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if rules is not None:
        rules.enter()
    os.closerange(4, 4096)
    if rules is not None:
        seccomp.install()


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _fork_and_forget() -> None:
    if os.fork() == 0:
        os._exit(0)


def breaches(forbidden: list[str]) -> list[str]:
    """What a locked child can do that it must not; [] where all locks hold. `forbidden` are files."""
    attempts: dict[str, Callable[[], object]] = {
        "list the root folder": lambda: list(Path("/").iterdir()),
        "read /proc": lambda: os.open("/proc/self/status", os.O_RDONLY),
        "write outside": lambda: os.open("/tmp", os.O_WRONLY | os.O_TMPFILE, 0o600),
        "open a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "signal its parent": lambda: os.kill(os.getppid(), 0),
        "start a process": _fork_and_forget,
        "change a file's mode": lambda: os.chmod(".", 0o700),  # noqa: PTH101 - the bare system call is meant
    }
    for path in forbidden:
        attempts[f"read {path}"] = lambda path=path: os.open(path, os.O_RDONLY)  # type: ignore[misc]
    found = [name for name, attempt in attempts.items() if not _refused(attempt)]
    try:
        importlib.import_module("colorsys")
    except ImportError:
        found.append("not import the standard library")
    return found
