"""The same hostile programs at each level, as whoever runs the tests and, where that is root, as an ordinary user too.

Each must get its verdict, leave nothing outside changed and no process behind. Beside our own there is a corpus kept
with the project's data, tried where it is there.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import beside
from .hostile_cases import OWN
from .hostile_refused import REFUSED

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("hostile_runner.py")
NOBODY = 65534
CORPUS_VERDICTS = {"pass": ("passed",), "not_pass": ("failed", "timeout", "crashed", "memory", "tampered")}
CORPUS_VERDICTS["not_pass"] += ("syntax error", "missing function", "output too large")


def corpus() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Each program of the corpus with the statuses it may get; empty where there is no corpus."""
    expected = beside("hostile/expected.json")
    if expected is None:
        return {}
    told = json.loads(expected.read_text())
    cases = {name: case for name, case in told.items() if not name.startswith("_")}
    return {
        f"corpus {name}": (
            expected.with_name(f"{name}.py").read_text(),
            CORPUS_VERDICTS.get(case["verdict"], CORPUS_VERDICTS["pass"] + CORPUS_VERDICTS["not_pass"]),
        )
        for name, case in cases.items()
    }


CASES = {**OWN, **corpus()}
SLOW = {name for name in CASES if any(word in name for word in ("loop", "bomb", "recursion", "huge"))}
ALL, QUICK = frozenset(CASES), frozenset(REFUSED) | (frozenset(corpus()) - SLOW)


@dataclass
class Tried:
    """What the runner said, what was seen on its terminal, and the folder it ran beside."""

    result: dict[str, Any]
    terminal: bytes
    folder: Path
    connections: int
    left: list[int]


@pytest.fixture(scope="module")
def ordinary_python() -> Iterator[list[str]]:
    """An interpreter that an ordinary user may execute: this one, or a copy of it."""
    folder = Path(tempfile.mkdtemp(prefix="qrtui-python-"))
    folder.chmod(0o755)
    try:
        if works(sys.executable):
            yield [sys.executable]
            return
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        skipped = shutil.ignore_patterns(
            "site-packages", "test", "tests", "config-*", "idlelib", "tkinter", "ensurepip"
        )
        shutil.copytree(Path(sys.base_prefix) / "lib" / version, folder / "lib" / version, ignore=skipped)
        (folder / "bin").mkdir()
        copy = shutil.copy(os.path.realpath(sys.executable), folder / "bin" / version)
        if not works(copy):
            pytest.skip("an ordinary user can execute neither this interpreter nor a copy of it")
        yield [copy]
    finally:
        shutil.rmtree(folder)


def works(python: str) -> bool:
    command = [python, "-c", "import qrtui.judge.pool, numpy"]
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), *site_packages()])}
    try:
        done = subprocess.run(
            command, env=environment, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


@pytest.fixture(
    scope="module",
    params=[
        ("this user", "as found", ALL),
        ("this user", "L2", QUICK),
        ("nobody", "as found", QUICK),
        ("nobody", "L2", ALL),
    ],
    ids=lambda param: f"{param[0]}, {param[1]}",
)
def tried(request: pytest.FixtureRequest) -> Iterator[Tried]:
    user, level, names = request.param
    if user == "nobody" and os.getuid() != 0:
        pytest.skip("only root can become an ordinary user")
    python = request.getfixturevalue("ordinary_python") if user == "nobody" else [sys.executable]
    folder = Path(tempfile.mkdtemp(prefix="qrtui-hostile-"))
    folder.chmod(0o777)
    try:
        yield run(python, folder, names, user == "nobody", bubblewrap=level != "L2")
    finally:
        shutil.rmtree(folder)


def run(python: list[str], folder: Path, names: frozenset[str], ordinary: bool, *, bubblewrap: bool) -> Tried:
    (folder / "victim.txt").write_text("x")
    (folder / "victim.txt").chmod(0o666)
    for name in ("cache", "tmp", "bin"):
        (folder / name).mkdir()
        (folder / name).chmod(0o1777)
    environment = {
        "PATH": os.environ["PATH"] if bubblewrap else str(folder / "bin"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *site_packages()]),
        "QRTUI_CACHE": str(folder / "cache"),
        "TMPDIR": str(folder / "tmp"),
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        port = str(listener.getsockname()[1])
        programs = {name: code for name, (code, _) in CASES.items() if name in names}
        cases = {name: code.replace("@DIR@", str(folder)).replace("@PORT@", port) for name, code in programs.items()}
        (folder / "cases.json").write_text(json.dumps(cases))
        terminal = watched([*python, str(RUNNER), str(folder / "cases.json"), str(folder / "result.json")],
                           environment, ordinary)  # fmt: skip
        connections = 0
        try:
            listener.accept()
            connections = 1
        except TimeoutError:
            pass
    if not (folder / "result.json").exists():
        text = terminal.decode(errors="replace")
        if "cannot be isolated" in text:
            pytest.skip(f"no isolation for this user: {text.strip().splitlines()[-1]}")
        raise AssertionError(text)
    result = json.loads((folder / "result.json").read_text())
    return Tried(result, terminal, folder, connections, processes_of(str(folder / "cache")))


def watched(command: list[str], environment: dict[str, str], ordinary: bool) -> bytes:
    """Run to the end with a terminal of its own; returns all that was written on it."""
    ours, theirs = pty.openpty()
    seen = bytearray()

    def watch() -> None:
        try:
            while data := os.read(ours, 1 << 16):
                seen.extend(data)
        except OSError:
            return  # Linux says EIO when the last process has hung up

    os.fchmod(theirs, 0o666)
    who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if ordinary else {}
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd="/",
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        **who,
    )
    os.close(theirs)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        process.wait(180)
    finally:
        process.kill()
        watcher.join(10)
        os.close(ours)
    return bytes(seen)


def processes_of(mark: str) -> list[int]:
    """Processes with this text in their environment or command line, a moment after the end."""
    until = time.monotonic() + 3
    while True:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                text = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in text:
                found.append(int(folder.name))
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.05)


def test_every_program_gets_its_verdict(tried: Tried) -> None:
    verdicts = tried.result["verdicts"]
    wrong = {
        name: (verdict["base"], verdict["error"], verdict["got"])
        for name, verdict in verdicts.items()
        if verdict["base"] not in CASES[name][1]
    }
    assert wrong == {}


def test_no_program_costs_more_than_its_limit(tried: Tried) -> None:
    """A call has one second of the processor, loading five; a busy machine may stretch both fourfold."""
    slow = {name: verdict["seconds"] for name, verdict in tried.result["verdicts"].items() if verdict["seconds"] > 20}
    assert slow == {}


def test_nothing_outside_is_changed(tried: Tried) -> None:
    kept = {"victim.txt", "cases.json", "result.json", "results.db", "cache", "tmp", "bin"}
    assert {entry.name for entry in tried.folder.iterdir()} == kept
    assert (tried.folder / "victim.txt").read_text() == "x"
    assert tried.result["database"] == [[[1]], "ok"]
    assert [entry.name for entry in (tried.folder / "cache").iterdir()] == ["ground-truth"]
    assert list((tried.folder / "tmp").iterdir()) == []
    assert tried.connections == 0


def test_nothing_reaches_the_terminal(tried: Tried) -> None:
    assert tried.terminal == b""
    for verdict in tried.result["verdicts"].values():
        told = "".join(filter(None, (verdict[key] for key in ("error", "got", "expected", "failing_input"))))
        assert told.isprintable()


def test_no_process_is_left(tried: Tried) -> None:
    assert tried.left == []


def test_the_corpus_was_tried() -> None:
    if not corpus():
        pytest.skip("the corpus of hostile programs is not kept beside this checkout")
    assert len(corpus()) > 20
