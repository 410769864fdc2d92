"""From starting the program to the first streamed token of the embedded model, in tmux at 120x36 on this machine.

Opens the Playground as soon as the first screen is painted and starts at once, on an empty database: nothing is known
and nothing is loaded. Prints the seconds from the start to the first paint, to the room and to the first token, and the
same for a second prompt, whose models are there already. Needs tmux and the model (qrtui pull smollm2-135m).

    python benchmarks/playground.py [ROUNDS]
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 180.0
STEPS = ("first paint", "room", "first token", "second turn")


class Terminal:
    """A tmux session that runs the program."""

    def __init__(self, name: str, database: Path) -> None:
        self._name = name
        command = ["env", f"QRTUI_DB={database}", sys.executable, "-m", "qrtui"]
        self.tmux("new-session", "-d", "-x", "120", "-y", "36", *command)

    def tmux(self, *words: str) -> str:
        command = ["tmux", "-L", self._name, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def wait(self, shows: Callable[[str], bool]) -> float:
        """The moment at which the screen shows it."""
        began = time.perf_counter()
        while time.perf_counter() - began < PATIENCE:
            if shows(screen := self.tmux("capture-pane", "-p")):
                return time.perf_counter()
            time.sleep(0.02)
        raise SystemExit(f"never came in {PATIENCE:.0f} s:\n{screen}")


def measure(turn: int, database: Path) -> dict[str, float]:
    started = time.perf_counter()
    terminal = Terminal(f"playground-{turn}", database)
    try:
        painted = terminal.wait(lambda screen: "6 Playground" in screen)
        terminal.press("6")
        entered = terminal.wait(lambda screen: "fp32 original" in screen and "Demo/" in screen)
        terminal.press("s")
        first = terminal.wait(lambda screen: "tok/s" in screen)
        terminal.press("x")
        terminal.wait(lambda screen: "s Start" in screen)
        terminal.press("n")
        terminal.wait(lambda screen: "The choice has changed" in screen)
        again = time.perf_counter()
        terminal.press("s")
        terminal.wait(lambda screen: "tok/s" not in screen)
        second = terminal.wait(lambda screen: "tok/s" in screen)
    finally:
        terminal.press("q")
        time.sleep(0.5)
        terminal.tmux("kill-server")
    moments = (painted - started, entered - started, first - started, second - again)
    return dict(zip(STEPS, moments, strict=True))


def main() -> None:
    if shutil.which("tmux") is None:
        print("skipped: tmux is not installed")
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        found = [measure(turn, Path(folder) / f"{turn}.db") for turn in range(rounds)]
    for step in STEPS:
        values = [one[step] for one in found]
        print(f"{step:<12} {statistics.median(values):6.2f} s  (of {rounds}: {min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    main()
