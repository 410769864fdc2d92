"""Which way of multiplying is the faster on this device, found by trying. Imports torch: import it lazily.

On a CPU weights can be held packed for the time of generating (`models/packed.py`) or be left as they are. Which is
faster depends on the processor, the libraries and the layers: the first run of a model in a precision tries both for a
moment, and what was found is remembered. Completions differ by float rounding only. On a GPU there is one way.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from qrtui.generate.known_ways import Way, known_ways, remember
from qrtui.models.dequantized import dequantized_once
from qrtui.models.device import torch_version
from qrtui.models.packed import packed

_ROWS = 16
_REPETITIONS = 3
# Smaller models are done before it could matter.
_WORTH_TRYING_BYTES = 50_000_000
# Packing must lose by more than a measurement's error before it is left.
_CLEARLY = 1.05


@contextlib.contextmanager
def fastest_way(loaded: Any, notice: Callable[[str], None]) -> Iterator[None]:
    """Hold the model's weights in the way that is fastest here; `notice` is told once, when that has just been tried.

    Weights must not change meanwhile.
    """
    if loaded.device != "cpu":
        yield
        return
    way = Way(packs=True, times=1.0)
    if loaded.footprint >= _WORTH_TRYING_BYTES:
        key, known = _key(loaded), known_ways()
        if key not in known:
            known[key] = try_ways(loaded.model)
            remember(known)
            notice(f"{loaded.info.name} in {loaded.precision.name} on {loaded.device}: {known[key].in_words}")
        way = known[key]
    with holding(loaded.model, packs=way.packs):
        yield


@contextlib.contextmanager
def holding(model: Any, *, packs: bool) -> Iterator[None]:
    """Hold a CPU model's weights packed or plain, 4-bit layers dequantized in either case."""
    with dequantized_once(model, pack=packs), packed(model) if packs else contextlib.nullcontext():
        yield


def try_ways(model: Any) -> Way:
    """Time a step of a few sequences in both ways. About a second for a small model."""
    seconds = {}
    for packs in (False, True):
        with holding(model, packs=packs):
            seconds[packs] = _step_seconds(model)
    packs = seconds[True] < seconds[False] * _CLEARLY
    return Way(packs, round(seconds[not packs] / seconds[packs], 2))


@torch.inference_mode()
def _step_seconds(model: Any) -> float:
    """The least seconds of a pass with one token of each of a few sequences."""
    ids = torch.ones(_ROWS, 1, dtype=torch.long)
    found = []
    for _ in range(1 + _REPETITIONS):
        started = time.perf_counter()
        model(input_ids=ids, use_cache=False)
        found.append(time.perf_counter() - started)
    return min(found[1:])


def _key(loaded: Any) -> str:
    """A way holds for a model in a precision, on this processor, with these threads and this torch."""
    parts = (loaded.info.name, loaded.precision.name, loaded.device, f"{torch.get_num_threads()} threads")
    return " / ".join([*parts, f"torch {torch_version()}"])
