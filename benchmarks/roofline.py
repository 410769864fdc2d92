"""Decoding against what the device can do at most: memory bandwidth for few sequences, arithmetic for many.

Measures the device first: bytes a second that a sum over a large tensor reads, and FLOP a second of a large product
in every dtype. A decoding step has to read every weight and the keys and values once, and to compute 2 FLOP for each
weight and sequence: the longer of the two times is the limit. Prints the share of that limit which decoding reaches in
the way that is taken here: medians over the repetitions. `--shape` takes a random model of a real shape, so that no
weights need be had.
"""

from __future__ import annotations

import os

# As the program itself does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from sides.random_models import SHAPES, random_model
from sides.turns import machine

from qrtui.generate.batching import bytes_per_token
from qrtui.generate.produce import answers
from qrtui.generate.sequence import Request
from qrtui.generate.settings import Generation
from qrtui.generate.steps.names import NAMES, Steps
from qrtui.generate.ways.fastest import fastest_way
from qrtui.models.catalog import resolve
from qrtui.models.load import load, unload
from qrtui.models.packed import PackedWeight, can_pack
from qrtui.models.precisions import PRECISIONS

# Large enough that starting the sum takes next to nothing of it.
_READ_BYTES = {"cpu": 2**29, "cuda": 2**32}


class Device(NamedTuple):
    """Bytes a second read from memory, FLOP a second of a product in each dtype."""

    bandwidth: float
    flops: dict[str, float]


def seconds_of(work: Callable[[], Any], is_cuda: bool, times: int = 5) -> float:
    """The median seconds of some work on the device."""
    found = []
    for _ in range(times + 1):
        started = time.perf_counter()
        work()
        if is_cuda:
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return statistics.median(found[1:])


def measured(device: str) -> Device:
    is_cuda = device.startswith("cuda")
    numbers = torch.ones(_READ_BYTES["cuda" if is_cuda else "cpu"] // 4, device=device)
    bandwidth = numbers.nbytes / seconds_of(numbers.sum, is_cuda)
    del numbers
    flops, side = {}, 8192 if is_cuda else 2048
    for dtype in ("float32", "bfloat16", *(["float16"] if is_cuda else [])):
        left, right = (torch.randn(side, side, device=device, dtype=getattr(torch, dtype)) for _ in range(2))
        # What a CPU can do at most it does with weights in its own order.
        product = PackedWeight(right, None) if can_pack(right) else partial(torch.matmul, other=right)
        seconds = seconds_of(partial(product, left), is_cuda)
        flops[dtype] = 2 * side**3 / seconds
    return Device(bandwidth, flops)


def limit(loaded: Any, limits: Device, rows: int, columns: int) -> float:
    """Tokens a second that the device allows: the head and the layers read once, 2 FLOP a weight and token."""
    model = loaded.model
    weights = sum(parameter.numel() for parameter in model.parameters() if parameter.dim() > 1)
    quantized = loaded.precision.quantized
    if loaded.precision.four_bit_type:
        weights = loaded.info.parameters or weights
    read = loaded.footprint + rows * columns * bytes_per_token(model)
    dtype = loaded.precision.dtype_on(loaded.device) if not quantized else "float32"
    step = max(read / limits.bandwidth, 2 * weights * rows / limits.flops.get(dtype, limits.flops["float32"]))
    return rows / step


def rate(loaded: Any, steps: Steps, rows: int, tokens: int) -> float:
    """Tokens a second of decoding steps of `rows` sequences, their prompts' reading left out."""
    words = [f"{at} plus {at + 1} is" for at in range(rows)]
    requests = [Request(text, (), add_special_tokens=True) for text in words]
    marks: list[tuple[float, int]] = []
    settings = Generation(max_new_tokens=tokens)
    for _ in answers(loaded, requests, settings, rows, steps, lambda on: marks.append((time.perf_counter(), on))):
        pass
    whole = [(now, active) for now, active in marks if active == rows]
    # Continuous batching may never tell of all sequences at once.
    counted = whole[1:] if len(whole) > 2 else [mark for mark in marks if mark[1]]
    return sum(active for _, active in counted[:-1]) / (counted[-1][0] - counted[0][0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fp32 alone, 8 tokens, two repetitions")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--shape", choices=list(SHAPES))
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16", "int8", "nf4"], choices=list(PRECISIONS))
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    if given.quick:
        given.precisions, given.tokens, given.repetitions = ["fp32"], 8, 2
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(machine())
    limits = measured(device)
    rates = ", ".join(f"{name} {flops / 1e9:.0f} GFLOP/s" for name, flops in limits.flops.items())
    print(f"{device}: reads {limits.bandwidth / 1e9:.1f} GB/s; {rates}")
    print(f"{'':6}{'rows':>6}{'tokens/s':>10}{'limit':>8}{'share':>7}")
    with TemporaryDirectory() as folder:
        model = str(random_model(given.shape, Path(folder))) if given.shape else given.model
        for precision in given.precisions:
            show(precision, model, limits, given)


def show(precision: str, model: str, limits: Device, given: argparse.Namespace) -> None:
    loaded = load(resolve(model), PRECISIONS[precision])
    highest = {rows: limit(loaded, limits, rows, given.tokens // 2 + 8) for rows in given.rows}
    with fastest_way(loaded, print) as way:
        for rows in given.rows:
            steps = way.steps(greedy=True, alone=rows == 1)
            found = statistics.median(rate(loaded, steps, rows, given.tokens) for _ in range(given.repetitions))
            most = highest[rows]
            share = f"{100 * found / most:6.0f}%"
            print(f"{precision:6}{rows:6}{found:10.1f}{most:8.0f}{share}   {NAMES[steps]}", flush=True)
    unload(loaded)


if __name__ == "__main__":
    main()
