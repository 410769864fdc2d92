"""Noise put on a model's weights and taken off again, against loading the model anew for each dose.

For every precision and protocol: seconds to apply and to undo (medians over several doses; the first dose, which also
copies the former bits to main memory, apart), memory beyond the model at the peak, and how many times faster than
loading. On a GPU, `--shape` measures a random model of real shape where weights are not at hand.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from sides.random_models import SHAPES, random_model

from qrtui.models.catalog import resolve
from qrtui.models.load import LoadedModel, load, unload
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.noise import Noise, Protocol
from qrtui.perturb.weights import NoiseCarrier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m", help="a model's name, hub id or folder")
    parser.add_argument("--shape", choices=list(SHAPES), help="a random model of this shape instead")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "fp16", "int8", "nf4"], choices=list(PRECISIONS))
    parser.add_argument("--doses", type=int, default=5)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_all(str(random_model(given.shape, Path(folder))) if given.shape else given.model, given)


def measure_all(model: str, given: Any) -> None:
    print(f"{'':17}{'first':>8}{'apply':>8}{'undo':>8}{'load':>8}{'faster':>8}{'extra':>9}   dose")
    for name in given.precisions:
        unload(load(resolve(model), PRECISIONS[name], given.device))  # the files are in the page cache from here on
        loaded = load(resolve(model), PRECISIONS[name], given.device)
        protocols: tuple[Protocol, ...] = ("published", "before", "after")
        carrier = NoiseCarrier(loaded.model, loaded.original)
        for protocol in protocols if loaded.precision.quantized else protocols[:1]:
            measure(loaded, carrier, protocol, given.doses)
        carrier.release()
        unload(loaded)


def measure(loaded: LoadedModel, carrier: NoiseCarrier, protocol: Protocol, doses: int) -> None:
    is_cuda = loaded.device.startswith("cuda")
    applied, undone, words = [], [], ""
    reset_peak(is_cuda)
    for at in range(doses + 1):
        start = clock(is_cuda)
        with carrier.carrying(Noise(kind="gaussian", level=1e-3, protocol=protocol, seed=at)) as dose:
            middle = clock(is_cuda)
        undone.append(clock(is_cuda) - middle)
        applied.append(middle - start)
        words = dose.in_words
    extra = peak_memory(is_cuda)
    apply, undo = statistics.median(applied[1:]), statistics.median(undone[1:])
    faster = loaded.load_seconds / (apply + undo)
    print(
        f"{loaded.precision.name:5} {protocol:10}{applied[0]:8.2f}{apply:8.2f}{undo:8.2f}{loaded.load_seconds:8.2f}"
        f"{faster:7.1f}x{extra / 1e6:6.0f} MB   {words}",
        flush=True,
    )


def clock(is_cuda: bool) -> float:
    if is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


_BEFORE = [0]


def reset_peak(is_cuda: bool) -> None:
    """Begin counting the peak anew, of the GPU's memory or of this process's."""
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
        _BEFORE[0] = torch.cuda.memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")
        _BEFORE[0] = resident("VmRSS")


def peak_memory(is_cuda: bool) -> int:
    """Bytes at the peak beyond what was there at `reset_peak`."""
    return (torch.cuda.max_memory_allocated() if is_cuda else resident("VmHWM")) - _BEFORE[0]


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


if __name__ == "__main__":
    main()
