"""How the seconds of a whole run grow with its tasks: 10, 100 and 1,000 of them.

A tiny random Llama, so that what grows is qrtui's own work: planning, rendering, decoding's bookkeeping, storing and
judging. The tasks are the demo's, again and again with another last line. Prints seconds, and what a task costs against
what it costs at the smallest size; the second column is a run in which everything is known already.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from sides.tiny_model import write_tiny_model
from sides.turns import machine

from qrtui.generate.settings import Generation
from qrtui.run import Control, run
from qrtui.spec import Experiment, ModelChoice, Precisions, TaskSelection
from qrtui.tasks.datasets import load_tasks


def write_tasks(path: Path, count: int) -> None:
    """A data set of so many tasks in EvalPlus' format, no two alike."""
    demo = load_tasks("demo")
    with path.open("w") as file:
        for at in range(count):
            task = demo[at % len(demo)]
            fields = {
                "task_id": f"Growth/{at}",
                "prompt": f"{task.prompt.rstrip()}\n# {at}\n",
                "entry_point": task.entry_point,
                "canonical_solution": task.canonical_solution,
                "base_input": task.base_input,
                "plus_input": [],
                "contract": "",
                "atol": 0,
            }
            file.write(json.dumps(fields) + "\n")


def seconds_of_run(model: Path, tasks: Path, database: Path) -> float:
    experiment = Experiment(
        name="growth",
        device="cpu",
        models=(ModelChoice(id=str(model)),),
        precisions=Precisions(),
        tasks=TaskSelection(datasets=(str(tasks),)),
        generation=Generation(max_new_tokens=16),
    )
    started = time.perf_counter()
    ended = run(experiment, database, lambda event: None, Control())
    if ended.status != "finished":
        raise SystemExit(ended.reason)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 and 100 tasks, once")
    parser.add_argument("--sizes", nargs="+", type=int, default=[10, 100, 1000])
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    if given.quick:
        given.sizes, given.repetitions = [10, 100], 1
    print(machine())
    print(f"{'tasks':>6}{'run, s':>9}{'again, s':>10}{'a task, ms':>12}{'growth':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiny_model(folder / "tiny")
        write_tasks(folder / "warm.jsonl", 2)
        seconds_of_run(folder / "tiny", folder / "warm.jsonl", folder / "warm.db")
        least = 0.0
        for size in given.sizes:
            write_tasks(folder / f"{size}.jsonl", size)
            found = []
            for turn in range(given.repetitions):
                database = folder / f"{size}-{turn}.db"
                found.append([seconds_of_run(folder / "tiny", folder / f"{size}.jsonl", database) for _ in range(2)])
            new, again = (statistics.median(column) for column in zip(*found, strict=True))
            least = least or new / size
            growth = new / size / least
            print(f"{size:6}{new:9.1f}{again:10.1f}{1000 * new / size:12.1f}{growth:7.2f}x", flush=True)


if __name__ == "__main__":
    main()
