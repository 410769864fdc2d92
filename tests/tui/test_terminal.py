"""The real program in a real terminal, for what a pilot cannot see."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
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
    Path("ended").write_text("in good order")
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
    session = Terminal(f"qrtui-{os.getpid()}-{tmp_path.name}")
    session.tmux(
        "new-session", "-d", "-x", "120", "-y", "36", "-e", f"HOME={tmp_path}", "-e", f"XDG_STATE_HOME={tmp_path}", "sh"
    )
    yield session
    session.tmux("kill-server")


def start(terminal: Terminal, folder: Path) -> None:
    """Start the program with a run that never ends, and wait for it."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    path = os.pathsep.join([str(Path(__file__).parent), str(Path.cwd())])
    environment = f"PYTHONPATH={shlex.quote(path)} XDG_STATE_HOME={folder}"
    command = f"cd {folder}; {environment} {shlex.quote(sys.executable)} {program} {folder / 'db'}; echo left with $?"
    terminal.tmux("send-keys", command, "Enter")
    terminal.wait_for("2 Run")
    terminal.wait_for("generating noise")


def processes(terminal: Terminal) -> tuple[int, int]:
    """The guardian's process and the app's."""
    shell = terminal.tmux("display-message", "-p", "#{pane_pid}").strip()

    def child(of: str) -> str:
        return Path(f"/proc/{of}/task/{of}/children").read_text().split()[0]

    guardian = child(shell)
    return int(guardian), int(child(guardian))


def is_as_it_was(terminal: Terminal) -> None:
    """The terminal is on its own screen, shows its cursor, reports no mouse, and echoes."""
    modes = "#{alternate_on} #{mouse_any_flag} #{cursor_flag} #{wrap_flag}"
    assert terminal.tmux("display-message", "-p", modes).strip() == "0 0 1 1"
    terminal.tmux("send-keys", "echo still $((6 * 7))", "Enter")
    assert "echo still $((6" in terminal.wait_for("still 42")


def test_chatter_stays_off_the_screen_and_quitting_gives_the_terminal_back(terminal: Terminal, tmp_path: Path):
    start(terminal, tmp_path)
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
    is_as_it_was(terminal)
    (log,) = tmp_path.rglob("qrtui.log")
    assert {"CHATTER by a handler", "CHATTER by C on 1", "CHATTER by C on 2", "CHATTER by a child"} == set(
        re.findall("CHATTER.*", log.read_text())
    )
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_leaves_a_clear_screen_and_says_what_happened(
    terminal: Terminal, tmp_path: Path, number: signal.Signals
):
    start(terminal, tmp_path)
    assert terminal.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag}").strip() == "1 1"
    os.kill(processes(terminal)[1], number)
    screen = terminal.wait_for(f"left with {128 + number}")
    assert f"the app was ended by {number.name}. What was judged is in the database." in " ".join(screen.split())
    is_as_it_was(terminal)
    if number == signal.SIGSEGV:
        (log,) = tmp_path.rglob("qrtui.log")
        assert "Segmentation fault" in log.read_text(), "the native traceback is in the log"


def test_being_told_to_end_stops_the_run_and_leaves_a_clear_screen(terminal: Terminal, tmp_path: Path):
    start(terminal, tmp_path)
    os.kill(processes(terminal)[0], signal.SIGTERM)
    screen = terminal.wait_for("left with 0")
    assert "Run 1 stopped: 0 of 180 judged." in screen
    is_as_it_was(terminal)


@pytest.mark.parametrize("leader", ["dies of SIGHUP", "keeps SIGHUP to itself"])
def test_a_dropped_line_stops_the_run_and_ends_the_app(terminal: Terminal, tmp_path: Path, leader: str):
    """`make` is a leader of the second kind: the app has no signal and must see by itself that its terminal is gone."""
    if leader == "keeps SIGHUP to itself":
        terminal.tmux("send-keys", "trap : HUP", "Enter")
    start(terminal, tmp_path)
    both = processes(terminal)
    terminal.tmux("kill-pane")
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in both):
        assert time.monotonic() < deadline, "the app outlives its terminal"
        time.sleep(0.05)
    assert (tmp_path / "ended").read_text() == "in good order"


def test_suspended_and_taken_up_again(terminal: Terminal, tmp_path: Path):
    start(terminal, tmp_path)
    terminal.tmux("send-keys", "C-z")
    terminal.wait_for("Stopped")
    assert terminal.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag}").strip() == "0 0"
    terminal.tmux("send-keys", "fg", "Enter")
    terminal.wait_for("2 Run")
    terminal.tmux("send-keys", "q")
    terminal.wait_for("A run is under way")


def test_control_c_leaves_a_dialog_and_then_asks(terminal: Terminal, tmp_path: Path):
    start(terminal, tmp_path)
    terminal.tmux("send-keys", "1")
    terminal.wait_for("Models")
    terminal.tmux("send-keys", "C-o")
    terminal.wait_for("Load preset ─")
    terminal.tmux("send-keys", "C-c")
    deadline = time.monotonic() + 10
    while "Esc goes back" in terminal.screen():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    terminal.tmux("send-keys", "C-c")
    terminal.wait_for("A run is under way")
