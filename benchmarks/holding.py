"""What each way of holding weights on a CPU gains: packed, the codes of 4-bit layers reordered, their values
held, the inputs of int8 layers shared.

Decoding steps of the embedded model with none of them, with each alone and with all, in turns in one process. Prints
the median step and how many times as fast it is as with none: the median of the repetitions' ratios.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

import argparse
import contextlib
import itertools
import statistics
import time
from typing import Any

from sides.turns import machine

from qrtui.generate.decode import decode
from qrtui.generate.sequence import Request
from qrtui.generate.ways.fastest import holding
from qrtui.models.catalog import resolve
from qrtui.models.four_bit import four_bit_faster
from qrtui.models.load import load, unload
from qrtui.models.packed import packed
from qrtui.models.precisions import PRECISIONS
from qrtui.models.shared_inputs import inputs_shared
from qrtui.models.spare import Spare

PLENTY = 10**12
WAYS = {
    "none": lambda model: contextlib.nullcontext(),
    "packed": lambda model: packed(model, Spare(0)),
    "codes reordered": lambda model: four_bit_faster(model, Spare(0), pack=True),
    "values held": lambda model: four_bit_faster(model, Spare(PLENTY), pack=True),
    "inputs shared": inputs_shared,
    "all": lambda model: holding(model, packs=True),
    "all, much memory": lambda model: holding(model, packs=True, spare=PLENTY),
}


def step(loaded: Any, rows: int, tokens: int) -> float:
    """The median seconds of a step of `rows` sequences."""
    requests = [Request(f"{at} plus {at + 1} is", (), add_special_tokens=True) for at in range(rows)]
    marks: list[float] = []
    for _ in decode(
        loaded.model,
        loaded.tokenizer,
        requests,
        max_new_tokens=tokens,
        slots=rows,
        on_token=lambda active: marks.append(time.perf_counter()),
    ):
        pass
    return statistics.median(after - before for before, after in itertools.pairwise(marks[2:]))


def show(precision: str, given: argparse.Namespace) -> None:
    loaded = load(resolve(given.model), PRECISIONS[precision], "cpu")
    names = [name for name in WAYS if name not in given.without]
    for rows in given.rows:
        found: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(given.repetitions):
            for name in names:
                with WAYS[name](loaded.model):
                    found[name].append(step(loaded, rows, given.tokens))
        for name in names:
            times = statistics.median(a / b for a, b in zip(found["none"], found[name], strict=True))
            print(
                f"{precision:6}{rows:6}  {name:18}{1000 * statistics.median(found[name]):8.1f} ms{times:7.2f}x",
                flush=True,
            )
    unload(loaded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="int8, 4 sequences, one repetition")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8", "nf4"], choices=list(PRECISIONS))
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--tokens", type=int, default=14)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--without", nargs="*", default=[], choices=[name for name in WAYS if name != "none"])
    given = parser.parse_args()
    if given.quick:
        given.precisions, given.rows, given.repetitions = ["int8"], [4], 1
    print(machine())
    for precision in given.precisions:
        show(precision, given)


if __name__ == "__main__":
    main()
