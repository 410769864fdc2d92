"""Random keys, clicks and sizes, faster than a person: the real app on a terminal, until it ends by an error.

    python benchmarks/fuzz_keys.py [--seconds 600] [--quick] [--seed 0] [--db FILE] [--burst 40]

Keys are typed in bursts without waiting for an answer, which is what a dropped line does when it comes back, a cat on
the keyboard, or a paste into the wrong window; between bursts the terminal may be resized. The app may leave in its own
ways; it is started again then. It must never end by an error, stop answering or leave the terminal unclear. Prints how
much was tried and each failure with the seed and the keys before it. The database, a copy, has what is in FILE, else
the recorded demo.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import fcntl
import os
import pty
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_ANSWER_SECONDS = 15.0
_SIZES = ((120, 36), (80, 24), (200, 60), (40, 12), (100, 30))
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789/?[]{}<>=+-:;,. GNHJKLRFW"
_NAMED = {
    "Enter": "\r",
    "Tab": "\t",
    "BackTab": "\x1b[Z",
    "Escape": "\x1b",
    "Space": " ",
    "Up": "\x1b[A",
    "Down": "\x1b[B",
    "Right": "\x1b[C",
    "Left": "\x1b[D",
    "PageUp": "\x1b[5~",
    "PageDown": "\x1b[6~",
    "Home": "\x1b[H",
    "End": "\x1b[F",
    "Delete": "\x1b[3~",
    "Backspace": "\x7f",
    "F1": "\x1bOP",
    **{f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "abdefghklnoprstuvwxy"},
}
# What leaves the app or starts a run comes often enough by itself: fewer of them lets the rest be reached.
_RARE = {"q", "r", "ctrl+r", "ctrl+q"}


class App:
    """The app on a pseudo terminal."""

    def __init__(self, folder: Path) -> None:
        self._main, other = pty.openpty()
        self.resize((120, 36))
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "QRTUI_DB": str(folder / "x.db"),
            "QRTUI_CONFIG": str(folder / "config.toml"),
            "PYTHONPATH": str(_ROOT),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qrtui"],
            stdin=other,
            stdout=other,
            stderr=other,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        os.close(other)
        self.said = b""

    def resize(self, size: tuple[int, int]) -> None:
        """Give the terminal another size, in columns and rows."""
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def type(self, text: str) -> None:
        """Send bytes as a keyboard would."""
        data = text.encode()
        while data:
            self.read(0)
            _, writable, _ = select.select([], [self._main], [], _ANSWER_SECONDS)
            if not writable:
                return
            data = data[os.write(self._main, data[:256]) :]

    def read(self, seconds: float) -> bool:
        """Take what is written for so long; whether anything was."""
        any_came = False
        until = time.monotonic() + seconds
        while True:
            readable, _, _ = select.select([self._main], [], [], max(0.0, until - time.monotonic()))
            if not readable:
                return any_came
            try:
                piece = os.read(self._main, 65536)
            except OSError:
                return any_came
            if not piece:
                return any_came
            any_came = True
            self.said = (self.said + piece)[-20_000:]

    def answers(self) -> bool:
        """Whether the app still draws when its terminal changes its size and Ctrl+Q is pressed, or has left.

        A terminal that the app has left may have been stopped by a Ctrl+S: Ctrl+Q lets it go on as well.
        """
        self.resize((121, 37))
        with contextlib.suppress(OSError):
            self.type("\x11")
        until = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None or self.read(0.2):
                return True
        return False

    def exit_status(self) -> int | None:
        """The status, where the app has left."""
        return self._process.poll()

    def close(self) -> None:
        """End the app and what it started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._main)


def burst(chance: random.Random, keys: int) -> list[tuple[str, str]]:
    """Names and bytes of some random keys and clicks."""
    typed = []
    for _ in range(chance.randint(1, keys)):
        kind = chance.random()
        if kind < 0.55:
            letter = chance.choice(_LETTERS)
            typed.append((letter, letter))
        elif kind < 0.9:
            name = chance.choice(sorted(_NAMED))
            typed.append((name, _NAMED[name]))
        else:
            column, row = chance.randint(1, 120), chance.randint(1, 36)
            button = chance.choice((0, 0, 0, 64, 65, 2))
            click = f"\x1b[<{button};{column};{row}M\x1b[<{button};{column};{row}m"
            typed.append((f"click {button} at {column},{row}", click))
    return [key for key in typed if key[0] not in _RARE or chance.random() < 0.2]


def main() -> int:
    """Type until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--quick", action="store_true", help="thirty seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--burst", type=int, default=40, help="at most so many keys without a pause")
    parser.add_argument("--db", type=Path, help="a database, which is copied")
    arguments = parser.parse_args()
    failures: collections.Counter[str] = collections.Counter()
    typed = lives = 0
    until = time.monotonic() + (30 if arguments.quick else arguments.seconds)
    while time.monotonic() < until:
        seed = arguments.seed + lives
        lives += 1
        with tempfile.TemporaryDirectory(prefix="qrtui-keys-") as made:
            keys, why = _live(random.Random(seed), Path(made), arguments, until)
        typed += len(keys)
        if why:
            failures[why] += 1
            print(f"seed {seed}, after {len(keys)} keys: {why}\n  last: {' '.join(keys[-30:])}", flush=True)
    failed = sum(failures.values())
    print(f"{typed} keys and clicks in {lives} lives of the app, {failed} failures of {len(failures)} kinds")
    return 1 if failures else 0


def _live(chance: random.Random, folder: Path, arguments: argparse.Namespace, until: float) -> tuple[list[str], str]:
    """One life of the app: the keys, and why it ended wrongly, empty where it did not."""
    if arguments.db:
        _copy(arguments.db, folder / "x.db")
    else:
        _import_demo(folder)
    app = App(folder)
    keys: list[str] = []
    try:
        app.read(chance.choice((0.3, 1.5, 3.0)))
        life_until = min(until, time.monotonic() + 60)
        while time.monotonic() < life_until and app.exit_status() is None:
            pressed = burst(chance, arguments.burst)
            keys += [name for name, _ in pressed]
            # The app may leave meanwhile.
            with contextlib.suppress(OSError):
                app.type("".join(data for _, data in pressed))
            app.read(chance.choice((0.0, 0.05, 0.2, 0.6)))
            if chance.random() < 0.1:
                keys.append("resize")
                app.resize(chance.choice(_SIZES))
        status = app.exit_status()
        if status is None and not app.answers():
            return keys, "it does not answer"
        app.read(0.3)
        status = app.exit_status()
        said = app.said.decode(errors="replace")
        if status not in (None, 0, 130):
            return keys, f"exit status {status}: {_reason(folder, said)}"
        if "Traceback" in said or "ended by an error" in said:
            return keys, _reason(folder, said)
        return keys, ""
    finally:
        app.close()


def _reason(folder: Path, said: str) -> str:
    """The error's last line, from the app's log."""
    for log in folder.rglob("qrtui.log"):
        text = re.sub(r"(\x1b|␛)\[[0-9;]*m", "", log.read_text(errors="replace"))
        errors = re.findall(
            r"^(?:\w+(?:\.\w+)*(?:Error|Matches|Exception|Interrupt|Widget|Group)\w*:.*)$", text, re.MULTILINE
        )
        places = re.findall(r"(\w+\.py):(\d+) in (\w+)", text)
        if errors:
            return f"{errors[-1][:160]} ({', '.join(':'.join(place) for place in places[-3:])})"
    return said[-200:]


def _copy(source: Path, target: Path) -> None:
    """A copy of a database and what belongs to it."""
    for name in ("", "-wal"):
        if Path(f"{source}{name}").exists():
            shutil.copy(f"{source}{name}", f"{target}{name}")


def _import_demo(folder: Path) -> None:
    """The recorded demo, imported."""
    subprocess.run(
        [sys.executable, "-m", "qrtui", "import", str(_ROOT / "tests/recorded/demo/1"), "--db", str(folder / "x.db")],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )


if __name__ == "__main__":
    sys.exit(main())
