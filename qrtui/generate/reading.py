"""How prompts are read: what they begin with alike once, the rest in portions. Imports torch: import it lazily."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from qrtui.generate.batching import PROMPT_TOKENS_AT_ONCE
from qrtui.generate.forward import Forward
from qrtui.generate.sequence import GrowingSequence
from qrtui.generate.steps.growing_cache import holds_plain_layers, reading_cache
from qrtui.models.device import give_back_memory

_PREFIX_WORTH_SHARING = 8
_LAYERS = 8


class PromptReader:
    """Reads prompts, several at a time. What `prompts` begin with alike (a chat's instruction) is read once for all.

    Unless `shares` is false: no completion then depends on the other prompts, not even by rounding.
    """

    def __init__(self, forward: Forward, pad_token: int, prompts: Sequence[list[int]], *, shares: bool) -> None:
        self._forward, self._pad = forward, pad_token
        shared = _common_prefix(prompts) if shares and len(prompts) > 1 else 0
        self._shared = shared if shared >= _PREFIX_WORTH_SHARING else 0
        self._beginning: Any = None
        self._is_plain = holds_plain_layers(forward.model)

    def portions(self, sequences: Sequence[GrowingSequence]) -> Iterator[list[GrowingSequence]]:
        """Few enough prompts at a time that a pass is soon over and a person who says stop need not wait."""
        most, portion = PROMPT_TOKENS_AT_ONCE[self._forward.device.type], list[GrowingSequence]()
        for sequence in sequences:
            longest = max(len(s.prompt) for s in [*portion, sequence]) - self._shared
            if portion and longest * (len(portion) + 1) > most:
                yield portion
                portion = []
            portion.append(sequence)
        yield portion

    def read(self, sequences: Sequence[GrowingSequence]) -> tuple[Tensor, Any, Tensor]:
        """The logits of each sequence's first token, (rows, vocabulary); the cache; the mask of what it holds."""
        ids, mask = self._padded(sequences)
        if self._shared and self._beginning is None:
            beginning = torch.tensor([sequences[0].prompt[: self._shared]], device=self._forward.device)
            self._beginning = self._forward.beginning(beginning)
        model = self._forward.model
        past = reading_cache(model, self._beginning, len(sequences)) if self._is_plain else None
        with _giving_back(model):
            logits, past = self._forward(ids, mask, past)
        return logits, past, mask

    def _padded(self, sequences: Sequence[GrowingSequence]) -> tuple[Tensor, Tensor]:
        """The prompts' tokens and attention mask, padded on the left behind what all prompts begin with.

        The tokens returned are those after that common beginning, the mask covers both.
        """
        shared, device = self._shared, self._forward.device
        width = max(len(sequence.prompt) for sequence in sequences)
        gaps = [width - len(sequence.prompt) for sequence in sequences]
        ids = [[self._pad] * gap + sequence.prompt[shared:] for gap, sequence in zip(gaps, sequences, strict=True)]
        mask = [[1] * shared + [0] * gap + [1] * (width - gap - shared) for gap in gaps]
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


@contextlib.contextmanager
def _giving_back(model: Any) -> Iterator[None]:
    """On a CPU, give back what reading a portion works with, after it and several times in its course.

    What is freed between pieces that stay is too small for the next layer, which takes new memory: it comes to be ever
    more.
    """
    if model.device.type != "cpu":
        yield
        return
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    layers = max(lists, key=len, default=())
    hooks = [layer.register_forward_hook(lambda *_: give_back_memory()) for layer in layers[_LAYERS - 1 :: _LAYERS]]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        give_back_memory()


def _common_prefix(prompts: Sequence[list[int]]) -> int:
    """How many tokens all prompts begin with; at least one token of each is left over."""
    shortest = min(prompts, key=len)
    for at, column in enumerate(zip(*prompts, strict=False)):
        if len(set(column)) > 1 or at == len(shortest) - 1:
            return at
    return 0
