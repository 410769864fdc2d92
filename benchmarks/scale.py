"""How the store answers as it grows: every reading method, the reports and the list of runs, at three sizes.

    python benchmarks/scale.py [--sizes 1000,10000,100000] [--runs 1,100] [--keep FOLDER] [--rooms]

Builds databases with synthetic rows (no model): all results in one run, and the same number over a hundred runs. Prints
the processor's seconds (what else the machine does counts less), and how many times those of the smallest size that is.
Questions are the best of three. With `--rooms` the app's rooms too, each entered for the first time in a new app whose
modules are imported: seconds of the clock from the key until what one comes for stands on the screen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qrtui.judge.verdict import Verdict
from qrtui.perturb.attacks import ATTACKS
from qrtui.results.records import Completion, Determinants, PlannedCondition, PlannedResult
from qrtui.results.store import Store
from qrtui.spec import Experiment, ModelChoice, NoiseGrid, Precisions, TaskSelection, to_table

TASKS = 164
PRECISIONS = ("fp32", "int8", "nf4")
EXPERIMENT = Experiment(
    name="scale",
    models=(ModelChoice(id="smollm2-135m"),),
    precisions=Precisions(baseline="fp32", quantized=("int8", "nf4")),
    tasks=TaskSelection(datasets=("humaneval",)),
    attacks=(ATTACKS["char"](),),
    noise=NoiseGrid(kinds=("gaussian",), levels=(3e-3,)),
)
PROMPT = "def task_{task}(values):\n    " + '"""' + "Return the sum of the values. " * 12 + "({how})" + '"""\n'
USABLE = {
    ("1", "setup"): r"\d completions",
    ("2", "run"): r"of [\d,]+ conditions? done",
    ("3", "compare"): r"as judged",
    ("4", "charts"): r"no ratio|more robust",
    ("5", "history"): r"\d/\d+ +\.\d{3}",
    ("6", "playground"): r"puts the prompt",
}
"""By key and room: words that stand on the screen when what one comes for does."""
_PATIENCE_SECONDS = 60.0
ENVIRONMENT = {"device": "cpu", "judge_level": "L2", "versions": {"torch": "2", "transformers": "5"}}


def perturbations(count: int) -> list[str]:
    """So many labels: clean, two attacks, then noise of rising level."""
    noise = [f"gaussian {level / 1000:g} published" for level in range(1, count)]
    return ["clean", "char", "word", *noise][:count]


def conditions(results: int, run: int) -> list[PlannedCondition]:
    """Conditions of 164 tasks each, three precisions side by side; the last one has what is left over."""
    cells = -(-results // TASKS)
    labels = perturbations(-(-cells // len(PRECISIONS)))
    pairs = [(precision, label) for label in labels for precision in PRECISIONS][:cells]
    sizes = [min(TASKS, results - at * TASKS) for at in range(cells)]
    return [condition(*pair, size, run) for pair, size in zip(pairs, sizes, strict=True)]


def condition(precision: str, label: str, size: int, run: int) -> PlannedCondition:
    return PlannedCondition(
        model="smollm2-135m",
        precision=precision,
        is_baseline=precision == "fp32",
        dataset="humaneval",
        perturbation=label,
        results=[
            PlannedResult(
                f"HumanEval/{task}",
                0,
                f"hash {task}",
                prompt(task, label),
                determinants(precision, label, task, run).key(),
            )
            for task in range(size)
        ],
    )


def prompt(task: int, label: str) -> str:
    return PROMPT.format(task=task, how=label if label in ("char", "word") else "clean")


def determinants(precision: str, label: str, task: int, run: int) -> Determinants:
    return Determinants(
        revision=f"run {run}",
        precision=precision,
        dtype="float32",
        noise=None if label in ("clean", "char", "word") else {"kind": "gaussian", "level": label},
        prompt=prompt(task, label),
        style="chat",
        settings={"max_new_tokens": 256, "temperature": 0.0},
        seed=0,
        sample=0,
        device="cpu",
        versions={"torch": "2.13.0", "transformers": "5.23.0", "bitsandbytes": "0.50.2", "prompt": "1"},
    )


def build(path: Path, results: int, runs: int) -> None:
    """Fill a database through the store's own calls, committing seldom."""
    with Store(path) as store:
        # A benchmark's file may be lost; a person's may not.
        next(store.rows("PRAGMA synchronous = OFF"), None)
        for number in range(runs):
            planned = conditions(results // runs, number)
            run = store.begin_run(f"study-{number % 7}", to_table(EXPERIMENT), planned, ENVIRONMENT)
            for cell in planned:
                for at, result in enumerate(cell.results):
                    fill(store, cell, result, at, number)
            store.end_run(run, "finished" if number % 10 else "stopped")


def fill(store: Store, cell: PlannedCondition, result: PlannedResult, at: int, run: int) -> None:
    """One completion and its verdict."""
    body = "".join(f"    total = total + values[{line}]  # {result.key[:12]}\n" for line in range(12))
    solution = f"def task_{at}(values):\n    total = 0\n{body}    return total\n"
    store.add_completion(
        Completion(
            determinants=determinants(cell.precision, cell.perturbation, at, run),
            text=f"Here is a function:\n```python\n{solution}",
            solution=solution,
            finish="stop",
            tokens=120,
            seconds=0.6,
            memory=538_000_000,
        )
    )
    passed = int(result.key[:2], 16) < 120
    store.add_verdict(solution, result.task_hash, Verdict(base="passed" if passed else "failed", seconds=0.01))


def questions(store: Store) -> dict[str, Callable[[], Any]]:
    """What screens and commands ask, each of the latest run."""
    from qrtui.results.report import make_report
    from qrtui.results.table import table
    from qrtui.tui.comparison import Comparison

    run = store.run().id
    record = store.run()
    rows = store.conditions(run), store.outcomes(run)
    return {
        "open": lambda: Store(store.path).close(),
        "runs": store.runs,
        "runs (a page)": lambda: store.runs(limit=500),
        "runs (found)": lambda: store.runs("int8 stopped"),
        "run": store.run,
        "conditions": lambda: store.conditions(run),
        "outcomes": lambda: store.outcomes(run),
        "prompts": lambda: store.prompts(run),
        "cases": lambda: store.cases(run, "HumanEval/1"),
        "seconds/completion": lambda: store.seconds_per_completion("run 0", "int8", "cpu"),
        "table (of read rows)": lambda: table(*rows),
        "comparison (of read)": lambda: Comparison(*rows),
        "report": lambda: make_report(store, record),
    }


async def rooms(path: Path) -> dict[str, float]:
    """By room: the seconds until it shows the latest run, in an app of its own."""
    return {f"{room} opens": await _opening(path, key, words) for (key, room), words in USABLE.items()}


async def _opening(path: Path, key: str, words: str) -> float:
    from qrtui.tui.app import QrtuiApp

    app = QrtuiApp(path)
    async with app.run_test(size=(120, 36)) as pilot:
        # Setup has planned, and nothing of it is under way any more.
        await _seen(pilot, USABLE["1", "setup"])
        await pilot.press("6" if key == "1" else "1")
        await pilot.pause(0.5)
        begun = time.perf_counter()
        # Not the pilot's press, which waits for all that follows.
        app.simulate_key(key)
        await _seen(pilot, words)
        return time.perf_counter() - begun


async def _seen(pilot: Any, words: str) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while not re.search(
        words, screen := "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
    ):
        if time.monotonic() > until:
            raise SystemExit(f"nothing on the screen matches {words!r}:\n{screen}")
        await asyncio.sleep(0.02)


def best(question: Callable[[], Any], times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        begun = time.process_time()
        question()
        seconds.append(time.process_time() - begun)
        if seconds[-1] > 5:
            break
    return min(seconds)


def measure(path: Path, results: int, runs: int, with_rooms: bool) -> dict[str, float]:
    if not path.exists():
        begun = time.perf_counter()
        build(path, results, runs)
        print(
            f"{path.name}: built in {time.perf_counter() - begun:.0f} s, {path.stat().st_size / 1e6:.0f} MB", flush=True
        )
    with Store(path) as store:
        found = {name: best(question) for name, question in questions(store).items()}
    return found | asyncio.run(rooms(path)) if with_rooms else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--runs", default="1,100")
    parser.add_argument("--keep", type=Path, help="a folder whose databases are made if absent, and kept")
    parser.add_argument("--rooms", action="store_true", help="measure the app's rooms as well")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        print(f"load average before: {os.getloadavg()[0]:.1f}")
        if given.rooms:
            build(folder / "first.db", 1000, 1)
            asyncio.run(rooms(folder / "first.db"))
            (folder / "first.db").unlink()
        for runs in (int(count) for count in given.runs.split(",")):
            found = {
                size: measure(folder / f"{size}-results-{runs}-runs.db", size, runs, given.rooms) for size in sizes
            }
            show(found, runs)


def show(found: dict[int, dict[str, float]], runs: int) -> None:
    sizes = list(found)
    print(f"\n{runs} run{'s' * (runs != 1)}: seconds, and times the smallest")
    print(f"{'':22}" + "".join(f"{size:>18,}" for size in sizes))
    for name, first in found[sizes[0]].items():
        cells = [f"{found[size][name]:9.4f} {found[size][name] / first:7.1f}x" for size in sizes]
        print(f"{name:22}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
