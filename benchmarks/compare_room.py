"""The Compare room over 100,000 completions: how long it takes to open, and what a key costs the screen's thread.

Makes a database of 10,000 tasks under ten conditions (kept at the path given as argument, if any), opens the room at
120x36 and presses keys. Prints the time to open and, for each key, the processor time of the screen's thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from qrtui.judge.verdict import JUDGE_VERSION
from qrtui.results.store import Store

if TYPE_CHECKING:
    from textual.pilot import Pilot

TASKS = 10_000
PRECISIONS = ("fp32", "int8")
PERTURBATIONS = ("clean", "char", "word", "gaussian 0.001 published", "gaussian 0.003 published")
STATUSES = ("passed", "failed", "failed", "timeout", "crashed")
WHEN = "2026-01-01T00:00:00+00:00"
PRESSES = 40
KEYS = ("j", "n", "a", "f", "G", "g", "ctrl+d", "t", "w", "s")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def prompt(task: int, perturbation: str) -> str:
    words = [f"word{(task * 7 + at) % 997}" for at in range(60)]
    if perturbation in ("char", "word") and task % 5:
        words[task % 60] = words[task % 60].upper()
    return f'def f{task}(values):\n    """' + " ".join(words) + '\n    """\n'


def program(task: int, precision: str, perturbation: str) -> str:
    rng = random.Random(f"{task} {precision} {perturbation}")
    lines = [f"    x{at} = values[{at}] + {rng.choice((at, at, 7))}  # a remark on step {at}" for at in range(30)]
    return f"def f{task}(values):\n" + "\n".join(lines) + f"\n    return {rng.random()}\n"


def build(path: Path) -> None:
    with Store(path) as store:
        run = store.begin_run("large", {"name": "large"}, [], {"device": "cpu"})
        store.end_run(run, "finished")
    with sqlite3.connect(path) as db:
        position = 0
        for precision in PRECISIONS:
            for perturbation in PERTURBATIONS:
                row = (run, position, "model", precision, precision == "fp32", "large", perturbation)
                condition = db.execute(
                    "INSERT INTO conditions (run, position, model, precision, is_baseline, dataset, perturbation)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                ).lastrowid
                position += 1
                for task in range(TASKS):
                    _add(db, condition, task, precision, perturbation)


def _add(db: sqlite3.Connection, condition: int | None, task: int, precision: str, perturbation: str) -> None:
    asked, written = prompt(task, perturbation), program(task, precision, perturbation)
    key, status = digest(f"{condition} {task}"), random.Random(written).choice(STATUSES)
    db.execute("INSERT OR IGNORE INTO prompts VALUES (?, ?)", (digest(asked), asked))
    db.execute(
        "INSERT INTO completions (key, determinants, prompt, text, solution, solution_hash, finish, tokens, seconds,"
        " created) VALUES (?, '{}', ?, ?, ?, ?, 'stop', 200, 1.5, ?)",
        (key, digest(asked), written, written, digest(written), WHEN),
    )
    db.execute(
        "INSERT INTO verdicts VALUES (?, ?, ?, ?, NULL, ?, '1', '2', NULL, 'L2', 0.1, ?)",
        (digest(written), f"hash {task}", JUDGE_VERSION, status, None if status == "passed" else "f([1])", WHEN),
    )
    row = (condition, task, f"Large/{task}", 0, f"hash {task}", digest(asked), key)
    db.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?)", row)


async def measure(path: Path) -> None:
    from qrtui.tui.app import QrtuiApp
    from qrtui.tui.widgets.task_table import TaskTable

    app = QrtuiApp(path)
    async with app.run_test(size=(120, 36)) as pilot:
        started, worked = time.perf_counter(), time.thread_time()
        await pilot.press("3")
        while not (tables := app.screen.query(TaskTable)) or len(tables.first().listed) < TASKS:
            await asyncio.sleep(0.005)
        listed, worked = time.perf_counter() - started, time.thread_time() - worked
        print(f"{TASKS:,} tasks listed after {listed:.2f} s, {worked:.2f} s of them the screen's work")
        while app.screen._reading.under_way:
            await asyncio.sleep(0.05)
        print(f"every mark there after {time.perf_counter() - started:.2f} s")
        for key in KEYS:
            await _time_key(pilot, key)


async def _time_key(pilot: Pilot[None], key: str) -> None:
    """The processor time of the screen's thread for a key and all that follows from it in a tenth of a second."""
    taken = []
    for _ in range(PRESSES):
        worked = time.thread_time()
        await pilot.press(key)
        await asyncio.sleep(0.1)
        taken.append((time.thread_time() - worked) * 1000)
    taken.sort()
    high = taken[math.ceil(PRESSES * 0.95) - 1]
    print(f"{key:<8} median {statistics.median(taken):5.1f} ms   95% {high:5.1f}   worst {taken[-1]:5.1f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "large.db"
        if not path.exists():
            started = time.perf_counter()
            build(path)
            print(f"made {path.stat().st_size / 1e6:.0f} MB in {time.perf_counter() - started:.0f} s")
        asyncio.run(measure(path))


if __name__ == "__main__":
    main()
