"""The real program in a real terminal, for what a pilot cannot see."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

PROGRAM = """
import os, sys
from pathlib import Path
import filled
from qrtui.events import RunEnded, RunStarted, Stage
from qrtui.tui import app as tui

old_stderr = sys.stderr

def run(experiment, database, emit, control, *, allow_unsafe_judge=False):
    emit(RunStarted(1, "demo", 180, 0, 180, "cpu", "L2", False))
    while not control.stopping:
        print("CHATTER by print")
        print("CHATTER by a handler", file=old_stderr)
        os.write(1, b"CHATTER by C on 1\\n")
        os.write(2, b"CHATTER by C on 2\\n")
        os.system("echo CHATTER by a child >&2")
        emit(Stage("generating noise"))
        control.stop_event.wait(0.05)
    return RunEnded(1, "stopped", "as asked")

class App(tui.QrtuiApp):
    def __init__(self, *given):
        super().__init__(*given, run_function=run)

tui.QrtuiApp = App
raise SystemExit(tui.open_app(Path(sys.argv[1]), filled.EXPERIMENT, start=True))
"""


class Terminal:
    """A tmux session of its own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def tmux(self, *words: str) -> str:
        command = ["tmux", "-L", self._name, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def wait_for(self, words: str, seconds: float = 30) -> str:
        deadline = time.monotonic() + seconds
        while words not in (screen := self.screen()):
            assert time.monotonic() < deadline, f"{words!r} never came:\n{screen}"
            time.sleep(0.05)
        return screen


@pytest.fixture
def terminal(tmp_path: Path):
    session = Terminal(f"qrtui-test-{os.getpid()}")
    session.tmux(
        "new-session", "-d", "-x", "120", "-y", "36", "-e", f"HOME={tmp_path}", "-e", f"XDG_STATE_HOME={tmp_path}", "sh"
    )
    yield session
    session.tmux("kill-server")


def test_chatter_stays_off_the_screen_and_quitting_gives_the_terminal_back(terminal: Terminal, tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    path = os.pathsep.join([str(Path(__file__).parent), str(Path.cwd())])
    environment = f"PYTHONPATH={shlex.quote(path)} XDG_STATE_HOME={tmp_path}"
    command = f"{environment} {shlex.quote(sys.executable)} {program} {tmp_path / 'db'}; echo left with $?"
    terminal.tmux("send-keys", command, "Enter")
    terminal.wait_for("2 Run")
    screen = terminal.wait_for("generating noise")
    time.sleep(0.5)
    screen = terminal.screen()
    assert "1 Setup" in screen.splitlines()[1]
    outside_log = screen.split("─ Log ─")[0]
    assert "CHATTER" not in outside_log
    terminal.tmux("send-keys", "q")
    terminal.wait_for("A run is under way")
    terminal.tmux("send-keys", "Left", "Enter")
    screen = terminal.wait_for("left with 0")
    assert "Run 1 stopped: 0 of 180 judged." in screen
    assert "See it: qrtui report 1" in screen
    assert "CHATTER" not in screen
    assert terminal.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag}").strip() == "0 0"
    terminal.tmux("send-keys", "echo still $((6 * 7))", "Enter")
    terminal.wait_for("still 42")
    (log,) = tmp_path.rglob("qrtui.log")
    assert {"CHATTER by a handler", "CHATTER by C on 1", "CHATTER by C on 2", "CHATTER by a child"} == set(
        re.findall("CHATTER.*", log.read_text())
    )
    assert log.stat().st_mode & 0o777 == 0o600
