"""A small campaign: the seconds of `qrtui run` against the same campaign done the published way.

The embedded model in fp32, int8 and nf4; clean, two attacks, two levels of noise; 32 demo tasks. qrtui really does all
of it, from an empty database to the last verdict, start of the program included. The published way puts one prompt at a
time to EvalPlus' decoder, loads the model anew for every attack and every level of noise, makes the clean completions
again for every attack, and judges with EvalPlus at the end. It would take most of an hour: all its loads and noises are
really done and timed; of its completions those of `--sample` tasks, spread evenly over the 32, are made for every state
of weights and prompts, and their seconds are multiplied; its judging is timed on one program of each task.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sides.turns import Side, machine, serve, spread

MODEL = "smollm2-135m"
PRECISIONS = ("fp32", "int8", "nf4")
ATTACKS = ("char", "word")
LEVELS = (1e-3, 3e-3)


def preset(given: argparse.Namespace) -> str:
    """The campaign as TOML."""
    attacks = "".join(f'[[attacks]]\nkind = "{kind}"\n' for kind in ATTACKS)
    return (
        f'name = "campaign"\n[[models]]\nid = "{MODEL}"\n[precisions]\nbaseline = "fp32"\nquantized = ["int8", "nf4"]\n'
        f'[tasks]\ndatasets = ["demo"]\nlimit = {given.tasks}\n{attacks}'
        f'[noise]\nkinds = ["gaussian"]\nlevels = {list(LEVELS)}\nprotocols = ["published"]\n'
        f"[generation]\nmax_new_tokens = {given.cap}\n"
    )


def own_seconds(given: argparse.Namespace, folder: Path) -> float:
    """Seconds of `qrtui run` into a new database."""
    path, database = folder / "campaign.toml", folder / f"{time.monotonic_ns()}.db"
    path.write_text(preset(given))
    started = time.perf_counter()
    command = [sys.executable, "-m", "qrtui", "run", str(path), "--db", str(database)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"qrtui run failed: {done.stderr[-1000:]}")
    return time.perf_counter() - started


def published(given: argparse.Namespace) -> Callable[[], dict[str, float]]:
    """The published way's side: what it answers are seconds by component, for the whole campaign."""
    from sides.published import decoder

    from qrtui.models.catalog import local_path, resolve
    from qrtui.presets import load_preset
    from qrtui.spec import read_experiment  # noqa: F401  (its import is no part of a turn)

    path = Path(given.work) / "published.toml"
    path.write_text(preset(given))
    prompts = prompts_of(load_preset(str(path)))
    folder = local_path(resolve(MODEL))
    chosen = [at * given.tasks // given.sample for at in range(given.sample)]

    def complete(model: Any, how: str) -> float:
        started = time.perf_counter()
        for at in chosen:
            model.codegen(prompts[how][at], do_sample=False, num_samples=1)
        return (time.perf_counter() - started) * given.tasks / given.sample

    def work() -> dict[str, float]:
        seconds = dict.fromkeys(("loading", "noise", "generating", "judging"), 0.0)
        for precision in PRECISIONS:
            for attack in ATTACKS:
                model = loaded(decoder, folder, precision, given.cap, seconds)
                seconds["generating"] += complete(model, "clean") + complete(model, attack)
            for level in LEVELS:
                model = loaded(decoder, folder, precision, given.cap, seconds)
                started = time.perf_counter()
                disturb(model.model, level)
                seconds["noise"] += time.perf_counter() - started
                seconds["generating"] += complete(model, "clean")
        made = len(PRECISIONS) * given.tasks * (2 * len(ATTACKS) + len(LEVELS))
        seconds["judging"] = made * seconds_of_a_check(given.tasks)
        return seconds

    return work


def prompts_of(experiment: Any) -> dict[str, list[str]]:
    """The tasks' prompts, clean and attacked, as qrtui's plan has them."""
    from qrtui.plan import make_plan
    from qrtui.results.store import Store

    with tempfile.TemporaryDirectory() as scratch, Store(Path(scratch) / "x.db") as store:
        plan = make_plan(experiment, store)
    conditions = {c.perturbation: c for c in plan.conditions if c.is_baseline}
    return {how: [result.prompt for result in conditions[how].results] for how in ("clean", *ATTACKS)}


def loaded(decoder: Any, folder: Any, precision: str, cap: int, seconds: dict[str, float]) -> Any:
    """A decoder with the model loaded anew in a precision."""
    import gc

    import torch
    from transformers import AutoModelForCausalLM

    from qrtui.models.precisions import PRECISIONS as RECIPES

    recipe = RECIPES[precision]
    # Where EvalPlus puts its model and its prompts.
    device = "cuda" if torch.cuda.is_available() else "cpu"
    gc.collect()
    started = time.perf_counter()
    made = decoder(folder, recipe.dtype_on(device), cap)
    if recipe.quantized:
        # EvalPlus cannot quantize: its model is replaced, and what loading that one took is not counted.
        started = time.perf_counter()
        made.model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=recipe.dtype_on(device),
            quantization_config=recipe.quantization_config(),
            device_map={"": device},
        )
    seconds["loading"] += time.perf_counter() - started
    return made


def disturb(model: Any, level: float) -> None:
    """Gaussian noise on every parameter that has gradients, as the published tool does it."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * level)


def seconds_of_a_check(count: int) -> float:
    """Seconds a check takes EvalPlus with a process for each core, in a process that has loaded no torch."""
    script = (
        "import sys, time; from concurrent.futures import ProcessPoolExecutor as Pool\n"
        "from tests.judge.parity import evalplus_check, evalplus_truth; from qrtui.tasks.datasets import load_tasks\n"
        f"tasks = load_tasks('demo')[:{count}]; truths = [evalplus_truth(task) for task in tasks]\n"
        "def check(at): return evalplus_check(tasks[at], tasks[at].reference, 'base', truths[at])\n"
        f"pool = Pool({len(os.sched_getaffinity(0))}); list(pool.map(check, range(len(tasks))))\n"
        "started = time.perf_counter(); list(pool.map(check, range(len(tasks))))\n"
        "print('took', (time.perf_counter() - started) / len(tasks))"
    )
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    return float(done.stdout.rpartition("took")[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 tasks of at most 32 tokens, once")
    parser.add_argument("--tasks", type=int, default=32)
    parser.add_argument("--cap", type=int, default=96)
    parser.add_argument("--sample", type=int, default=3, help="completions really made of every 32")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--side", choices=["published"], help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.quick:
        given.tasks, given.cap, given.sample, given.repetitions = 8, 32, 2, 1
    if given.side:
        serve(partial(published, given))
        return
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"--{name}={getattr(given, name)}" for name in ("tasks", "cap", "sample")]
        side = Side(__file__, "published", [*arguments, "--work", folder], {})
        turns = [(side.turn(), own_seconds(given, Path(folder))) for _ in range(given.repetitions)]
        side.close()
    show(given, turns)


def show(given: argparse.Namespace, turns: list[tuple[dict[str, float], float]]) -> None:
    cells = len(PRECISIONS) * (1 + len(ATTACKS) + len(LEVELS))
    print(f"{MODEL}: {cells} conditions of {given.tasks} tasks, at most {given.cap} tokens, {len(turns)} repetitions")
    for name in turns[0][0]:
        print(f"published way, {name:<11}{spread([parts[name] for parts, _ in turns])} s")
    print(f"published way, all        {spread([sum(parts.values()) for parts, _ in turns])} s")
    print(f"  its generating is estimated from {given.sample} completions of every {given.tasks}")
    print(f"qrtui, all                {spread([own for _, own in turns])} s")
    ratios = [sum(parts.values()) / own for parts, own in turns]
    print(f"ratio                     {spread(ratios)}")
    if statistics.median(ratios) < 1:
        sys.exit("qrtui was slower")


if __name__ == "__main__":
    main()
