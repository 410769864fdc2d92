"""Completions per second: qrtui's own path against `evalplus.codegen --backend hf --greedy`.

The same folder of weights, dtype, tasks, prompts and cap; greedy; each side in a process of its own with its model
loaded, turn by turn. Both are timed from prompts to sanitized programs in a file (EvalPlus' JSON lines, qrtui's
database). EvalPlus' command has no option for the cap, so its own `codegen()` is called with its own decoder. In a chat
EvalPlus also ends a completion at `print(` and two more texts: its completions are the shorter ones.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sides.turns import Side, machine, serve, spread

MODEL = "smollm2-135m"


def chosen_tasks(count: int) -> list[Any]:
    """So many HumanEval tasks, spread evenly over the data set."""
    from qrtui.tasks.datasets import load_tasks

    every = load_tasks("humaneval")
    return [every[at * len(every) // count] for at in range(count)]


def published(given: argparse.Namespace) -> Callable[[], dict[str, Any]]:
    scratch = Path(tempfile.mkdtemp(dir=given.work))
    from sides.published import decoder, write_override

    write_override(scratch / "tasks.jsonl", chosen_tasks(given.tasks))
    os.environ["HUMANEVAL_OVERRIDE_PATH"] = str(scratch / "tasks.jsonl")
    from evalplus.codegen import codegen

    from qrtui.models.catalog import local_path, resolve
    from qrtui.models.precisions import PRECISIONS

    model = decoder(local_path(resolve(MODEL)), PRECISIONS[given.precision].dtype, given.cap)
    turns = iter(range(1000))

    def work() -> dict[str, Any]:
        turn, started = next(turns), time.perf_counter()
        codegen(str(scratch / f"{turn}.jsonl"), model, "humaneval", greedy=True, id_range=(0, given.tasks))
        seconds = time.perf_counter() - started
        read = [json.loads(line) for line in (scratch / f"{turn}.jsonl").read_text().splitlines()]
        raw = [json.loads(line) for line in (scratch / f"{turn}.raw.jsonl").read_text().splitlines()]
        tokens = sum(len(model.tokenizer(line["solution"])["input_ids"]) for line in raw)
        return {"seconds": seconds, "tokens": tokens, "solutions": [line["solution"] for line in read]}

    work_once(model)
    return work


def work_once(model: Any) -> None:
    """What is done once only (allocating, compiling kernels) is no part of a turn."""
    cap, model.max_new_tokens = model.max_new_tokens, 2
    model.codegen("def f():\n", do_sample=False, num_samples=1)
    model.max_new_tokens = cap


def qrtui(given: argparse.Namespace) -> Callable[[], dict[str, Any]]:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from qrtui.generate.produce import produce
    from qrtui.generate.settings import Generation
    from qrtui.models.catalog import resolve
    from qrtui.models.load import load
    from qrtui.models.precisions import PRECISIONS
    from qrtui.plan import completion_of, make_plan
    from qrtui.results.store import Store
    from qrtui.spec import Experiment, ModelChoice, Precisions, TaskSelection

    experiment = Experiment(
        name="codegen",
        models=(ModelChoice(id=MODEL),),
        precisions=Precisions(baseline=given.precision, quantized=()),
        tasks=TaskSelection(tasks=tuple(task.task_id for task in chosen_tasks(given.tasks))),
        generation=Generation(max_new_tokens=given.cap, batch_size=given.batch_size or "auto"),
    )
    loaded = load(resolve(MODEL), PRECISIONS[given.precision])

    def work(cap: int = given.cap) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=given.work) as folder, Store(Path(folder) / "x.db") as store:
            started = time.perf_counter()
            jobs = make_plan(experiment, store).groups[0].jobs
            settings = Generation(max_new_tokens=cap, batch_size=experiment.generation.batch_size)
            tokens, solutions = 0, {}
            for job, answer in produce(loaded, jobs, settings, lambda active: None, print):
                completion = completion_of(job, answer, loaded.footprint, None)
                store.add_completion(completion)
                tokens += answer.tokens
                solutions[job.task.task_id] = completion.solution
            seconds = time.perf_counter() - started
        return {
            "seconds": seconds,
            "tokens": tokens,
            "solutions": [solutions[task.task_id] for task in chosen_tasks(given.tasks)],
        }

    work(2)
    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 tasks of at most 64 tokens, two repetitions")
    parser.add_argument("--tasks", type=int, default=32)
    parser.add_argument("--cap", type=int, default=256)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--batch-size", type=int, help="qrtui's; automatic unless given")
    parser.add_argument("--side", choices=["published", "qrtui"], help=argparse.SUPPRESS)
    parser.add_argument("--work", default=tempfile.gettempdir(), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.quick:
        given.tasks, given.cap, given.repetitions = 8, 64, 2
    if given.side:
        serve(partial({"published": published, "qrtui": qrtui}[given.side], given))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"--{name}={getattr(given, name)}" for name in ("tasks", "cap", "precision")]
        arguments += ["--work", folder, *([f"--batch-size={given.batch_size}"] if given.batch_size else [])]
        sides = [Side(__file__, name, arguments, {}) for name in ("published", "qrtui")]
        turns = [[side.turn() for side in sides] for _ in range(given.repetitions)]
        for side in sides:
            side.close()
    show(given, turns)


def show(given: argparse.Namespace, turns: list[list[dict[str, Any]]]) -> None:
    print(f"{MODEL} in {given.precision}, {given.tasks} HumanEval tasks, at most {given.cap} tokens")
    for at, name in enumerate(("evalplus.codegen", "qrtui")):
        rates = [given.tasks / turn[at]["seconds"] for turn in turns]
        tokens = turns[0][at]["tokens"] / given.tasks
        print(f"{name:<18}{spread(rates, 3)} completions/s, {tokens:.0f} tokens each")
    ratios = [turn[0]["seconds"] / turn[1]["seconds"] for turn in turns]
    print(f"ratio             {spread(ratios)} over {len(turns)} repetitions")
    pairs = list(zip(*(answer["solutions"] for answer in turns[0]), strict=True))
    print(f"the same program from both: {sum(a == b for a, b in pairs)} of {len(pairs)}")
    if statistics.median(ratios) < 1:
        sys.exit("qrtui was slower")


if __name__ == "__main__":
    main()
