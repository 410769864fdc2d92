"""transformers' continuous batching as a way of decoding: its own loop, thread and paged cache do the steps.

It carries stop texts (a sequence that has ended is taken out), seconds, cancelling within two tokens, and a pause. It
does not carry samples with seeds of their own, for it draws all from one stream; nor passes that depend on one prompt
alone; nor numbers that are not finite, which leak from a sequence to its neighbours where attention is masked: it gives
up when it meets them. Imports torch and transformers: import it lazily.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from qrtui.generate.batching import PROMPT_TOKENS_AT_ONCE
from qrtui.generate.sequence import (
    Answer,
    Ending,
    GrowingSequence,
    NotFiniteError,
    Request,
    end_tokens,
    sequences,
)

_PAGE = 256
# The loop holds a mask from every token of a pass to every place of its cache.
_MOST_TOKENS_AT_ONCE = 4096
_SIGN_OF_LIFE_SECONDS = 0.2
_PATIENCE_SECONDS = 20.0
_HANDING_OVER_SECONDS = 0.001


def decode_continuously(
    model: Any,
    tokenizer: Any,
    requests: Sequence[Request],
    *,
    max_new_tokens: int,
    slots: int | None = None,
    on_token: Callable[[int], None] = lambda active: None,
    ending: Ending | None = None,
) -> Generator[Answer, None, None]:
    """As `decode`, greedily. `on_token(active)` is called after a step that gave `active` sequences a token.

    Raises RuntimeError with what the loop says where it fails, NotFiniteError, and whatever `on_token` raises.
    """
    ending = ending or Ending(model, tokenizer, requests, max_new_tokens)
    waiting = sequences(tokenizer, requests, temperature=0)
    longest = max((len(sequence.prompt) for sequence in waiting), default=0) + max_new_tokens
    places = min(slots or len(requests), len(requests))
    with _loop(model, tokenizer, places, longest, max_new_tokens) as loop:
        yield from _Places(loop, waiting, places, max_new_tokens, ending).answers(on_token)


@contextlib.contextmanager
def _loop(model: Any, tokenizer: Any, places: int, longest: int, max_new_tokens: int) -> Iterator[Any]:
    """The library's manager with its thread running, and a cache for so many sequences of that length."""
    ends = sorted(end_tokens(model, tokenizer))
    generation = GenerationConfig(do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=ends)
    batching = _batching(
        num_blocks=places * -(-longest // _PAGE) + 1,
        max_batch_tokens=max(places, min(PROMPT_TOKENS_AT_ONCE[model.device.type], _MOST_TOKENS_AT_ONCE)),
        max_requests_per_batch=places,
        return_logprobs=True,
    )
    with _own_attention(model):
        with torch.inference_mode():
            manager = model.init_continuous_batching(generation_config=generation, continuous_batching_config=batching)
            _make_pausable(manager)
            manager.start()
        try:
            yield manager
        finally:
            manager.stop(block=True, hard_stop=True, timeout=_PATIENCE_SECONDS)
            manager.destroy()


_SETTINGS = {field.name for field in dataclasses.fields(ContinuousBatchingConfig)}


def _batching(**settings: Any) -> ContinuousBatchingConfig:
    """The library's settings. What is a page since transformers 5.18 was a block in 5.17."""
    settings["page_size" if "page_size" in _SETTINGS else "block_size"] = _PAGE
    if "auto_switch_to_flash" in _SETTINGS:
        # It would look for kernels on the hub.
        settings["auto_switch_to_flash"] = False
    return ContinuousBatchingConfig(**settings)


@contextlib.contextmanager
def _own_attention(model: Any) -> Iterator[None]:
    """Before transformers 5.19 nothing but a model that has paged attention already keeps it from the hub's kernels."""
    former = model.config._attn_implementation
    if "auto_switch_to_flash" in _SETTINGS or former not in ("sdpa", "eager"):
        yield
        return
    model.set_attn_implementation(f"paged|{former}")
    try:
        yield
    finally:
        model.set_attn_implementation(former)


def _make_pausable(manager: Any) -> None:
    """Give a manager of transformers 5.17 the `pause` that those since have: its loop waits before a step."""
    if hasattr(manager, "pause"):
        return
    may_go, step = threading.Event(), manager._generation_step
    may_go.set()

    def held_step() -> None:
        may_go.wait()
        step()

    @contextlib.contextmanager
    def pause() -> Iterator[None]:
        may_go.clear()
        try:
            yield
        finally:
            may_go.set()

    manager._generation_step, manager.pause = held_step, pause


class _Places:
    """The sequences that the loop was given, at most so many at a time, and those that wait for a place."""

    def __init__(
        self, loop: Any, waiting: deque[GrowingSequence], places: int, max_new_tokens: int, ending: Ending
    ) -> None:
        self._loop, self._waiting, self._places = loop, waiting, places
        self._max_new_tokens, self._ending = max_new_tokens, ending
        self._growing: dict[str, GrowingSequence] = {}
        self._taken: dict[str, int] = {}

    def answers(self, on_token: Callable[[int], None]) -> Iterator[Answer]:
        """Each answer as its sequence ends."""
        self._fill()
        last = time.perf_counter()
        while self._growing:
            grown = self._grown()
            self._obey(on_token, len(grown))
            now = time.perf_counter()
            ended = []
            for output in grown:
                self._growing[output.request_id].seconds += (now - last) / len(grown)
                if answer := self._extended(output):
                    ended.append(answer)
            last = now if grown else last
            self._fill()
            yield from ended

    def _fill(self) -> None:
        while self._waiting and len(self._growing) < self._places:
            sequence = self._waiting.popleft()
            name = str(sequence.request)
            self._growing[name], self._taken[name] = sequence, 0
            self._loop.add_request(
                sequence.prompt, request_id=name, max_new_tokens=self._max_new_tokens, streaming=True
            )

    def _grown(self) -> list[Any]:
        """What a step gave to each of our sequences; nothing where none came for a while."""
        output = self._loop.get_result(timeout=_SIGN_OF_LIFE_SECONDS)
        if output is None and not self._loop.is_running():
            raise RuntimeError(f"continuous batching ended: {self._loop.background_thread_status.fatal_error}")
        # A step's outputs come one by one: let them all come.
        time.sleep(_HANDING_OVER_SECONDS)
        newest: dict[str, Any] = {}
        while output is not None:
            if output.error is not None:
                raise RuntimeError(output.error)
            # A step that was under way may still tell of a sequence that has ended.
            if output.request_id in self._growing:
                if not all(math.isfinite(logarithm) for logarithm in output.logprobs[-1:]):
                    raise NotFiniteError("met numbers that are not finite")
                newest[output.request_id] = output
            output = self._loop.get_result(timeout=0)
        return list(newest.values())

    def _extended(self, output: Any) -> Answer | None:
        name = output.request_id
        new = output.generated_tokens[self._taken[name] :]
        self._taken[name] += len(new)
        for token in new:
            if answer := self._ending.extend(self._growing[name], token, is_finite=True):
                if not output.is_finished():
                    self._loop.cancel_request(name)
                del self._growing[name]
                return answer
        return None

    def _obey(self, on_token: Callable[[int], None], active: int) -> None:
        """Tell of a step. While `on_token` waits, because a person pauses, the loop waits too."""
        is_over = threading.Event()

        def hold() -> None:
            if not is_over.wait(_SIGN_OF_LIFE_SECONDS):
                # It may have ended by itself meanwhile.
                with contextlib.suppress(RuntimeError), self._loop.pause():
                    is_over.wait()

        watcher = threading.Thread(target=hold, daemon=True)
        watcher.start()
        try:
            on_token(active)
        finally:
            is_over.set()
            watcher.join()
