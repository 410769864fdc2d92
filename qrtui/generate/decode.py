"""The decoder: a batch of prompts in, completions out as each one ends. Imports torch: import it lazily."""

from __future__ import annotations

import inspect
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from qrtui.generate.cache import LibraryCache, Prefilled, cache_for, repeated
from qrtui.generate.prompt import cut

Finish = Literal["stop", "length", "nan"]

_TAIL_TOKENS = 16
_PREFIX_WORTH_SHARING = 8
_FREE_SHARE = 0.15
_FIRST_SLOTS = 16
_PROMPT_TOKENS_AT_ONCE = {"cpu": 2048, "cuda": 16384}


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to make. `text` is the rendered prompt; `seed` draws the tokens if the temperature is above 0."""

    text: str
    stops: tuple[str, ...]
    add_special_tokens: bool
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """What a completion grew by. The pieces of a request, put together, are its answer's text."""

    request: int
    text: str


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


def decode(
    model: Any,
    tokenizer: Any,
    requests: Sequence[Request],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    slots: int | None = None,
    on_token: Callable[[int], None] = lambda active: None,
) -> Iterator[Answer]:
    """Complete all `requests`, at most `slots` at a time (None: all together), yielding each answer as it ends.

    Greedy at temperature 0, else sampled with a generator of each request's own, so that a sample does not depend on
    its neighbours in the batch. A sequence ends at an end token, at one of its stop texts, at `max_new_tokens`, or
    where the model's numbers are no longer finite; its slot then goes to the next request in order. `on_token(active)`
    is called before every pass through the model with the number of sequences that get a token from it, and may raise
    Cancelled, which passes through.
    """
    decoder = _Decoder(model, tokenizer, requests, max_new_tokens, temperature, slots)
    while decoder.has_work:
        yield from decoder.advance(on_token)


def stream(
    model: Any,
    tokenizer: Any,
    requests: Sequence[Request],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    on_token: Callable[[int], None] = lambda active: None,
) -> Iterator[Piece | Answer]:
    """As `decode`, and while the completions grow, piece by piece what they grew by.

    A piece never ends within a character, nor within what may become a stop. Streams of several models can be drawn in
    turns on one thread.
    """
    decoder = _Decoder(model, tokenizer, requests, max_new_tokens, temperature, None)
    while decoder.has_work:
        ended = decoder.advance(on_token)
        yield from decoder.pieces(ended)
        yield from ended


@dataclass
class _Sequence:
    request: int
    prompt: list[int]
    generator: torch.Generator | None
    tokens: list[int] = field(default_factory=list)
    seconds: float = 0.0


class _Decoder:
    """The sequences that wait, those that are decoded together, and the cache of keys and values they share."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        requests: Sequence[Request],
        max_new_tokens: int,
        temperature: float,
        slots: int | None,
    ) -> None:
        self._model, self._tokenizer, self._requests = model, tokenizer, requests
        self._max_new_tokens, self._temperature = max_new_tokens, temperature
        self._end_tokens = end_tokens(model, tokenizer)
        self._extra = _accepted(model, logits_to_keep=1)
        # transformers calls it `cache` from 5.24 on, and tells of the other name at every pass.
        self._cache_name = "cache" if _accepted(model, cache=None) else "past_key_values"
        self._device = next(model.parameters()).device
        self._slots = slots or len(requests)
        # Few at first, then ever more, so that the first completions do not wait for many prompts to be read.
        self._slots_now = min(self._slots, _FIRST_SLOTS)
        self._rows: list[_Sequence | None] = []
        self._next: list[int] = []
        self._cache = cache_for(model)
        prompts = [tokenizer(r.text, add_special_tokens=r.add_special_tokens)["input_ids"] for r in requests]
        self._shared = self._worth_sharing(prompts)
        self._beginning: Any = None
        self._shown: dict[int, int] = {}
        self._waiting = deque(
            _Sequence(at, prompt, _generator(request.seed, temperature))
            for at, (request, prompt) in enumerate(zip(requests, prompts, strict=True))
        )

    @property
    def has_work(self) -> bool:
        """Whether a sequence is open or waiting."""
        return bool(self._waiting) or any(self._rows)

    @property
    def _open(self) -> list[_Sequence]:
        return [row for row in self._rows if row is not None]

    def advance(self, on_token: Callable[[int], None]) -> list[Answer]:
        """Give free slots to waiting sequences, or every open sequence a token; returns those that ended."""
        free = self._slots_now - len(self._open)
        wanted = self._waiting and (self._cache.can_take_more or not self._open)
        if wanted and (free >= _FREE_SHARE * self._slots_now or not self._open):
            self._slots_now = min(self._slots, 2 * self._slots_now)
            return self._admit([self._waiting.popleft() for _ in range(min(free, len(self._waiting)))], on_token)
        on_token(len(self._open))
        return self._step()

    def pieces(self, ended: Sequence[Answer]) -> list[Piece]:
        """What the open and the just ended sequences grew by since the last call."""
        grown = [(answer.request, answer.text, True) for answer in ended]
        grown += [
            (row.request, self._tokenizer.decode(row.tokens, skip_special_tokens=True), False) for row in self._open
        ]
        return [Piece(request, text) for request, text in (self._news(*one) for one in grown) if text]

    def _news(self, request: int, text: str, whole: bool) -> tuple[int, str]:
        shown = self._shown.get(request, 0)
        end = len(text) if whole else _settled(text, self._requests[request].stops)
        self._shown[request] = max(shown, end)
        return request, text[shown:end]

    # Reading prompts

    def _worth_sharing(self, prompts: list[list[int]]) -> int:
        """How many tokens all prompts begin with (a chat's instruction), if reading them once for all pays.

        None where sequences go one by one: no completion then depends on the other prompts, not even by rounding.
        """
        if len(prompts) < 2 or self._slots == 1 or isinstance(self._cache, LibraryCache):
            return 0
        shared = _common_prefix(prompts)
        return shared if shared >= _PREFIX_WORTH_SHARING else 0

    def _admit(self, sequences: list[_Sequence], on_token: Callable[[int], None]) -> list[Answer]:
        """Read the prompts of new sequences, which gives each its first token, and put them into free slots."""
        added, rows, ended = [], [], []
        for some in self._portions(sequences):
            on_token(len(some))
            prefilled, open_rows, answers = self._read(some)
            ended += answers
            if open_rows:
                added.append(prefilled)
                rows += open_rows
        if added:
            self._settle_in(added, rows)
        return ended

    def _portions(self, sequences: list[_Sequence]) -> Iterator[list[_Sequence]]:
        """Few enough prompts at a time that a pass is soon over and a person who says stop need not wait."""
        if isinstance(self._cache, LibraryCache):
            yield sequences
            return
        most, portion = _PROMPT_TOKENS_AT_ONCE.get(self._device.type, 2048), list[_Sequence]()
        for sequence in sequences:
            longest = max(len(s.prompt) for s in [*portion, sequence]) - self._shared
            if portion and longest * (len(portion) + 1) > most:
                yield portion
                portion = []
            portion.append(sequence)
        yield portion

    @torch.inference_mode()
    def _read(self, sequences: list[_Sequence]) -> tuple[Prefilled, list[_Sequence], list[Answer]]:
        started = time.perf_counter()
        ids, mask = self._padded(sequences)
        past = None
        if self._shared:
            if self._beginning is None:
                beginning = torch.tensor([sequences[0].prompt[: self._shared]], device=self._device)
                self._beginning = self._model(input_ids=beginning, use_cache=True, **self._extra).past_key_values
            past = repeated(self._beginning, len(sequences))
        logits, past = self._forward(ids, mask, past)
        open_rows, tokens, ended = self._take_tokens(sequences, logits, started)
        at = [row for row, sequence in enumerate(open_rows) if sequence is not None]
        self._next += [tokens[row] for row in at]
        prefilled = Prefilled(past, mask)
        if len(at) < len(sequences) and at:
            chosen = torch.tensor(at, device=self._device)
            past.batch_select_indices(chosen)
            prefilled = Prefilled(past, mask[chosen])
        return prefilled, [sequences[row] for row in at], ended

    def _padded(self, sequences: list[_Sequence]) -> tuple[Tensor, Tensor]:
        """The prompts' tokens and attention mask, padded on the left behind what all prompts begin with.

        The tokens returned are those after that common beginning, the mask covers both.
        """
        shared, pad = self._shared, self._tokenizer.pad_token_id
        width = max(len(sequence.prompt) for sequence in sequences)
        gaps = [width - len(sequence.prompt) for sequence in sequences]
        ids = [[pad] * gap + sequence.prompt[shared:] for gap, sequence in zip(gaps, sequences, strict=True)]
        mask = [[1] * shared + [0] * gap + [1] * (width - gap - shared) for gap in gaps]
        return torch.tensor(ids, device=self._device), torch.tensor(mask, device=self._device)

    @torch.inference_mode()
    def _settle_in(self, added: list[Prefilled], rows: list[_Sequence]) -> None:
        kept = [at for at, row in enumerate(self._rows) if row is not None]
        self._next = [self._next[at] for at in kept] + self._next[len(self._rows) :]
        self._rows = [*self._open, *rows]
        self._cache.rebuild(kept, added)

    # Decoding

    @torch.inference_mode()
    def _step(self) -> list[Answer]:
        """Decode one token of every row; returns the answers that it ended."""
        started = time.perf_counter()
        self._cache.grow()
        ids = torch.tensor(self._next, device=self._device).unsqueeze(-1)
        logits, self._cache.past = self._forward(ids, self._cache.mask, self._cache.past)
        self._rows, self._next, ended = self._take_tokens(self._rows, logits, started)
        gone = sum(row is None for row in self._rows)
        if self._open and gone >= _FREE_SHARE * len(self._rows) and not (self._waiting and self._cache.can_take_more):
            self._drop_finished()
        return ended

    def _drop_finished(self) -> None:
        """Rows of finished sequences leave once they are many enough to pay for the copy."""
        kept = [at for at, row in enumerate(self._rows) if row is not None]
        self._cache.rebuild(kept)
        self._next = [self._next[at] for at in kept]
        self._rows = list(self._open)

    def _forward(self, ids: Tensor, mask: Tensor, past: Any) -> tuple[Tensor, Any]:
        """The logits of the next token, (rows, vocabulary) in float32, and the cache."""
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            **{self._cache_name: past},
            **self._extra,
        )
        return output.logits[:, -1].float(), output.past_key_values

    def _take_tokens(
        self, rows: Sequence[_Sequence | None], logits: Tensor, started: float
    ) -> tuple[list[_Sequence | None], list[int], list[Answer]]:
        """Give every row its token: the rows with None where one ended, the tokens, and the answers that ended."""
        finite = torch.isfinite(logits).all(dim=-1).tolist()
        tokens = self._choose(rows, logits).tolist()
        open_rows = [row for row in rows if row is not None]
        share = (time.perf_counter() - started) / len(open_rows)
        left: list[_Sequence | None] = list(rows)
        ended = []
        for at, sequence in enumerate(rows):
            if sequence is not None:
                sequence.seconds += share
                if answer := self._extend(sequence, tokens[at], finite[at]):
                    ended.append(answer)
                    left[at] = None
        return left, tokens, ended

    def _choose(self, rows: Sequence[_Sequence | None], logits: Tensor) -> Tensor:
        """The next token of every row: (rows,)."""
        if self._temperature == 0:
            return logits.argmax(dim=-1)
        shares = torch.softmax(torch.nan_to_num(logits) / self._temperature, dim=-1).cpu()
        drawn = [
            torch.multinomial(shares[at], 1, generator=row.generator) if row else torch.zeros(1, dtype=torch.long)
            for at, row in enumerate(rows)
        ]
        return torch.cat(drawn).to(logits.device)

    def _extend(self, sequence: _Sequence, token: int, is_finite: bool) -> Answer | None:
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

    def _answer(self, sequence: _Sequence, finish: Finish) -> Answer:
        text = self._tokenizer.decode(sequence.tokens, skip_special_tokens=True)
        text = cut(text, self._requests[sequence.request].stops)
        return Answer(sequence.request, text, len(sequence.tokens), sequence.seconds, finish)


def _settled(text: str, stops: tuple[str, ...]) -> int:
    """How much of a growing text may be shown: not half a character, nor what may be the beginning of a stop.

    >>> _settled("return 1\\n``", ("\\n```",)), _settled("caf\ufffd", ()), _settled("x\\n", ("\\ndef ",))
    (8, 3, 1)
    """
    text = text.rstrip("\ufffd")
    starts = (stop[:length] for stop in stops for length in range(len(stop), 0, -1))
    held = max((len(start) for start in starts if text.endswith(start)), default=0)
    return len(text) - held


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The ids of the tokens that end a completion, from the generation config and the tokenizer."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ids = configured if isinstance(configured, list | tuple) else [configured]
    return frozenset(token for token in [*ids, tokenizer.eos_token_id] if token is not None)


def _common_prefix(prompts: list[list[int]]) -> int:
    """How many tokens all prompts begin with; at least one token of each is left over."""
    shortest = min(prompts, key=len)
    for at, column in enumerate(zip(*prompts, strict=False)):
        if len(set(column)) > 1 or at == len(shortest) - 1:
            return at
    return 0


def _generator(seed: int, temperature: float) -> torch.Generator | None:
    return torch.Generator("cpu").manual_seed(seed) if temperature > 0 else None


def _accepted(model: Any, **arguments: Any) -> dict[str, Any]:
    """Those arguments that this model's `forward` knows."""
    known = inspect.signature(model.forward).parameters
    return {name: value for name, value in arguments.items() if name in known}
