"""Letters struck in the wrong order: two neighbours in a word exchanged. Not one of the paper's levels."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from qrtui.perturb.attack import Attack, Edit, draw_some
from qrtui.perturb.spans import Span


class SwappedLetters(Attack, frozen=True, kw_only=True, tag="swaps"):
    """Exchanges two neighbouring letters in some words, never the first letter and never two that are the same.

    Each word that has such a pair passes a coin of `probability`; of those that came up heads at most `max_changes` are
    changed, and always at least one.

    >>> text = "Count the vowels in a string."
    >>> from qrtui.perturb.attack import apply_edits
    >>> apply_edits(text, SwappedLetters().edits(text, [Span(0, len(text))], random.Random(2)))
    'Count the vowles in a stirng.'
    """

    level: ClassVar[str] = "character"

    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    max_changes: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5

    def edits(self, text: str, spans: Sequence[Span], rng: random.Random) -> list[Edit]:
        """One edit of two letters for each word."""
        words = [word for start, end in spans for word in _WORD.finditer(text, start, end)]
        pairs = [_unequal_pairs(text, word.start() + 1, word.end()) for word in words]
        drawn = draw_some([places for places in pairs if places], self.probability, self.max_changes, rng)
        chosen = [rng.choice(places) for places in drawn]
        return [Edit(at, at + 2, text[at + 1] + text[at]) for at in chosen]


_WORD = re.compile(r"[^\W\d_]{3,}")


def _unequal_pairs(text: str, start: int, end: int) -> list[int]:
    """Where in `[start, end)` a letter stands before another one than itself."""
    return [at for at in range(start, end - 1) if text[at] != text[at + 1]]
