"""Each way of doing decoding steps against the plain one: the same prompts, the same tokens, one process, in turns.

Prints the median step of every way, how many times as fast as the plain way's that is (the median over the
repetitions), and how far its logits are from the plain way's beside how far those are from themselves in other batches.
A way that the device or the model cannot do is named with its reason. `--shape` takes a random model of a real shape,
so that no weights need be had.
"""

from __future__ import annotations

import os

# As the program itself does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

import argparse
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from sides.random_models import SHAPES, random_model
from sides.turns import machine

from qrtui.generate.steps.names import NAMES, PLAIN, Steps
from qrtui.generate.ways.fastest import holding
from qrtui.generate.ways.trials import Seen, apart, device_answers, gap, probe, probe_continuous, reason_of
from qrtui.models.catalog import resolve
from qrtui.models.load import load, unload
from qrtui.models.precisions import PRECISIONS


def seen_of(loaded: Any, steps: Steps, plain: Seen, rows: int) -> Seen:
    if steps == "continuous":
        return probe_continuous(loaded, slots=rows, prompts=prompts_for(rows))
    return probe(loaded, steps, slots=rows, prompts=prompts_for(rows), tokens=plain.tokens)


def prompts_for(rows: int) -> int:
    """So many that places are filled again."""
    return rows + rows // 4 + 1


def show(loaded: Any, rows: int, repetitions: int) -> None:
    prompts = prompts_for(rows)
    plain = probe(loaded, PLAIN, slots=rows, prompts=prompts)
    again = probe(loaded, PLAIN, slots=max(1, rows // 4), prompts=prompts, tokens=plain.tokens)
    itself = apart(plain, again)
    print(f"{loaded.precision.name:5}{rows:5} rows; the plain way's logits in other batches: {itself:.1e} apart")
    failed: dict[Steps, str] = {}
    seconds: dict[Steps, list[float]] = {name: [] for name in NAMES}
    distance: dict[Steps, float] = {}
    for _ in range(repetitions):
        for name in [name for name in NAMES if name not in failed]:
            try:
                seen = seen_of(loaded, name, plain, rows)
            except Exception as error:
                if not device_answers(loaded):
                    raise
                failed[name] = reason_of(error)
                continue
            seconds[name].append(seen.seconds)
            distance[name] = (gap if name == "continuous" else apart)(plain, seen)
    for name, words in NAMES.items():
        if name in failed:
            print(f"  {words:32} cannot: {failed[name]}")
            continue
        times = statistics.median(a / b for a, b in zip(seconds[PLAIN], seconds[name], strict=True))
        step = 1000 * statistics.median(seconds[name])
        print(f"  {words:32}{step:8.1f} ms a step {times:6.2f} times as fast, {distance[name]:.1e} apart", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fp32 alone, 8 rows, one repetition")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--shape", choices=list(SHAPES))
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16", "int8", "nf4"], choices=list(PRECISIONS))
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 8, 32], help="sequences at a time")
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    if given.quick:
        given.precisions, given.rows, given.repetitions = ["fp32"], [8], 1
    print(machine())
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")
    with TemporaryDirectory() as folder:
        model = str(random_model(given.shape, Path(folder))) if given.shape else given.model
        for precision in given.precisions:
            loaded = load(resolve(model), PRECISIONS[precision])
            with holding(loaded.model, packs=loaded.device == "cpu"):
                for rows in given.rows:
                    show(loaded, rows, given.repetitions)
            unload(loaded)


if __name__ == "__main__":
    main()
