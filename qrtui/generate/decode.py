"""The decoder: a batch of prompts in, completions out as each one ends. Imports torch: import it lazily."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from qrtui.generate.choosing import Choose, chooser
from qrtui.generate.forward import Forward
from qrtui.generate.pieces import Piece, Pieces
from qrtui.generate.reading import PromptReader
from qrtui.generate.sequence import Answer, Ending, GrowingSequence, Request, sequences
from qrtui.generate.steps.chosen import cache_for
from qrtui.generate.steps.growing_cache import LibraryCache, Prefilled
from qrtui.generate.steps.names import Steps

_FREE_SHARE = 0.15
_FIRST_SLOTS = 16


def decode(
    model: Any,
    tokenizer: Any,
    requests: Sequence[Request],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    slots: int | None = None,
    steps: Steps = "growing",
    choose: Choose | None = None,
    on_token: Callable[[int], None] = lambda active: None,
) -> Generator[Answer, None, None]:
    """Complete all `requests`, at most `slots` at a time (None: all together), yielding each answer as it ends.

    Greedy at temperature 0, else sampled with a generator of each request's own, so that a sample does not depend on
    its neighbours in the batch; or by `choose`. A sequence ends at an end token, at one of its stop texts, at
    `max_new_tokens`, or where the model's numbers are no longer finite; its slot then goes to the next request in
    order. `steps` is where keys and values are held and how a step is started, which changes a completion by float
    rounding at most; raises ValueError where the model or its device cannot do it. `on_token(active)` is called before
    every pass through the model with the number of sequences that get a token from it, and may raise Cancelled, which
    passes through.
    """
    choose = choose or chooser(temperature)
    decoder = _Decoder(model, tokenizer, requests, max_new_tokens, temperature, slots, steps, choose)
    has_work = decoder.has_work
    while has_work:
        ended = decoder.advance(on_token)
        has_work = decoder.has_work
        if not has_work:
            # The cache goes before the last answers, many at once, are worked on.
            del decoder
        yield from ended


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
    choose, pieces = chooser(temperature), Pieces(tokenizer, requests)
    decoder = _Decoder(model, tokenizer, requests, max_new_tokens, temperature, None, "growing", choose)
    while decoder.has_work:
        ended = decoder.advance(on_token)
        yield from pieces.new(decoder.growing, ended)
        yield from ended


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
        steps: Steps,
        choose: Choose,
    ) -> None:
        self._slots = slots or len(requests)
        # Few at first, then ever more, so that the first completions do not wait for many prompts to be read.
        self._slots_now = min(self._slots, _FIRST_SLOTS)
        self._waiting = sequences(tokenizer, requests, temperature)
        self._rows: list[GrowingSequence | None] = []
        self._next: list[int] = []
        self._choose = choose
        self._ending = Ending(model, tokenizer, requests, max_new_tokens)
        prompts = [sequence.prompt for sequence in self._waiting]
        forward = Forward(model)
        longest = max(map(len, prompts), default=0) + max_new_tokens
        self._cache = cache_for(forward, steps, rows=min(self._slots, len(requests)), tokens=longest)
        shares = self._slots != 1 and not isinstance(self._cache, LibraryCache)
        self._reader = PromptReader(forward, tokenizer.pad_token_id, prompts, shares=shares)

    @property
    def has_work(self) -> bool:
        """Whether a sequence is open or waiting."""
        return bool(self._waiting) or any(self._rows)

    @property
    def growing(self) -> list[GrowingSequence]:
        """The sequences that have a slot and have not ended."""
        return [row for row in self._rows if row is not None]

    def advance(self, on_token: Callable[[int], None]) -> list[Answer]:
        """Give free slots to waiting sequences, or every open sequence a token; returns those that ended."""
        free = self._slots_now - len(self.growing)
        wanted = self._waiting and (self._cache.can_take_more or not self.growing)
        if wanted and (free >= _FREE_SHARE * self._slots_now or not self.growing):
            self._slots_now = min(self._slots, 2 * self._slots_now)
            return self._admit([self._waiting.popleft() for _ in range(min(free, len(self._waiting)))], on_token)
        on_token(len(self.growing))
        return self._step()

    def _admit(self, some: list[GrowingSequence], on_token: Callable[[int], None]) -> list[Answer]:
        """Read the prompts of new sequences, which gives each its first token, and put them into free slots."""
        added, rows, ended = [], [], []
        portions = [some] if isinstance(self._cache, LibraryCache) else self._reader.portions(some)
        for portion in portions:
            on_token(len(portion))
            prefilled, open_rows, answers = self._read(portion)
            ended += answers
            if open_rows:
                added.append(prefilled)
                rows += open_rows
        if added:
            self._settle_in(added, rows)
        return ended

    @torch.inference_mode()
    def _read(self, some: list[GrowingSequence]) -> tuple[Prefilled, list[GrowingSequence], list[Answer]]:
        started = time.perf_counter()
        logits, past, mask = self._reader.read(some)
        open_rows, tokens, ended = self._take_tokens(some, logits, started)
        at = [row for row, sequence in enumerate(open_rows) if sequence is not None]
        self._next += [tokens[row] for row in at]
        prefilled = Prefilled(past, mask)
        if len(at) < len(some) and at:
            chosen = torch.tensor(at, device=mask.device)
            past.batch_select_indices(chosen)
            prefilled = Prefilled(past, mask[chosen])
        return prefilled, [some[row] for row in at], ended

    @torch.inference_mode()
    def _settle_in(self, added: list[Prefilled], rows: list[GrowingSequence]) -> None:
        kept = [at for at, row in enumerate(self._rows) if row is not None]
        self._next = [self._next[at] for at in kept] + self._next[len(self._rows) :]
        self._rows = [*self.growing, *rows]
        self._cache.rebuild(kept, added)

    @torch.inference_mode()
    def _step(self) -> list[Answer]:
        """Decode one token of every row; returns the answers that it ended."""
        started = time.perf_counter()
        logits = self._cache.step(self._next, [row is not None for row in self._rows])
        self._rows, self._next, ended = self._take_tokens(self._rows, logits, started)
        gone = sum(row is None for row in self._rows)
        if self.growing and gone >= _FREE_SHARE * len(self._rows) and not (self._waiting and self._cache.can_take_more):
            self._drop_finished()
        return ended

    def _drop_finished(self) -> None:
        """Rows of finished sequences leave once they are many enough to pay for the copy."""
        kept = [at for at, row in enumerate(self._rows) if row is not None]
        self._cache.rebuild(kept)
        self._next = [self._next[at] for at in kept]
        self._rows = list(self.growing)

    def _take_tokens(
        self, rows: Sequence[GrowingSequence | None], logits: Tensor, started: float
    ) -> tuple[list[GrowingSequence | None], list[int], list[Answer]]:
        """Give every row its token: the rows with None where one ended, the tokens, and the answers that ended."""
        # Both hand a NaN on; asking every number takes a copy of the logits.
        finite = (logits.amax(dim=-1).isfinite() & logits.amin(dim=-1).isfinite()).tolist()
        tokens = self._choose(rows, logits).tolist()
        open_rows = [row for row in rows if row is not None]
        share = (time.perf_counter() - started) / len(open_rows)
        left: list[GrowingSequence | None] = list(rows)
        ended = []
        for at, sequence in enumerate(rows):
            if sequence is not None:
                sequence.seconds += share
                if answer := self._ending.extend(sequence, tokens[at], finite[at]):
                    ended.append(answer)
                    left[at] = None
        return left, tokens, ended
