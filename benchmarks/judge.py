"""Checks a second of our judge and of EvalPlus' `untrusted_check`, on the same right solutions in the same run.

HumanEval's canonical solutions, judged by HumanEval's own `check(candidate)` and, where HUMANEVAL_OVERRIDE_PATH names
HumanEval+, by its base inputs; and the demo tasks by theirs. EvalPlus has no way to judge by a check, so it stands
beside the inputs only; its fork costs more the larger the process that calls it: here it has loaded no torch.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec

from qrtui.judge.pool import JudgePool
from qrtui.tasks.datasets import load_tasks
from qrtui.tasks.task import Task
from tests.judge.parity import evalplus_check, evalplus_truth, humaneval_plus

Repetition = Callable[[], int]
"""Judges every task once; returns how many passed."""


@contextlib.contextmanager
def without_bubblewrap() -> Iterator[None]:
    """L3 is not found where no `bwrap` is on the path."""
    path = os.environ["PATH"]
    os.environ["PATH"] = ""
    try:
        yield
    finally:
        os.environ["PATH"] = path


def ours(tasks: list[Task], workers: int) -> tuple[str, JudgePool, Repetition]:
    """A warm pool: every worker has judged every task once, so that all references are known."""
    pool = JudgePool(workers)

    def judge_all() -> int:
        return sum(future.result().base == "passed" for future in [pool.submit(t, t.reference) for t in tasks])

    for _ in range(2 * workers):
        judge_all()
    return f"qrtui {pool.level}, {workers} worker{'s' * (workers > 1)}", pool, judge_all


_truths: list[tuple[Task, dict[str, Any]]] = []


def _evalplus_one(at: int) -> bool:
    task, truth = _truths[at]
    return evalplus_check(task, task.reference, "base", truth)


def processor_seconds() -> float:
    """Used by this process, by all that live below it, and by all these have waited for."""
    ticks, own = os.sysconf("SC_CLK_TCK"), os.times()
    total, found = own.user + own.system + own.children_user + own.children_system, [os.getpid()]
    for pid in found:
        with contextlib.suppress(OSError):
            if pid != found[0]:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[11:15])) / ticks
            for listed in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, listed.read_text().split())
    return total


def measured(name: str, judge_all: Repetition, count: int, repetitions: int) -> float:
    """Prints and returns the median of checks a second; prints also how many a second of one core's work makes."""
    rates, per_core = [], []
    for _ in range(repetitions):
        started, used = time.perf_counter(), processor_seconds()
        passed = judge_all()
        rates.append(count / (time.perf_counter() - started))
        per_core.append(count / (processor_seconds() - used))
    rate = statistics.median(rates)
    print(
        f"  {name:<24} {rate:6.1f} checks/s ({min(rates):.1f} to {max(rates):.1f}), "
        f"{statistics.median(per_core):6.1f} per second of a core, {passed} of {count} pass"
    )
    return rate


def compare(title: str, tasks: list[Task], repetitions: int, *, evalplus: bool) -> None:
    print(f"{title}: {len(tasks)} tasks, {repetitions} repetitions, median (least to most)")
    cores = len(os.sched_getaffinity(0))
    rates: dict[str, float] = {}
    for confined in (without_bubblewrap, contextlib.nullcontext):
        for workers in sorted({1, cores}):
            with confined():
                name, pool, judge_all = ours(tasks, workers)
            with pool:
                if name not in rates:
                    rates[name] = measured(name, judge_all, len(tasks), repetitions)
    if not evalplus:
        return
    _truths[:] = [(task, evalplus_truth(task)) for task in tasks]
    one = measured("EvalPlus, 1 process", lambda: sum(map(_evalplus_one, range(len(tasks)))), len(tasks), repetitions)
    with ProcessPoolExecutor(cores) as executor:
        many = measured(
            f"EvalPlus, {cores} processes",
            lambda: sum(executor.map(_evalplus_one, range(len(tasks)))),
            len(tasks),
            repetitions,
        )
    for name, rate in rates.items():
        against = one if "1 worker" in name and "workers" not in name else many
        print(f"  ratio {name:<22} {rate / against:7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["QRTUI_CACHE"] = cache
        compare("HumanEval by its own check", load_tasks("humaneval"), given.repetitions, evalplus=False)
        plus = humaneval_plus()
        if plus is not None:
            base = [msgspec.structs.replace(task, plus_input=[]) for task in plus]
            compare("HumanEval by its base inputs", base, given.repetitions, evalplus=True)
        demo = [msgspec.structs.replace(task, plus_input=[]) for task in load_tasks("demo")]
        compare("demo by its base inputs", demo, given.repetitions, evalplus=True)


if __name__ == "__main__":
    main()
