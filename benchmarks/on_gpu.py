"""All that waits for an NVIDIA GPU, in the order of its worth, within so many minutes.

Runs the tests that need one (`pytest -m gpu`), then the other benchmarks on it: decoding against the device's limit and
the ways of doing steps (random models of real shapes), completions against EvalPlus, memory against the plan, noise.
Each is a process of its own with a share of the time, so that one that hangs costs no more than that. What each prints
is shown when it has ended and kept in `--into`; at the end a line for each says how it went. `--quick` tries scripts
with the embedded model, on a CPU where there is no GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from sides.turns import machine

_HERE = Path(__file__).parent


class Step(NamedTuple):
    """One thing to do: what it is called, its command (without Python), and the minutes it may take."""

    name: str
    command: list[str]
    minutes: float


def bench(name: str, words: str, minutes: float) -> Step:
    script, *arguments = words.split()
    return Step(name, [str(_HERE / f"{script}.py"), *arguments], minutes)


STEPS = [
    Step("the tests", ["-m", "pytest", "-m", "gpu", "-q", "-ra"], 3),
    bench("decoding, 1B", "roofline --shape llama-3.2-1b --precisions fp16 bf16 int8 nf4 --rows 1 16 64 128", 2),
    bench("ways, 1B", "ways --shape llama-3.2-1b --precisions fp16 nf4 --rows 1 16 64", 2),
    bench("completions, embedded", "codegen --precision fp16 --repetitions 3", 3),
    bench("memory, embedded", "memory --device cuda --precisions fp32 fp16 int8 nf4 --noise", 2),
    bench("noise, 1B", "noise --shape llama-3.2-1b --precisions fp16 int8 nf4 --doses 3", 1.5),
    bench("batching, embedded", "batch_effect --precisions fp16 bf16 int8 nf4", 2),
    bench("decoding, 8B", "roofline --shape llama-3.1-8b --precisions fp16 nf4 --rows 1 64 --repetitions 2", 3),
    bench("noise, 8B", "noise --shape llama-3.1-8b --precisions fp16 nf4 --doses 2", 3),
    bench("decoding, CodeGen", "roofline --shape codegen-350m --precisions fp16 int8 nf4 --rows 1 64", 2),
    bench("campaign, embedded", "campaign --sample 4 --repetitions 1", 4),
]
QUICK = [
    Step("the tests", ["-m", "pytest", "-m", "gpu", "-q", "-ra"], 2),
    bench("decoding", "roofline --quick --rows 1", 2),
    bench("ways", "ways --quick", 3),
    bench("memory", "memory --quick --precisions fp32", 2),
    bench("noise", "noise --precisions nf4 --doses 1", 2),
]


def run(step: Step, seconds: float, log: Path) -> str:
    """Do it, showing and keeping what it prints; returns how it went."""
    print(f"\n== {step.name}: {' '.join(step.command)}", flush=True)
    started = time.monotonic()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as kept:
        # A session of its own: what it started ends with it.
        process = subprocess.Popen(
            [sys.executable, *step.command],
            cwd=_HERE.parent,
            env=environment,
            stdout=kept,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            fate = {0: "done"}.get(process.wait(seconds), f"failed with {process.returncode}")
        except subprocess.TimeoutExpired:
            fate = f"not done in {seconds:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    print(log.read_text(errors="replace"), flush=True)
    return f"{fate}, {time.monotonic() - started:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="try all of it; needs no GPU")
    parser.add_argument("--minutes", type=float, default=30, help="for all of it; what no longer fits is left out")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="the steps in whose names one of these words is")
    parser.add_argument("--into", type=Path, default=Path("gpu-figures"), help="the folder for what is printed")
    given = parser.parse_args()
    if not given.quick and not torch.cuda.is_available():
        print("no CUDA device: `qrtui doctor` says what is in the way; --quick tries the scripts without one")
        return
    print(machine())
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU", flush=True)
    given.into.mkdir(parents=True, exist_ok=True)
    deadline, fates = time.monotonic() + 60 * given.minutes, {}
    for at, step in enumerate(QUICK if given.quick else STEPS, 1):
        if given.only and not any(word in step.name for word in given.only):
            continue
        left = deadline - time.monotonic()
        if left < 20:
            fates[step.name] = "left out: no time"
            continue
        log = given.into / f"{at}-{step.name.replace(', ', '-').replace(' ', '-')}.txt"
        fates[step.name] = run(step, min(60 * step.minutes, left), log)
    print("\n== in short")
    for name, fate in fates.items():
        print(f"{name:24}{fate}")


if __name__ == "__main__":
    main()
