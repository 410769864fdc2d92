"""Trying the ways of doing steps for a moment: is it as right as the plain one, and how fast? Imports torch lazily.

The plain way completes a few made-up prompts. It does so again in other batches, with the same tokens, which tells how
far its own logits are apart by float rounding (and in LLM.int8() by which outliers a batch has). A candidate gets the
same tokens too, and is set aside if its logits are much further apart than that, if it raises or if it runs out of
memory. Its speed is its median step against the plain one's.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from qrtui.device_failures import is_out_of_memory
from qrtui.generate.decode import decode
from qrtui.generate.known_ways import PLAIN, Steps, Tried
from qrtui.generate.sequence import GrowingSequence, Request

Found = dict[Steps, Tried]

UNFINISHED = "its trial did not come to an end"

_PROMPTS, _SLOTS, _OTHER_SLOTS, _TOKENS = 40, 32, 7, 16
_LOGITS_KEPT = 1024
# How many times as far apart as the plain way in other batches a way may be, and what counts as no distance at all, in
# shares of the logits' own size: sums of some thousand numbers in 32 bits, and single roundings to fewer bits.
_TIMES_APART = 3.0
_NEGLIGIBLE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}


@dataclass
class Seen:
    """What a way did: every request's tokens, some of the logits that each was chosen from, and a step's seconds."""

    tokens: dict[int, list[int]] = field(default_factory=dict)
    logits: dict[int, list[Tensor]] = field(default_factory=dict)
    seconds: float = 0.0


def try_steps(loaded: Any, names: Sequence[Steps], begin: Callable[[Steps, Found], None]) -> Found:
    """What became of each of these ways with this model as it is now.

    `begin(name, found)` is told before each trial, with what became of those before it.
    Nothing where the plain way itself gives no finite numbers or does not fit beside the model: then there is nothing
    to compare with. Raises what lost the device.
    """
    try:
        plain = probe(loaded, PLAIN)
        again = probe(loaded, PLAIN, slots=_OTHER_SLOTS, tokens=plain.tokens)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return {}
    if not all(torch.isfinite(one).all() for all_of in plain.logits.values() for one in all_of):
        return {}
    size = max(_size(torch.stack(logits)) for logits in plain.logits.values())
    allowed = _TIMES_APART * apart(plain, again) + _NEGLIGIBLE.get(loaded.model.dtype, 3e-2) * size
    found: Found = {}
    for name in names:
        begin(name, found)
        found[name] = _tried(loaded, name, plain, allowed)
        _free(loaded)
    return found


def reason_of(error: BaseException) -> str:
    """An error in a few words: why a way is set aside."""
    if is_out_of_memory(error):
        return "out of memory"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def device_answers(loaded: Any) -> bool:
    """Whether the model's device still computes after an error: some of CUDA's leave it broken for good."""
    try:
        return float(torch.ones(2, device=loaded.device).sum()) == 2
    except RuntimeError:
        return False


def probe(loaded: Any, steps: Steps, *, slots: int = _SLOTS, tokens: dict[int, list[int]] | None = None) -> Seen:
    """Let a way complete the made-up prompts, greedily or with the given tokens."""
    seen, starts = Seen(), list[tuple[float, int]]()

    def choose(rows: Sequence[GrowingSequence | None], logits: Tensor) -> Tensor:
        kept = logits[:, :: max(1, logits.shape[1] // _LOGITS_KEPT)].cpu()
        chosen = logits.argmax(dim=-1).tolist()
        for at, row in enumerate(rows):
            if row is not None:
                if tokens is not None:
                    chosen[at] = tokens[row.request][len(row.tokens)]
                seen.tokens.setdefault(row.request, []).append(chosen[at])
                seen.logits.setdefault(row.request, []).append(kept[at])
        return torch.tensor(chosen)

    for _ in decode(
        loaded.model,
        loaded.tokenizer,
        _requests(loaded.tokenizer),
        max_new_tokens=_TOKENS,
        slots=slots,
        steps=steps,
        choose=choose,
        on_token=lambda active: starts.append((time.perf_counter(), active)),
    ):
        pass
    most = max(active for _, active in starts)
    full = [after - at for (at, active), (after, _) in itertools.pairwise(starts) if active == most]
    seen.seconds = statistics.median(full or [0.0])
    return seen


def apart(one: Seen, other: Seen) -> float:
    """How far the logits of the request that differs most are apart: the root of their mean squared difference."""
    if one.tokens != other.tokens:
        return float("inf")
    distances = [
        _size(torch.stack(logits) - torch.stack(other.logits[request])) for request, logits in one.logits.items()
    ]
    return max(distances) if all(distance == distance for distance in distances) else float("inf")


def _tried(loaded: Any, name: Steps, plain: Seen, allowed: float) -> Tried:
    try:
        seen = probe(loaded, name, tokens=plain.tokens)
    except Exception as error:
        if not device_answers(loaded):
            raise
        return Tried(aside=reason_of(error))
    distance = apart(plain, seen)
    if not distance <= allowed:
        return Tried(aside=f"its logits are {distance:.2g} from the plain way's, where rounding explains {allowed:.2g}")
    return Tried(times=round(plain.seconds / seen.seconds, 2))


def _requests(tokenizer: Any) -> list[Request]:
    """Prompts of many lengths: a line of code, which a model is sure about, and words drawn by chance."""
    drawn, known = torch.Generator().manual_seed(0), len(tokenizer)
    counts = [5 + at * 29 % 60 for at in range(_PROMPTS)]
    words = [torch.randint(known, (count,), generator=drawn).tolist() for count in counts]
    texts = [f"def f(n): return n + 1\n{tokenizer.decode(ids, skip_special_tokens=True)}" for ids in words]
    return [Request(text, (), add_special_tokens=True) for text in texts]


def _size(numbers: Tensor) -> float:
    return float(numbers.square().mean().sqrt())


def _free(loaded: Any) -> None:
    if torch.device(loaded.device).type == "cuda":
        torch.cuda.empty_cache()
