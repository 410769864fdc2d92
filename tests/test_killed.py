"""Real runs, killed at random moments: nothing that was shown is lost, nothing is made twice, nothing stays behind."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qrtui.results.integrity import damage
from qrtui.results.store import Store

from .test_run import TASKS

KILLS = 30
LATEST = 0.75
"""The last moment at which something is killed, in lengths of an unbroken run: most of them are cut short."""
PRESET = """
name = "{name}"
device = "cpu"
[[models]]
id = "{model}"
[precisions]
quantized = ["bf16"]
[tasks]
datasets = ["own.jsonl"]
[noise]
kinds = ["gaussian"]
levels = [{level}]
[generation]
max_new_tokens = {tokens}
batch_size = 3
"""


class Warm:
    """Commands started by `warm_runs.py`, with a folder for databases, presets, logs and the judge's scratch."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.scratch = folder, folder / "tmp"
        self.scratch.mkdir()
        (folder / "own.jsonl").write_text("\n".join(map(json.dumps, TASKS[:3])))
        self.preset("tiny", model)
        environment = {
            **os.environ,
            "TMPDIR": str(self.scratch),
            "QRTUI_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
            "PATH": "",  # no bubblewrap: its scratch folder would not be on the disk
        }
        command = [sys.executable, "-m", "tests.warm_runs", str(model)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        assert self._answer() == "ready"

    def preset(self, name: str, model: Path, level: float = 0.1, tokens: int = 6) -> Path:
        path = self.folder / f"{name}.toml"
        path.write_text(PRESET.format(name=name, model=model, level=level, tokens=tokens))
        return path

    def start(self, database: Path, preset: str = "tiny", *, out: Path | None = None, nohup: bool = False) -> int:
        """Start `qrtui run`, its output to `out`, else the database's log; returns its process's number."""
        words = ["run", str(self.folder / f"{preset}.toml"), "--db", str(database)]
        log = str(self.log(database))
        self._send({"words": words, "log": str(out or log), "shown": f"{log}-shown", "nohup": nohup})
        return int(self._answer())

    def end(self) -> list[int]:
        """The exit statuses of all that was started since, once it has ended; nothing else may be left of it."""
        self._send(None)
        answer = json.loads(self._answer())
        assert answer["left"] == []
        assert list(self.scratch.iterdir()) == []
        statuses: list[int] = answer["statuses"]
        return statuses

    @property
    def slow(self) -> str:
        """The name of a preset whose run goes on for minutes."""
        text = (self.folder / "tiny.toml").read_text().replace("max_new_tokens = 6", "max_new_tokens = 3000")
        (self.folder / "slow.toml").write_text(text)
        return "slow"

    def run(self, database: Path, preset: str = "tiny") -> int:
        self.start(database, preset)
        return self.end()[0]

    def shown(self, database: Path) -> list[str]:
        path = Path(str(self.log(database)) + "-shown")
        return path.read_text().split() if path.exists() else []

    @staticmethod
    def log(database: Path) -> Path:
        return database.with_suffix(".log")

    def close(self) -> None:
        self._process.communicate()

    def _send(self, asked: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Iterator[Warm]:
    opened = Warm(tmp_path_factory.mktemp("warm"), tiny_llama)
    yield opened
    opened.close()


def results(database: Path, run: str = "latest") -> dict[Any, Any]:
    """All that a run found, by condition, task and sample."""
    with Store(database) as store:
        record = store.run(run)
        assert record.status == "finished"
        return {
            (case.condition.precision, case.condition.perturbation, case.task): (
                case.prompt,
                case.text,
                case.solution,
                case.finish,
                case.tokens,
                case.base,
                case.failing_input,
                case.got,
            )
            for task in TASKS[:3]
            for case in store.cases(record.id, task["task_id"])
        }


def is_whole(warm: Warm, database: Path) -> None:
    """The file is sound, holds all that was shown, once each, and knows that nobody runs."""
    log = warm.log(database).read_text() if warm.log(database).exists() else ""
    assert "Traceback" not in log, log
    shown = warm.shown(database)
    assert len(shown) == len(set(shown)), "a completion was made twice"
    if not database.exists():
        assert not shown
        return
    with contextlib.closing(sqlite3.connect(database)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            assert not shown
            return
    with Store(database) as store:
        assert damage(store._db.conn) == []
        assert store.known(shown) == set(shown)
        assert all(run.status != "running" for run in store.runs())


def offspring(parent: int, generations: int) -> int | None:
    """A child, grandchild ... of a process."""
    for _ in range(generations):
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            for thread in Path(f"/proc/{parent}/task").iterdir():
                children += (thread / "children").read_text().split()
            if not children:
                return None
            parent = int(children[0])
    return parent


SIGNALS = {
    "SIGKILL": [signal.SIGKILL],
    "SIGTERM": [signal.SIGTERM],
    "SIGHUP": [signal.SIGHUP],
    "SIGINT": [signal.SIGINT],
    "SIGINT twice": [signal.SIGINT, signal.SIGINT],
}
JUDGES = {"server": 1, "zygote": 2, "child": 3}


def hurt(process: int, how: str) -> bool:
    """Do it; whether there was what was to be hurt."""
    victim = offspring(process, JUDGES[how]) if how in JUDGES else process
    if victim is None:
        return False
    for number in SIGNALS.get(how, [signal.SIGKILL]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
    return True


class Chain:
    """A database, and the kills after each of which the same command takes up the run in it, until it has ended."""

    def __init__(self, warm: Warm, number: int, rng: random.Random) -> None:
        self.database = warm.folder / f"broken-{number}.db"
        self._warm, self._rng, self._kind = warm, rng, ""
        self._process = 0

    def start(self) -> float:
        """Start the command; returns when something shall be killed, in lengths of an unbroken run."""
        self._kind = self._rng.choice(["SIGKILL"] * 5 + [*SIGNALS, *JUDGES])
        self._process = self._warm.start(self.database)
        return self._rng.uniform(0, LATEST)

    def hurt(self) -> bool:
        return hurt(self._process, self._kind)

    def is_over(self, status: int) -> bool:
        is_whole(self._warm, self.database)
        assert status in {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, 130, 0}, self._kind
        return status == 0


def test_runs_killed_at_thirty_random_moments_end_as_an_unbroken_one(warm: Warm) -> None:
    """Two of them at a time, each with a database of its own."""
    databases = [warm.folder / "whole.db", warm.folder / "timed.db"]
    began = time.monotonic()
    for database in databases:
        warm.start(database)
    assert warm.end() == [0, 0]
    seconds = time.monotonic() - began
    expected = results(databases[0])
    assert len(expected) == 12
    shown = set(warm.shown(databases[0]))
    rng = random.Random(0)
    kills, chains, numbers = 0, list[Chain](), itertools.count()
    while kills < KILLS or chains:
        chains += [Chain(warm, next(numbers), rng) for _ in range(2 - len(chains)) if kills < KILLS]
        began = time.monotonic()
        moments = [(chain.start() * seconds, at) for at, chain in enumerate(chains)]
        for moment, at in sorted(moments):
            if kills < KILLS:
                time.sleep(max(0.0, began + moment - time.monotonic()))
                kills += chains[at].hurt()
        over = [chain.is_over(status) for chain, status in zip(chains, warm.end(), strict=True)]
        for chain in itertools.compress(chains, over):
            assert results(chain.database) == expected
            assert set(warm.shown(chain.database)) <= shown
        chains = [chain for chain, ended in zip(chains, over, strict=True) if not ended]
    assert kills == KILLS


def test_a_run_is_one_processs_and_two_runs_share_what_both_need(warm: Warm) -> None:
    model = next(line for line in (warm.folder / "tiny.toml").read_text().splitlines() if line.startswith("id"))
    other = (warm.folder / "tiny.toml").read_text().replace("levels = [0.1]", "levels = [0.1, 0.2]")
    assert model in other
    (warm.folder / "other.toml").write_text(other)
    database = warm.folder / "shared.db"
    for preset in ("tiny", "tiny", "other"):
        warm.start(database, preset)
    statuses = warm.end()
    # Of the same run one waits for nobody and goes to its end; what the other says depends on who came first.
    assert sorted(statuses[:2]) == [0, 1]
    assert statuses[2] == 0
    log = warm.log(database).read_text()
    assert re.search(r"qrtui: run \d is under way in process \d+ on \S+; wait for it or stop it there", log)
    with Store(database) as store:
        assert damage(store._db.conn) == []
        assert {run.total: run.judged for run in store.runs()} == {12: 12, 18: 18}
        assert {run.status for run in store.runs()} == {"finished"}
        # What both need is there once: 6 clean completions, and 6 for each level of noise.
        assert store.row("SELECT count(*), count(DISTINCT key) FROM completions") == (18, 18)


def is_stopped(warm: Warm, database: Path) -> None:
    assert warm.end() == [130]
    is_whole(warm, database)
    with Store(database) as store:
        assert store.run().status == "stopped"


def test_a_pipe_that_nobody_reads_any_more_stops_the_run(warm: Warm) -> None:
    """`qrtui run PRESET | head -1`"""
    database, pipe = warm.folder / "head.db", warm.folder / "pipe"
    os.mkfifo(pipe)
    warm.start(database, warm.slow, out=pipe)
    with pipe.open() as head:
        assert "starting the judge" in head.readline()
    is_stopped(warm, database)


def test_a_terminal_whose_line_drops_stops_the_run(warm: Warm) -> None:
    database = warm.folder / "terminal.db"
    ours, theirs = os.openpty()
    warm.start(database, warm.slow, out=Path(os.ttyname(theirs)))
    # Held open until the run has opened it itself.
    told = b""
    while b"generating" not in told:
        told += os.read(ours, 1000)
    os.close(theirs)
    os.close(ours)
    is_stopped(warm, database)


def test_under_nohup_a_run_goes_on_when_the_line_drops(warm: Warm) -> None:
    database = warm.folder / "nohup.db"
    process = warm.start(database, nohup=True)
    while not warm.shown(database):
        time.sleep(0.01)
    os.kill(process, signal.SIGHUP)
    assert warm.end() == [0]
    is_whole(warm, database)
    assert results(database)


def test_a_killed_runs_place_is_free_and_seen_to_be(warm: Warm) -> None:
    """The commands themselves, started as anyone starts them."""
    database = warm.folder / "plain.db"
    slow = warm.folder / f"{warm.slow}.toml"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "QRTUI_CACHE": str(warm.folder / "cache")}
    command = [sys.executable, "-m", "qrtui", "run", str(slow), "--db", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True) as run:
        assert run.stdout
        for line in run.stdout:
            if "generating" in line:
                break
        with Store(database) as store:
            assert store.run().status == "running"
        assert warm.run(database, "slow") == 1
        assert f"run 1 is under way in process {run.pid} on " in warm.log(database).read_text()
        run.kill()
    with Store(database) as store:
        assert store.run().status == "interrupted"
    process = warm.start(database, "slow")
    while "run 1 (tiny) resumed" not in warm.log(database).read_text():
        time.sleep(0.01)
    os.kill(process, signal.SIGINT)
    assert warm.end() == [130]
    with Store(database) as store:
        assert store.run().status == "stopped"
