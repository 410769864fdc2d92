"""Starts `qrtui` commands by forking: torch is imported once, and each command is a process that may be killed.

A script. Over its standard input and output go lines of JSON: words (with paths for the output and for what is shown,
and whether hanging up is ignored) start `qrtui WORDS` and are answered by the process's number; null waits until
everything has ended that was started, and all that these started in their turn, and is answered by the exit statuses,
and by what had to be ended by force.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

MODULES = (
    "evalplus.provider.utility",
    "evalplus.sanitize",
    "scipy.stats",
    "statsmodels.stats.multitest",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.models.llama.tokenization_llama",
    "qrtui.generate.produce",
    "qrtui.generate.solution",
    "qrtui.models.load",
    "qrtui.perturb.weights",
    "qrtui.results.report",
    "qrtui.results.writing",
    "qrtui.run",
)
PATIENCE = 60.0
ORPHANS_PATIENCE = 10.0
_PR_SET_CHILD_SUBREAPER = 36


def serve() -> None:
    """Answer until the input ends."""
    # What a killed process leaves behind becomes ours, and is so found.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    started: list[int] = []
    for line in sys.stdin:
        asked = json.loads(line)
        if asked is None:
            print(json.dumps(ended(started)), flush=True)
            started.clear()
        else:
            started.append(start(**asked))
            print(started[-1], flush=True)


def start(words: list[str], log: str, shown: str, nohup: bool) -> int:
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        if nohup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
            os.dup2(descriptor, target)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        tell_what_is_shown(Path(shown))
        sys.argv[1:] = words
        from qrtui.cli import main

        main()
    except SystemExit as ending:
        sys.stdout.flush()
        os._exit(ending.code if isinstance(ending.code, int) else 1)
    except BaseException:  # noqa: BLE001 - nothing of a child may go on in this script
        traceback.print_exc()
    os._exit(70)


def tell_what_is_shown(shown: Path) -> None:
    """Append the key of each completion that is told, before it is."""
    from qrtui.events import Event, Generated
    from qrtui.plain import Narrator

    tell = Narrator.__call__

    def told(self: Narrator, event: Event) -> None:
        if isinstance(event, Generated):
            with shown.open("a") as file:
                file.write(event.key + "\n")
        tell(self, event)

    Narrator.__call__ = told  # type: ignore[method-assign]


def ended(started: list[int]) -> dict[str, object]:
    """Wait for what was started, then for its orphans."""
    statuses: dict[int, int] = {}
    deadline = time.monotonic() + PATIENCE
    orphans_deadline = None
    left: list[str] = []
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return {"statuses": [os.waitstatus_to_exitcode(statuses[pid]) for pid in started], "left": left}
        if child:
            statuses[child] = status
            continue
        if orphans_deadline is None and set(started) <= set(statuses):
            orphans_deadline = time.monotonic() + ORPHANS_PATIENCE
        if time.monotonic() > (orphans_deadline or deadline):
            for pid in children():
                left.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


if __name__ == "__main__":
    # Imported, and no more: threads that a library started would be lacking after a fork.
    for name in MODULES:
        importlib.import_module(name)
    # Made by the first model that is loaded, and kept.
    with contextlib.suppress(ImportError, AttributeError):
        importlib.import_module("transformers.conversion_mapping").get_checkpoint_conversion_mapping("llama")
    # A collection in a child would go through all of it, page by page a copy.
    gc.freeze()
    print("ready", flush=True)
    serve()
