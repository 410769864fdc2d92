"""The peak of a run's memory by precision, against its model and cache, and against what `qrtui plan` says.

    python benchmarks/memory.py [--precisions fp32 int8 nf4] [--tasks 40] [--noise] [--extra-memory 2]

Each precision is a run of its own on demo tasks. On a CPU the peak is that of the anonymous memory of its
process (what it holds itself; pages of files that the system may drop are left out), sampled every 20 ms; on a GPU it
is what torch had allocated at most. `model` is the bytes of the weights as loaded, scales included, `cache` those of
the keys and values where they were largest (columns in reserve left out), `share` the peak in units of libraries +
model + cache, where the libraries are those of `LIBRARIES`. The quarters tell whether a run grows: the peak within each
quarter of its time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sides.turns import machine

from qrtui.events import ModelLoaded, Notice
from qrtui.generate.settings import Generation
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.attacks import ATTACKS
from qrtui.plan import make_plan
from qrtui.results.store import Store
from qrtui.run import Control, run
from qrtui.spec import Experiment, ModelChoice, NoiseGrid, Precisions, TaskSelection

MODEL = "smollm2-135m"
# With the code of the embedded model's kind, which transformers imports when it loads one.
LIBRARIES = "torch, transformers.models.llama.modeling_llama, bitsandbytes, evalplus.sanitize"


def experiment(given: argparse.Namespace) -> Experiment:
    """One precision alone: clean, and what was asked for on top."""
    return Experiment(
        name="memory",
        device=given.device,
        models=(ModelChoice(id=given.model),),
        precisions=Precisions(baseline=given.only, quantized=()),
        tasks=TaskSelection(datasets=(given.dataset,), limit=given.tasks),
        attacks=(ATTACKS["char"](), ATTACKS["word"]()) if given.attacks else (),
        noise=NoiseGrid(kinds=("gaussian",), levels=(1e-3,)) if given.noise else NoiseGrid(),
        generation=Generation(max_new_tokens=given.cap, extra_memory=given.extra_memory),
    )


def run_alone(given: argparse.Namespace) -> None:
    """Plan and run in this process; prints bytes: those the plan said, the model's, the largest cache's, and what torch
    allocated at most on a GPU.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    model, largest = 0, list[int]()

    def note(event: object) -> None:
        nonlocal model
        if isinstance(event, ModelLoaded):
            model = event.memory
        if isinstance(event, Notice) and "steps " in event.text:
            # The ways of doing steps have just been tried, once for this machine: no part of a run.
            import torch

            torch.cuda.reset_peak_memory_stats()
            largest.clear()

    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "x.db"
        with Store(database) as store:
            planned = make_plan(experiment(given), store).numbers()["bytes"]
        watch_cache(largest)
        ended = run(experiment(given), database, note, Control())
    if ended.status != "finished":
        raise SystemExit(ended.reason)
    import torch

    on_gpu = torch.cuda.max_memory_allocated() if given.device != "cpu" else 0
    print(json.dumps([planned, model, max(largest, default=0), on_gpu]))


def watch_cache(found: list[int]) -> None:
    """Have that list get the bytes of the keys and values after every step."""
    from qrtui.generate.steps.growing_cache import SlotCache

    step = SlotCache.step

    def watched(self: SlotCache, *args: Any) -> Any:
        logits = step(self, *args)
        found.append(sum(layer.keys.nbytes + layer.values.nbytes for layer in self.past.layers))
        return logits

    SlotCache.step = watched  # type: ignore[method-assign]


def anonymous(process: int) -> int:
    """The bytes of anonymous memory that a process holds; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def sampled(command: list[str]) -> tuple[list[int], str]:
    """What a command's process held, every 20 ms, and what it wrote."""
    held = []
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out)
        while process.poll() is None:
            held.append(anonymous(process.pid))
            time.sleep(0.02)
        out.seek(0)
        said = out.read()
    if process.returncode:
        raise SystemExit(process.returncode)
    return held, said


def show(precision: str, libraries: int) -> None:
    held, said = sampled([sys.executable, __file__, *sys.argv[1:], "--only", precision])
    planned, model, cache, on_gpu = json.loads(said)
    part = max(1, len(held) // 4)
    quarters = " ".join(f"{max(held[at * part : (at + 1) * part]) / 1e6:.0f}" for at in range(4))
    peak = on_gpu or max(held)
    sizes = "".join(f"{size / 1e6:6.0f} MB" for size in (peak, planned, model, cache))
    share = peak / ((0 if on_gpu else libraries) + model + cache)
    print(f"{precision:6}{sizes}{planned / peak:9.2f}{share:7.2f}   {quarters}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 tasks of at most 16 tokens")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8", "nf4"], choices=list(PRECISIONS))
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--cap", type=int, default=96)
    parser.add_argument("--extra-memory", type=float, default=Generation().extra_memory, help="the preset's setting")
    parser.add_argument("--noise", action="store_true", help="under noise too")
    parser.add_argument("--attacks", action="store_true", help="two attacks, for a longer run")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.quick:
        given.tasks, given.cap = 8, 16
    if given.only:
        run_alone(given)
        return
    print(machine())
    libraries = max(sampled([sys.executable, "-c", f"import {LIBRARIES}"])[0])
    heads = "".join(f"{head:>9}" for head in ("peak", "planned", "model", "cache", "plan/peak"))
    print(f"the libraries alone hold {libraries / 1e6:.0f} MB\n{'':6}{heads}{'share':>7}   quarters, MB")
    for precision in given.precisions:
        show(precision, libraries)


if __name__ == "__main__":
    main()
