"""How often batching changes a completion: `batch_size = 1` against `auto`, greedy, by precision.

With one prompt at a time a completion depends on its own prompt alone. In a batch its sums are rounded otherwise, and
in int8 bitsandbytes also picks the columns that stay in 16 bits by looking at all rows. Counts the completions that
differ, where they begin to, and prints how many times faster the batches are.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sides.turns import machine

from qrtui.generate.produce import produce
from qrtui.generate.settings import Generation
from qrtui.models.catalog import resolve
from qrtui.models.load import load, unload
from qrtui.models.precisions import PRECISIONS
from qrtui.plan import make_plan
from qrtui.results.store import Store
from qrtui.spec import Experiment, ModelChoice, Precisions, TaskSelection

MODEL = "smollm2-135m"


def jobs_of(dataset: str, tasks: int) -> list[Any]:
    experiment = Experiment(
        name="batch",
        models=(ModelChoice(id=MODEL),),
        precisions=Precisions(),
        tasks=TaskSelection(datasets=(dataset,), limit=tasks),
    )
    with TemporaryDirectory() as folder, Store(Path(folder) / "x.db") as store:
        return make_plan(experiment, store).groups[0].jobs


def completions(loaded: Any, jobs: list[Any], settings: Generation) -> tuple[float, dict[str, str]]:
    started = time.perf_counter()
    answers = produce(loaded, jobs, settings, lambda active: None, print)
    texts = {job.key: answer.text for job, answer in answers}
    return time.perf_counter() - started, texts


def first_difference(one: str, other: str) -> int:
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="4 tasks of at most 16 tokens")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8", "nf4"], choices=list(PRECISIONS))
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--cap", type=int, default=96)
    given = parser.parse_args()
    if given.quick:
        given.tasks, given.cap = 4, 16
    print(machine())
    print(f"{MODEL}, {given.tasks} tasks of {given.dataset}, at most {given.cap} tokens")
    jobs = jobs_of(given.dataset, given.tasks)
    for precision in given.precisions:
        loaded = load(resolve(MODEL), PRECISIONS[precision])
        settings = {size: Generation(max_new_tokens=given.cap, batch_size=size) for size in (1, "auto")}
        alone, one = completions(loaded, jobs, settings[1])
        batched, many = completions(loaded, jobs, settings["auto"])
        places = [first_difference(one[key], many[key]) for key in one if one[key] != many[key]]
        where = f", the first time after {statistics.median(places):.0f} characters (median)" if places else ""
        print(f"{precision:5} {len(places)} of {len(one)} differ{where}; batched {alone / batched:.1f} times as fast")
        unload(loaded)


if __name__ == "__main__":
    main()
