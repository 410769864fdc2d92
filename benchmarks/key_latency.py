"""How soon a key is answered while a model generates: the real program, driven through tmux at 120x36.

Starts a run of the embedded model in the app, waits until completions are being made, then moves the cursor between two
conditions and takes the time until the line below the table says the other condition's words. The same is done while
the run is paused, as what the app takes when it has the machine to itself; and, while the model generates, to a program
in a second tmux that only says which key it got, as what tmux and this measuring take of it. Needs tmux.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_PATIENCE_SECONDS = 300.0
_ANSWER_SECONDS = 10.0
_ECHO = (
    "import sys, tty; tty.setraw(0); [print(key, end='\\r', flush=True) for key in iter(lambda: sys.stdin.read(1), '')]"
)


class Terminal:
    """The program in a tmux of its own, spoken to over one control connection: no process is started for a key."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._socket = str(folder / "tmux")
        environment = {**os.environ, "QRTUI_DB": str(folder / "x.db"), "QRTUI_CONFIG": str(folder / "config.toml")}
        self._control = subprocess.Popen(
            ["tmux", "-S", self._socket, "-f", "/dev/null", "-C", "new-session", "-x", "120", "-y", "36", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            errors="replace",
        )
        self.ask("refresh-client -C 120x36")

    def ask(self, command: str) -> str:
        """Give tmux a command; returns what it answers."""
        assert self._control.stdin
        assert self._control.stdout
        self._control.stdin.write(command + "\n")
        self._control.stdin.flush()
        answer: list[str] | None = None
        for line in self._control.stdout:
            if line.startswith("%begin"):
                answer = []
            elif line.startswith(("%end", "%error")):
                # The first block answers the session's own beginning.
                if answer is not None and line.split()[-1] != "0":
                    return "".join(answer)
            elif answer is not None:
                answer.append(line)
        raise SystemExit("the terminal is gone")

    def screen(self) -> str:
        """What stands on the screen."""
        return self.ask("capture-pane -p")

    def press(self, key: str) -> None:
        """Press a key."""
        self.ask(f"send-keys {key}")

    def wait(self, pattern: str, seconds: float) -> float:
        """Seconds until the screen matches; ends the program if it does not."""
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            if re.search(pattern, self.screen()):
                return time.perf_counter() - started
            time.sleep(0.001)
        raise SystemExit(f"nothing on the screen matches {pattern!r} after {seconds:.0f} s:\n{self.screen()}")

    def close(self) -> None:
        """End the program."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, capture_output=True)
        self._control.wait(timeout=20)


def answers(terminal: Terminal, keys: tuple[str, str], patterns: tuple[str, str], count: int) -> list[float]:
    """Milliseconds from each of `count` key presses to its answer; the two keys take turns."""
    found = []
    for at in range(count):
        terminal.press(keys[at % 2])
        found.append(1000 * terminal.wait(patterns[at % 2], _ANSWER_SECONDS))
        # Keys come at all moments of a decoding step.
        time.sleep(0.15 + 0.037 * (at % 7))
    return found


def echoed(folder: Path, count: int) -> list[float]:
    """Milliseconds to the answers of a program that does nothing but answer."""
    terminal = Terminal([sys.executable, "-c", _ECHO], folder)
    try:
        time.sleep(1)
        return answers(terminal, ("j", "k"), (r"^j", r"^k"), count)
    finally:
        terminal.close()


def said(name: str, milliseconds: list[float]) -> str:
    ordered = sorted(milliseconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"{name:<28} median {statistics.median(ordered):6.0f} ms   95 % {p95:6.0f} ms   most {ordered[-1]:6.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=100)
    given = parser.parse_args()
    if shutil.which("tmux") is None:
        print("skipped: tmux is not installed")
        return
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        terminal = Terminal([sys.executable, "-m", "qrtui", "demo"], Path(folder))
        try:
            terminal.wait(r"generating with", _PATIENCE_SECONDS)
            terminal.wait(r"prompts, [\d.]+ characters|char\b", _PATIENCE_SECONDS)
            # From the last clean condition, which has no strength to tell, to the attacked one below it and back.
            terminal.press("j j")
            keys, patterns = ("j", "k"), (r"changes \d+ of", r"^(?![\s\S]*changes \d+ of)")
            busy = answers(terminal, keys, patterns, given.keys)
            echo = echoed(Path(other), given.keys // 2)
            still = re.search(r"generating with", terminal.screen()) is not None
            terminal.press("p")
            terminal.wait(r"paused", 60)
            idle = answers(terminal, keys, patterns, given.keys // 2)
        finally:
            terminal.close()
    print(said("while the run is paused", idle))
    print(said("while the model generates", busy))
    print(said("of that, tmux and measuring", echo))
    print(f"ratio of the medians {statistics.median(busy) / statistics.median(idle):.1f}")
    if not still:
        print("note: the run went on to another stage meanwhile")


if __name__ == "__main__":
    main()
