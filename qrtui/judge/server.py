"""`python -m qrtui.judge.server`: the trusted process that judges for the app.

It holds inputs and expected values, and compares; a sandboxed zygote executes. It takes requests on its
standard input and answers on its standard output, one at a time, and ends with the process that started it.

    qrtui.judge.server [--level L3|L2|L1] [--probe] [--keep FD]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import OrderedDict
from typing import IO, Any, get_args

import msgspec

from qrtui.errors import JudgeError, QrtuiError
from qrtui.judge import confine, landlock, seccomp, wire
from qrtui.judge.judging import Prepared, verdict_of
from qrtui.judge.launch import LaunchError, Zygote
from qrtui.judge.scratch_place import ScratchError, sweep_left
from qrtui.judge.truth import truth_of
from qrtui.judge.verdict import Level

_TASKS_KEPT = 1024


def strongest(report: dict[str, str], keep: int | None = None) -> Zygote | None:
    """A zygote at the strongest level that works here, L3 or L2; `report` says what each layer said."""
    if not landlock.abi():
        report["landlock"] = "this kernel has no Landlock, or has it switched off"
    else:
        report["landlock"] = f"ABI {landlock.abi()}"
    report["seccomp"] = "system call table known" if seccomp.supported() else f"no table for {os.uname().machine}"
    for level, layer in (("L3", "namespaces"), ("L2", "locks")):
        try:
            zygote = Zygote(level, keep)  # type: ignore[arg-type]
        except ScratchError as error:
            report[wire.NO_SCRATCH] = str(error)
        except (LaunchError, OSError) as error:
            report[layer] = str(error)
        else:
            report[layer] = "bubblewrap works" if level == "L3" else "Landlock and seccomp hold"
            return zygote
    return None


class Server:
    """Judges requests, one after the other, with one zygote."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request: a verdict, an error for the user, or that the task must be sent."""
        try:
            prepared = self._task(request["key"], request.get("task"))
            if prepared is None:
                return {"missing": request["key"]}
            verdict = verdict_of(self._zygote, prepared, request["solution"])
            if {verdict.base, verdict.plus} - {"passed", None} and self._zygote.is_out_of_room:
                raise JudgeError("the folder for temporary files is full", "free some space, or set TMPDIR to another")
        except QrtuiError as error:
            return {"problem": error.problem, "way_out": error.way_out}
        return {"verdict": msgspec.to_builtins(verdict)}

    def _task(self, key: str, packed: dict[str, Any] | None) -> Prepared | None:
        if key in self._prepared:
            self._prepared.move_to_end(key)
        elif packed is None:
            return None
        else:
            task = wire.unpack_task(packed)
            self._prepared[key] = Prepared(task, truth_of(self._zygote, task, key))
            if len(self._prepared) > _TASKS_KEPT:
                self._prepared.popitem(last=False)
        return self._prepared[key]


def _serve(zygote: Zygote, requests: IO[bytes], replies: IO[bytes]) -> None:
    server = Server(zygote)
    while True:
        try:
            request = wire.read(requests)
        except EOFError:
            return
        wire.write(replies, server.answer(request))


def _open(level: Level | None, report: dict[str, str], keep: int | None) -> Zygote | None:
    if level is None:
        return strongest(report, keep)
    try:
        return Zygote(level, keep)
    except ScratchError as error:
        report[wire.NO_SCRATCH] = str(error)
        return None
    except (LaunchError, OSError) as error:
        report["start"] = str(error)
        return None


def main(arguments: list[str] | None = None) -> int:
    """Serve until standard input closes; 0 unless no zygote could be started, or the one that was has ended."""
    parser = argparse.ArgumentParser(prog="qrtui.judge.server")
    parser.add_argument("--level", choices=get_args(Level))
    parser.add_argument("--probe", action="store_true", help="say what works here and end")
    parser.add_argument("--keep", type=int, help="a file descriptor to hold open for as long as anything runs")
    chosen = parser.parse_args(arguments)
    parent = os.getppid()
    confine.die_with_parent()
    confine.hide_memory()
    if os.getppid() != parent:
        return 1
    requests, replies = _own_streams()
    sweep_left()
    report: dict[str, str] = {}
    zygote = _open(chosen.level, report, chosen.keep)
    wire.write(replies, {"level": zygote and zygote.level, "layers": report})
    if zygote is None:
        return 1
    try:
        if not chosen.probe:
            _serve(zygote, requests, replies)
    except BrokenPipeError:
        return 0
    except LaunchError:
        return wire.SANDBOX_GONE
    finally:
        zygote.close()
    return 0


def _own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes to the app, taken off fds 0 and 1 so that nothing that reads or prints can meet them."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return requests, replies


if __name__ == "__main__":
    sys.exit(main())
