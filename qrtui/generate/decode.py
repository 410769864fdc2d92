"""The decoder: a batch of prompts in, completions out as each one ends. Imports torch: import it lazily."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from qrtui.generate.prompt import cut

Finish = Literal["stop", "length", "nan"]

_TAIL_TOKENS = 16
_PREFIX_WORTH_SHARING = 8
_FINISHED_SHARE = 0.15


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


def decode(
    model: Any,
    tokenizer: Any,
    requests: Sequence[Request],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    on_token: Callable[[int], None] = lambda active: None,
) -> Iterator[Answer]:
    """Complete all `requests` together, yielding each answer as soon as it ends.

    Greedy at temperature 0, else sampled with a generator of each request's own, so that a sample does not depend on
    its neighbours in the batch. A sequence ends at an end token, at one of its stop texts, at `max_new_tokens`, or
    where the model's numbers are no longer finite; finished sequences leave the batch. `on_token(active)` is called
    before every step with the number of sequences still open and may raise Cancelled, which passes through.
    """
    batch = _Batch(model, tokenizer, requests, temperature)
    with torch.inference_mode():
        for step in range(max_new_tokens):
            on_token(len(batch.open))
            yield from batch.step(last=step == max_new_tokens - 1)
            if not batch.open:
                return


@dataclass
class _Sequence:
    request: int
    generator: torch.Generator | None
    tokens: list[int] = field(default_factory=list)
    seconds: float = 0.0


class _Batch:
    """The sequences that are decoded together and the cache of keys and values they share."""

    def __init__(self, model: Any, tokenizer: Any, requests: Sequence[Request], temperature: float) -> None:
        self._model, self._tokenizer, self._requests, self._temperature = (
            model,
            tokenizer,
            requests,
            temperature,
        )
        self._end_tokens = end_tokens(model, tokenizer)
        self._extra = _accepted(model, logits_to_keep=1)
        self.open = [_Sequence(at, _generator(request.seed, temperature)) for at, request in enumerate(requests)]
        self._rows = list(self.open)
        self._cache: Any = None
        self._ids, self._mask = self._read_prompts()

    def step(self, *, last: bool) -> Iterator[Answer]:
        """Decode one token of every open sequence; yield those that it ended."""
        started = time.perf_counter()
        logits = self._forward()
        finite = torch.isfinite(logits).all(dim=-1).tolist()
        chosen = self._choose(logits)
        tokens = chosen.tolist()
        ended: list[Answer] = []
        share = (time.perf_counter() - started) / len(self.open)
        for row, sequence in enumerate(self._rows):
            if sequence in self.open:
                sequence.seconds += share
                answer = self._advance(sequence, tokens[row], finite[row], last)
                if answer:
                    ended.append(answer)
        gone = {answer.request for answer in ended}
        self.open = [sequence for sequence in self.open if sequence.request not in gone]
        if self.open:
            self._drop_finished(chosen)
        yield from ended

    def _read_prompts(self) -> tuple[Tensor, Tensor]:
        """The prompts' tokens and attention mask, padded on the left behind what all prompts begin with.

        That common beginning (a chat's system prompt and instruction) is read once for the whole batch; the tokens
        returned are those after it, the mask covers both.
        """
        special = self._requests[0].add_special_tokens
        prompts = [self._tokenizer(r.text, add_special_tokens=special)["input_ids"] for r in self._requests]
        shared = _common_prefix(prompts)
        if len(prompts) == 1 or shared < _PREFIX_WORTH_SHARING:
            shared = 0
        device, pad = next(self._model.parameters()).device, self._tokenizer.pad_token_id
        width = max(map(len, prompts))
        gaps = [width - len(prompt) for prompt in prompts]
        ids = [[pad] * gap + prompt[shared:] for gap, prompt in zip(gaps, prompts, strict=True)]
        mask = [[1] * shared + [0] * gap + [1] * (width - gap - shared) for gap in gaps]
        if shared:
            with torch.inference_mode():
                beginning = torch.tensor([prompts[0][:shared]], device=device)
                self._cache = self._model(input_ids=beginning, use_cache=True, **self._extra).past_key_values
                self._cache.batch_repeat_interleave(len(prompts))
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _forward(self) -> Tensor:
        """The logits of the next token: (rows, vocabulary), float32."""
        positions = (self._mask.cumsum(-1) - 1).clamp(min=0)[:, -self._ids.shape[1] :]
        output = self._model(
            input_ids=self._ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            **self._extra,
        )
        self._cache = output.past_key_values
        return output.logits[:, -1].float()  # type: ignore[no-any-return]

    def _choose(self, logits: Tensor) -> Tensor:
        """The next token of every row: (rows,)."""
        if self._temperature == 0:
            return logits.argmax(dim=-1)
        shares = torch.softmax(torch.nan_to_num(logits) / self._temperature, dim=-1).cpu()
        drawn = [torch.multinomial(shares[row], 1, generator=s.generator) for row, s in enumerate(self._rows)]
        return torch.cat(drawn).to(logits.device)

    def _advance(self, sequence: _Sequence, token: int, is_finite: bool, last: bool) -> Answer | None:
        """Add a token to a sequence; its answer if that ended it."""
        if not is_finite:
            return self._answer(sequence, "nan")
        if token in self._end_tokens:
            return self._answer(sequence, "stop")
        sequence.tokens.append(token)
        tail = self._tokenizer.decode(sequence.tokens[-_TAIL_TOKENS:], skip_special_tokens=True)
        if any(stop in tail for stop in self._requests[sequence.request].stops):
            return self._answer(sequence, "stop")
        return self._answer(sequence, "length") if last else None

    def _answer(self, sequence: _Sequence, finish: Finish) -> Answer:
        text = self._tokenizer.decode(sequence.tokens, skip_special_tokens=True)
        text = cut(text, self._requests[sequence.request].stops)
        return Answer(sequence.request, text, len(sequence.tokens), sequence.seconds, finish)

    def _drop_finished(self, chosen: Tensor) -> None:
        """Prepare the next step; rows of finished sequences leave once they are many enough to pay for the copy."""
        mask = torch.cat([self._mask, self._mask.new_ones(len(self._rows), 1)], dim=-1)
        ids = chosen.unsqueeze(-1)
        finished = len(self._rows) - len(self.open)
        if finished and finished >= _FINISHED_SHARE * len(self._rows):
            open_rows = {id(sequence) for sequence in self.open}
            kept = [row for row, sequence in enumerate(self._rows) if id(sequence) in open_rows]
            index = torch.tensor(kept, device=ids.device)
            self._cache.batch_select_indices(index)
            mask, ids = mask[index], ids[index]
            self._rows = [self._rows[row] for row in kept]
        self._mask, self._ids = mask, ids


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
