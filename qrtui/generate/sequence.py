"""What is asked of the decoder, what it answers, and the sequence that grows between the two.

Imports torch for the type of a generator: import it lazily.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from qrtui.generate.prompt import cut

Finish = Literal["stop", "length", "nan"]

_TAIL_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to make. `text` is the rendered prompt; `seed` draws the tokens if the temperature is above 0."""

    text: str
    stops: tuple[str, ...]
    add_special_tokens: bool
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished completion, cut at its stop. `request` is its place in the batch; `seconds` its share of the time."""

    request: int
    text: str
    tokens: int
    seconds: float
    finish: Finish


class Cancelled(Exception):  # noqa: N818 - not an error: the person asked for it
    """Decoding was told to stop; unfinished completions are dropped."""


class NotFiniteError(RuntimeError):
    """Some sequence's numbers are not finite, and this way of decoding cannot tell whose."""


@dataclass
class GrowingSequence:
    """A request's prompt, the tokens it got so far, and the seconds that they took."""

    request: int
    prompt: list[int]
    generator: torch.Generator | None
    tokens: list[int] = field(default_factory=list)
    seconds: float = 0.0


class Ending:
    """Says when a sequence ends: by an end token, a stop text, its length, or numbers that are not finite."""

    def __init__(self, model: Any, tokenizer: Any, requests: Sequence[Request], max_new_tokens: int) -> None:
        self._tokenizer, self._requests, self._max_new_tokens = tokenizer, requests, max_new_tokens
        self._end_tokens = end_tokens(model, tokenizer)

    def extend(self, sequence: GrowingSequence, token: int, is_finite: bool) -> Answer | None:
        """Add a token to a sequence; its answer if that ended it."""
        if not is_finite:
            return self._answer(sequence, "nan")
        if token in self._end_tokens:
            return self._answer(sequence, "stop")
        sequence.tokens.append(token)
        tail = self._tokenizer.decode(sequence.tokens[-_TAIL_TOKENS:], skip_special_tokens=True)
        if any(stop in tail for stop in self._requests[sequence.request].stops):
            return self._answer(sequence, "stop")
        return self._answer(sequence, "length") if len(sequence.tokens) >= self._max_new_tokens else None

    def _answer(self, sequence: GrowingSequence, finish: Finish) -> Answer:
        text = self._tokenizer.decode(sequence.tokens, skip_special_tokens=True)
        text = cut(text, self._requests[sequence.request].stops)
        return Answer(sequence.request, text, len(sequence.tokens), sequence.seconds, finish)


def sequences(tokenizer: Any, requests: Sequence[Request], temperature: float) -> deque[GrowingSequence]:
    """A sequence without tokens for every request, in order."""
    return deque(
        GrowingSequence(
            at,
            tokenizer(request.text, add_special_tokens=request.add_special_tokens)["input_ids"],
            torch.Generator("cpu").manual_seed(request.seed) if temperature > 0 else None,
        )
        for at, request in enumerate(requests)
    )


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The ids of the tokens that end a completion, from the generation config and the tokenizer."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ids = configured if isinstance(configured, list | tuple) else [configured]
    return frozenset(token for token in [*ids, tokenizer.eos_token_id] if token is not None)
