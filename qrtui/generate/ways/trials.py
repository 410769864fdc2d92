"""Trying the ways of doing steps for a moment: is it as right as the plain one, and how fast? Imports torch lazily.

The plain way completes a few made-up prompts. It does so again in other batches, with the same tokens, which tells how
far its own logits are apart by float rounding (and in LLM.int8() by which outliers a batch has). A candidate gets the
same tokens too, and is set aside if its logits are much further apart than that, if it raises or if it runs out of
memory. Continuous batching, which cannot be given tokens, must choose the same ones until two are as likely by that
measure. Speed is the median step against the plain one's.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from qrtui.device_failures import is_out_of_memory
from qrtui.generate.decode import decode
from qrtui.generate.sequence import Answer, Cancelled, Ending, GrowingSequence, Request
from qrtui.generate.steps.names import PLAIN, Steps
from qrtui.generate.ways.known import Tried

Found = dict[Steps, Tried]
OnToken = Callable[[int], None]

_PROMPTS, _SLOTS, _OTHER_SLOTS, _TOKENS = 40, 32, 7, 16
_LOGITS_KEPT, _HIGHEST = 1024, 8
# How many times as far apart as the plain way in other batches a way may be, and what counts as no distance at all, in
# shares of the logits' own size: sums of some thousand numbers in 32 bits, and single roundings to fewer bits.
_TIMES_APART = 3.0
_DEVIATIONS = 4.0
_NEGLIGIBLE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}


@dataclass
class Seen:
    """What a way did: every request's tokens, of the logits that each was chosen from some and the highest, with the
    tokens that had them, and a step's seconds.
    """

    tokens: dict[int, list[int]] = field(default_factory=dict)
    logits: dict[int, list[Tensor]] = field(default_factory=dict)
    highest: dict[int, list[dict[int, float]]] = field(default_factory=dict)
    seconds: float = 0.0


def try_steps(
    loaded: Any,
    names: Sequence[Steps],
    begin: Callable[[Steps, Found], None] = lambda name, found: None,
    on_token: OnToken = lambda active: None,
) -> Found:
    """What became of each of these ways with this model as it is now.

    `begin(name, found)` is told before each trial, with what became of those before it.
    Nothing where the plain way itself gives no finite numbers or does not fit beside the model: then there is nothing
    to compare with. `on_token(0)` is called at every step, and what it raises passes through. Raises what lost the
    device.
    """
    try:
        plain = probe(loaded, PLAIN, on_token)
        again = probe(loaded, PLAIN, on_token, slots=_OTHER_SLOTS, tokens=plain.tokens)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return {}
    is_finite = all(torch.isfinite(one).all() for all_of in plain.logits.values() for one in all_of)
    if not is_finite or plain.seconds == math.inf:
        return {}
    size = max(_size(torch.stack(logits)) for logits in plain.logits.values())
    allowed = _TIMES_APART * apart(plain, again) + _NEGLIGIBLE.get(loaded.model.dtype, 3e-2) * size
    found: Found = {}
    for name in names:
        begin(name, found)
        found[name] = _tried(loaded, name, plain, allowed, on_token)
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


def probe(
    loaded: Any,
    steps: Steps,
    on_token: OnToken = lambda active: None,
    *,
    slots: int = _SLOTS,
    prompts: int = _PROMPTS,
    tokens: dict[int, list[int]] | None = None,
) -> Seen:
    """Let a way complete the made-up prompts, greedily or with the given tokens."""
    seen, starts = Seen(), list[tuple[float, int]]()

    def choose(rows: Sequence[GrowingSequence | None], logits: Tensor) -> Tensor:
        kept = logits[:, :: max(1, logits.shape[1] // _LOGITS_KEPT)].cpu()
        values, ids = (found.tolist() for found in logits.topk(_HIGHEST, dim=-1))
        chosen = logits.argmax(dim=-1).tolist()
        for at, row in enumerate(rows):
            if row is not None:
                if tokens is not None:
                    chosen[at] = tokens[row.request][len(row.tokens)]
                seen.tokens.setdefault(row.request, []).append(chosen[at])
                seen.logits.setdefault(row.request, []).append(kept[at])
                seen.highest.setdefault(row.request, []).append(dict(zip(ids[at], values[at], strict=True)))
        return torch.tensor(chosen)

    for _ in decode(
        loaded.model,
        loaded.tokenizer,
        _requests(loaded.tokenizer, prompts),
        max_new_tokens=_TOKENS,
        slots=slots,
        steps=steps,
        choose=choose,
        on_token=_noting(starts, on_token),
    ):
        pass
    seen.seconds = _median_step(starts)
    return seen


class _Recording(Ending):
    """Notes the tokens that sequences are extended by, and when."""

    def __init__(self, loaded: Any, requests: Sequence[Request], seen: Seen) -> None:
        super().__init__(loaded.model, loaded.tokenizer, requests, _TOKENS)
        self._seen = seen
        self._times: dict[int, list[float]] = {}

    def extend(self, sequence: GrowingSequence, token: int, is_finite: bool) -> Answer | None:
        """As always, and note the token."""
        self._seen.tokens.setdefault(sequence.request, []).append(token)
        self._times.setdefault(sequence.request, []).append(time.perf_counter())
        return super().extend(sequence, token, is_finite)

    def step_seconds(self) -> float:
        """The median over the sequences of their mean seconds from token to token: steps end when the loop says so."""
        paces = [(times[-1] - times[0]) / (len(times) - 1) for times in self._times.values() if len(times) > 1]
        return statistics.median(paces or [math.inf])


def probe_continuous(
    loaded: Any, on_token: OnToken = lambda active: None, *, slots: int = _SLOTS, prompts: int = _PROMPTS
) -> Seen:
    """Let continuous batching complete the made-up prompts."""
    from qrtui.generate.steps.continuous import decode_continuously

    seen, requests = Seen(), _requests(loaded.tokenizer, prompts)
    recording = _Recording(loaded, requests, seen)
    for _ in decode_continuously(
        loaded.model,
        loaded.tokenizer,
        requests,
        max_new_tokens=_TOKENS,
        slots=slots,
        on_token=lambda active: on_token(0),
        ending=recording,
    ):
        pass
    seen.seconds = recording.step_seconds()
    return seen


def _noting(marks: list[tuple[float, int]], on_token: OnToken) -> OnToken:
    def note(active: int) -> None:
        on_token(0)
        marks.append((time.perf_counter(), active))

    return note


def _median_step(marks: Sequence[tuple[float, int]]) -> float:
    """The median seconds between two marks, (time, active), while most sequences were active; infinite without any."""
    most = max(active for _, active in marks)
    full = [after - at for (at, active), (after, _) in itertools.pairwise(marks) if active == most]
    return statistics.median(full or [math.inf])


def apart(one: Seen, other: Seen) -> float:
    """How far the logits of the request that differs most are apart: the root of their mean squared difference."""
    if one.tokens != other.tokens:
        return math.inf
    distances = [
        _size(torch.stack(logits) - torch.stack(other.logits[request])) for request, logits in one.logits.items()
    ]
    return max(distances) if all(distance == distance for distance in distances) else math.inf


def gap(plain: Seen, other: Seen) -> float:
    """How much less likely, in logits, a token of another way was for the plain one, where the two first differ."""
    gaps = [0.0]
    for request, tokens in plain.tokens.items():
        theirs = other.tokens.get(request, [])
        for ours, their, highest in zip(tokens, theirs, plain.highest[request], strict=False):
            if ours != their:
                gaps.append(highest[ours] - highest.get(their, -math.inf))
                break
        else:
            if len(tokens) != len(theirs):
                return math.inf
    return max(gaps)


def _tried(loaded: Any, name: Steps, plain: Seen, allowed: float, on_token: OnToken) -> Tried:
    try:
        if name == "continuous":
            seen = probe_continuous(loaded, on_token)
        else:
            seen = probe(loaded, name, on_token, tokens=plain.tokens)
    except Cancelled:
        raise
    except Exception as error:
        if not device_answers(loaded):
            raise
        return Tried(aside=reason_of(error))
    distance = gap(plain, seen) / _DEVIATIONS if name == "continuous" else apart(plain, seen)
    if not distance <= allowed:
        return Tried(aside=f"its logits are {distance:.2g} from the plain way's, where rounding explains {allowed:.2g}")
    return Tried(times=round(plain.seconds / seen.seconds, 2))


def _requests(tokenizer: Any, count: int) -> list[Request]:
    """Prompts of many lengths: a line of code, which a model is sure about, and words drawn by chance."""
    drawn, known = torch.Generator().manual_seed(0), len(tokenizer)
    lengths = [5 + at * 29 % 60 for at in range(count)]
    words = [torch.randint(known, (length,), generator=drawn).tolist() for length in lengths]
    texts = [f"def f(n): return n + 1\n{tokenizer.decode(ids, skip_special_tokens=True)}" for ids in words]
    return [Request(text, (), add_special_tokens=True) for text in texts]


def _size(numbers: Tensor) -> float:
    return float(numbers.square().mean().sqrt())


def _free(loaded: Any) -> None:
    if torch.device(loaded.device).type == "cuda":
        torch.cuda.empty_cache()
