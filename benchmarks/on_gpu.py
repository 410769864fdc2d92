"""All that waits for an NVIDIA GPU, in the order of its worth, within so many minutes.

Runs the tests that need one (`tests/gpu`), then the other benchmarks on it: decoding against the device's limit and
the ways of doing steps (random models of real shapes), noise, and with the embedded model, where it is on this machine,
completions against EvalPlus, memory against the plan, batching. Nothing is fetched. Each is a process of its own with a
share of the time, so that one that fails or hangs costs no more than that. What each prints is shown when it has ended
and kept in `--into`, all of it in one file, `figures.txt`; at the end a line for each says how it went. `--quick` tries
scripts with the embedded model, on a CPU where there is no GPU.
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

from qrtui.models.catalog import local_path, resolve

_HERE = Path(__file__).parent
_LEAST_SECONDS = 20


class Step(NamedTuple):
    """One thing to do: what it is called, its command (without Python), and the minutes it may take."""

    name: str
    command: list[str]
    minutes: float

    @property
    def is_embedded(self) -> bool:
        """Whether it needs the embedded model."""
        return "embedded" in self.name


def bench(name: str, words: str, minutes: float) -> Step:
    script, *arguments = words.split()
    return Step(name, [str(_HERE / f"{script}.py"), *arguments], minutes)


def tests(minutes: float) -> Step:
    # What hangs tells where before its time is up.
    words = "-m pytest tests/gpu -m gpu -vv -ra --tb=short --durations=8 -o faulthandler_timeout=60 -p no:cacheprovider"
    return Step("the tests", words.split(), minutes)


STEPS = [
    tests(4),
    bench("decoding, 1B", "roofline --shape llama-3.2-1b --precisions fp16 bf16 int8 nf4 --rows 1 16 64 128", 2),
    bench("ways, 1B", "ways --shape llama-3.2-1b --precisions fp16 nf4 --rows 1 16 64", 2),
    bench("noise, 1B", "noise --shape llama-3.2-1b --precisions fp16 int8 nf4 --doses 3", 1.5),
    bench("completions, embedded", "codegen --precision fp16 --tasks 16 --cap 128 --repetitions 2", 3),
    bench("memory, embedded", "memory --device cuda --precisions fp32 fp16 int8 nf4 --noise", 2),
    bench("batching, embedded", "batch_effect --precisions fp16 bf16 int8 nf4 --tasks 8 --cap 64", 2),
    bench("decoding, 8B", "roofline --shape llama-3.1-8b --precisions fp16 nf4 --rows 1 64 --repetitions 2", 3),
    bench("noise, 8B", "noise --shape llama-3.1-8b --precisions fp16 nf4 --doses 2", 3),
    bench("decoding, CodeGen", "roofline --shape codegen-350m --precisions fp16 int8 nf4 --rows 1 64", 2),
    bench("campaign, embedded", "campaign --sample 4 --repetitions 1", 4),
]
QUICK = [
    tests(2),
    bench("decoding, embedded", "roofline --quick --rows 1", 2),
    bench("ways, embedded", "ways --quick", 3),
    bench("memory, embedded", "memory --quick --precisions fp32", 2),
    bench("noise, embedded", "noise --precisions nf4 --doses 1", 2),
]


def run(step: Step, seconds: float, log: Path) -> str:
    """Do it, showing what it prints and adding that to the log; returns how it went."""
    heading = f"== {step.name}: {' '.join(step.command)}"
    print(f"\n{heading}", flush=True)
    started = time.monotonic()
    # Whether qrtui is installed or not, it is what lies here that is measured; nothing is looked up on the hub.
    paths = os.pathsep.join(filter(None, [str(_HERE.parent), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}
    with log.open("ab") as kept:
        kept.write(f"\n{heading}\n".encode())
        kept.flush()
        begin = kept.tell()
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
    print(log.read_bytes()[begin:].decode(errors="replace"), flush=True)
    return f"{fate}, {time.monotonic() - started:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="try all of it; needs no GPU")
    parser.add_argument("--minutes", type=float, default=30, help="for all of it; what no longer fits is left out")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="the steps in whose names one of these words is")
    parser.add_argument("--into", type=Path, default=Path("gpu-figures"), help="the folder for figures.txt")
    given = parser.parse_args()
    if not given.quick and not torch.cuda.is_available():
        print("no CUDA device: `qrtui doctor` says what is in the way; --quick tries the scripts without one")
        return
    about = f"{machine()}\n{torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'}"
    print(about, flush=True)
    given.into.mkdir(parents=True, exist_ok=True)
    log = given.into / "figures.txt"
    log.write_text(f"{about}\n")
    fates = {}
    deadline = time.monotonic() + 60 * given.minutes
    has_embedded = local_path(resolve("smollm2-135m")) is not None
    for step in QUICK if given.quick else STEPS:
        if given.only and not any(word in step.name for word in given.only):
            continue
        left = deadline - time.monotonic()
        if step.is_embedded and not has_embedded:
            fates[step.name] = "left out: the embedded model is not here (qrtui pull smollm2-135m)"
        elif left < _LEAST_SECONDS:
            fates[step.name] = "left out: no time"
        else:
            fates[step.name] = run(step, min(60 * step.minutes, left), log)
    short = "\n".join(["\n== in short", *(f"{name:24}{fate}" for name, fate in fates.items())])
    print(short, flush=True)
    with log.open("a") as kept:
        kept.write(f"{short}\n")


if __name__ == "__main__":
    main()
