"""Extra blanks between words. Not one of the paper's levels."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from qrtui.perturb.attack import Attack, Edit, draw_some
from qrtui.perturb.spans import Span


class ExtraBlanks(Attack, frozen=True, kw_only=True, tag="whitespace"):
    """Puts up to `max_blanks` more blanks between some words; line breaks and indentation stay as they are.

    Each gap between two words of one span passes a coin of `probability`; of those that came up heads at most
    `max_changes` are widened, and always at least one.

    >>> text = "Count the vowels in a string."
    >>> from qrtui.perturb.attack import apply_edits
    >>> apply_edits(text, ExtraBlanks().edits(text, [Span(0, len(text))], random.Random(2)))
    'Count the vowels    in  a string.'
    """

    level: ClassVar[str] = "character"

    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    max_changes: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    max_blanks: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3

    def edits(self, text: str, spans: Sequence[Span], rng: random.Random) -> list[Edit]:
        """One insertion for each gap."""
        gaps = [gap.end() for start, end in spans for gap in _GAP.finditer(text, start, end)]
        chosen = draw_some(gaps, self.probability, self.max_changes, rng)
        return [Edit(at, at, " " * rng.randint(1, self.max_blanks)) for at in chosen]


# The blanks must have a word on either side within the span.
_GAP = re.compile(r"(?<=\S)[ \t]+(?=\S)")
