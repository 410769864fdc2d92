"""The real program on a terminal of our own: what it writes there of texts that would drive the terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from pathlib import Path

from qrtui.results.store import Store
from tests.hostile_texts import UNPRINTABLE
from tests.results.test_harmless import hostile

# What Textual itself sends: colours, cursor movements, modes, queries, the shape of the mouse pointer, line ends.
OWN = re.compile(r"\x1b\[[?<=>]?[0-9;:]*\$?[A-Za-z]|\x1b[78=>]|\x1b[_P][^\x1b]*\x1b\\|\x1b\]22;\w+\x07|\r\n")


class Program:
    """qrtui on a pseudo-terminal of 120 columns and 36 lines."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ.update(environment)
            os.execv(sys.executable, [sys.executable, "-m", "qrtui", *arguments])
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.written = b""

    def press(self, keys: str, wanted: str) -> None:
        """Send keys and read until `wanted` was written anew and all is quiet."""
        before = len(self.written)
        os.write(self._fd, keys.encode())
        deadline = time.monotonic() + 20
        while self._read(0.15) or wanted not in OWN.sub("", self.written[before:].decode(errors="replace")):
            assert time.monotonic() < deadline, f"{wanted!r} never came after {keys!r}"

    def end(self) -> int:
        os.write(self._fd, b"q")
        while self._read(5):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self, patience: float) -> bool:
        try:
            more = os.read(self._fd, 1 << 16) if select.select([self._fd], [], [], patience)[0] else b""
        except OSError:
            return False
        self.written += more
        return bool(more)


def test_no_room_lets_a_text_drive_the_terminal(tmp_path: Path):
    database = tmp_path / "hostile.db"
    with Store(database) as store:
        store.end_run(hostile(store), "finished")
    program = Program("--db", str(database), HOME=str(tmp_path), TERM="xterm-256color", QRTUI_DEBUG="1")
    program.press("", "demo")
    for keys, wanted in (
        ("5", "Run 1"),
        ("d", "Delete"),
        ("\x1b", "Run 1"),
        ("\r", "title"),
        ("2", "title"),
        ("4", "title"),
        ("3", "title"),
        ("w", "title"),
    ):
        program.press(keys, wanted)
    assert program.end() == 0
    written = program.written.decode()
    assert "\x1b[2J" not in written
    left = OWN.sub("", written)
    assert [left[max(0, at.start() - 30) : at.end() + 30] for at in UNPRINTABLE.finditer(left)] == []
    assert "[red]b[/red]" in left
