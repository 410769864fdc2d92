"""First paint of the app against `python -m textual`, both in tmux at 120x36 on this machine, turn by turn.

Prints the medians and their ratio. Needs tmux.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
COMMANDS = {
    "qrtui": [sys.executable, "-m", "qrtui"],
    "python -m textual": [sys.executable, "-m", "textual"],
}


def first_paint(command: list[str], socket: str, database: Path) -> float:
    """Seconds from starting `command` in a fresh terminal until anything but blanks is on its screen."""

    def tmux(*arguments: str) -> str:
        done = subprocess.run(["tmux", "-L", socket, "-f", "/dev/null", *arguments], capture_output=True, text=True)
        return done.stdout

    started = time.perf_counter()
    tmux("new-session", "-d", "-x", "120", "-y", "36", "env", f"QRTUI_DB={database}", *command)
    try:
        while time.perf_counter() - started < 60:
            if tmux("capture-pane", "-p").strip():
                return time.perf_counter() - started
            time.sleep(0.005)
        raise SystemExit(f"{command} painted nothing in 60 s")
    finally:
        tmux("kill-server")


def main() -> None:
    if shutil.which("tmux") is None:
        print("skipped: tmux is not installed")
        return
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(ROUNDS):
            for at, (name, command) in enumerate(COMMANDS.items()):
                seconds[name].append(first_paint(command, f"paint-{turn}-{at}", Path(folder) / "x.db"))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<20} {median:6.2f} s  (of {ROUNDS}: {min(seconds[name]):.2f} to {max(seconds[name]):.2f})")
    print(f"ratio                {medians['qrtui'] / medians['python -m textual']:6.2f}")


if __name__ == "__main__":
    main()
