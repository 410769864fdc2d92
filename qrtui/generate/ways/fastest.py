"""Which way of generating is taken for a model on this device, found by trying. Imports torch: import it lazily.

On a CPU weights can be held packed for the time of generating (`models/packed.py`) or be left as they are. On a GPU
steps can go over a static cache, and be recorded as CUDA graphs (`steps/`). Which is fastest depends on
the device, the libraries and the layers: the first run of a model in a precision tries them for a moment
(`trials.py`), and what was found is remembered (`known.py`). Completions differ by float rounding only.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from qrtui.generate.sequence import Cancelled
from qrtui.generate.steps.names import Steps
from qrtui.generate.ways.known import UNFINISHED, Tried, Way, known_ways, remember
from qrtui.generate.ways.trials import try_steps
from qrtui.models.device import device_type, give_back_memory, library_versions, torch_version
from qrtui.models.four_bit import four_bit_faster
from qrtui.models.packed import packed
from qrtui.models.shared_inputs import inputs_shared
from qrtui.models.spare import Spare

# What is tried on a device, beside the plain way.
CANDIDATES: dict[str, tuple[Steps, ...]] = {"cpu": (), "cuda": ("graphs", "static", "continuous")}

_ROWS = 16
_REPETITIONS = 3
# Smaller models are done before it could matter.
_WORTH_TRYING_BYTES = 50_000_000
# Packing must lose by more than a measurement's error before it is left.
_CLEARLY = 1.05


class TakenWay:
    """The way that is taken while weights are held as it wants them; what fails in real work is set aside."""

    def __init__(self, key: str, way: Way) -> None:
        self._key, self._way = key, way

    def steps(self, *, greedy: bool, alone: bool) -> Steps:
        """The fastest steps for such work; see `Way.fastest_steps`."""
        return self._way.fastest_steps(greedy=greedy, alone=alone)

    def leave(self, steps: Steps, reason: str, *, for_good: bool) -> None:
        """Take these steps no more: here, and `for_good` in later runs too."""
        self._way = self._way.with_steps({steps: Tried(aside=reason)})
        if self._key and for_good:
            remember(self._key, self._way)


@contextlib.contextmanager
def fastest_way(
    loaded: Any,
    notice: Callable[[str], None],
    on_token: Callable[[int], None] = lambda active: None,
    *,
    alone: bool = False,
    spare: int = 0,
) -> Iterator[TakenWay]:
    """Hold the model's weights in the way that is fastest here; `notice` is told once, when that has just been tried.

    With sequences one at a time (`alone`) that may be another way than with many. At most `spare` bytes are taken for
    speed alone. Weights must not change meanwhile. `on_token(0)` is called at every step of a trial and may raise
    Cancelled.
    """
    on_cpu = device_type(loaded.device) == "cpu"
    if loaded.footprint < _WORTH_TRYING_BYTES:
        with holding(loaded.model, packs=on_cpu, spare=spare):
            yield TakenWay("", Way(packs=on_cpu or None, times=1.0))
        return
    key = _key(loaded, alone=alone)
    way = known_ways().get(key)
    before = way
    if way is None:
        way = try_packing(loaded.model, alone=alone, spare=spare) if on_cpu else Way(packs=None, times=1.0)
    with holding(loaded.model, packs=bool(way.packs), spare=spare):
        way = _try_steps(loaded, key, way, on_token)
        if way != before and (way.packs is not None or way.steps):
            remember(key, way)
            words = ", one at a time" if alone and on_cpu else ""
            notice(f"{loaded.info.name} in {loaded.precision.name} on {loaded.device}{words}: {way.in_words}")
        yield TakenWay(key, way)


@contextlib.contextmanager
def holding(model: Any, *, packs: bool, spare: int = 0) -> Iterator[None]:
    """Hold a CPU model's weights packed or plain, and in either case the values of 4-bit layers as far as `spare` bytes
    allow, the inputs of int8 layers shared; a GPU's as they are.
    """
    # What changing the weights left behind, before more is added.
    give_back_memory()
    left = Spare(spare)
    held = packed(model, left) if packs else contextlib.nullcontext()
    with held, four_bit_faster(model, left, pack=packs), inputs_shared(model):
        give_back_memory()
        yield


def try_packing(model: Any, *, alone: bool = False, spare: int = 0) -> Way:
    """Time a step of a few sequences, or of one `alone`, with packed and with plain weights.

    Takes about a second for a small model.
    """
    seconds = {}
    for packs in (False, True):
        with holding(model, packs=packs, spare=spare):
            seconds[packs] = _step_seconds(model, 1 if alone else _ROWS)
    packs = seconds[True] < seconds[False] * _CLEARLY
    return Way(packs, round(seconds[not packs] / seconds[packs], 2))


def _try_steps(loaded: Any, key: str, way: Way, on_token: Callable[[int], None]) -> Way:
    """Try what is not known yet of this device's candidates."""
    untried = [name for name in CANDIDATES[device_type(loaded.device)] if name not in way.steps]

    def begin(name: Steps, found: dict[Steps, Tried]) -> None:
        # One that ends the program, or hangs until a person does, will be found to be set aside.
        remember(key, way.with_steps({**found, name: Tried(aside=UNFINISHED)}))

    try:
        return way.with_steps(try_steps(loaded, untried, begin, on_token)) if untried else way
    except Cancelled:
        remember(key, way)
        raise


@torch.inference_mode()
def _step_seconds(model: Any, rows: int) -> float:
    """The least seconds of a pass with one token of each of a few sequences."""
    ids = torch.ones(rows, 1, dtype=torch.long)
    found = []
    for _ in range(1 + _REPETITIONS):
        started = time.perf_counter()
        model(input_ids=ids, use_cache=False)
        found.append(time.perf_counter() - started)
    return min(found[1:])


def _key(loaded: Any, *, alone: bool) -> str:
    """A way holds for a model in a precision, on this device, with these threads and these libraries.

    On a GPU one way is found for both, with many sequences: nothing is packed there.
    """
    parts = [loaded.info.name, loaded.precision.name, loaded.device]
    if device_type(loaded.device) == "cpu":
        parts += ["one at a time"] if alone else []
        return " / ".join([*parts, f"{torch.get_num_threads()} threads", f"torch {torch_version()}"])
    versions = library_versions(quantized=loaded.precision.quantized)
    libraries = [f"{name} {version}" for name, version in versions.items()]
    return " / ".join([*parts[:2], torch.cuda.get_device_name(loaded.device), *libraries])
