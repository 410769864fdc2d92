"""Typing errors: letters replaced by their neighbours on the keyboard. Not one of the paper's levels."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from qrtui.perturb.attack import Attack, Edit, draw_some
from qrtui.perturb.spans import Span


class TypingErrors(Attack, frozen=True, kw_only=True, tag="typos"):
    """Replaces one letter of some words by a letter beside it on a QWERTY keyboard, its case kept.

    Each word of three letters or more passes a coin of `probability`; of those that came up heads at most `max_changes`
    are changed, and always at least one.

    >>> text = "Count the vowels in a string."
    >>> from qrtui.perturb.attack import apply_edits
    >>> apply_edits(text, TypingErrors().edits(text, [Span(0, len(text))], random.Random(2)))
    'Count the voeels in a strihg.'
    """

    level: ClassVar[str] = "character"

    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    max_changes: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5

    def edits(self, text: str, spans: Sequence[Span], rng: random.Random) -> list[Edit]:
        """One edit of one letter for each word."""
        words = [word for start, end in spans for word in _WORD.finditer(text, start, end)]
        edits = []
        for word in draw_some(words, self.probability, self.max_changes, rng):
            at = rng.randrange(word.start(), word.end())
            edits.append(Edit(at, at + 1, _slip(text[at], rng)))
        return edits


_WORD = re.compile(r"(?<![^\W\d_])[A-Za-z]{3,}(?![^\W\d_])")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# Each row stands half a key to the right of the one above.
_PLACES = {
    letter: (2 * column + row, row) for row, letters in enumerate(_ROWS) for column, letter in enumerate(letters)
}
_NEIGHBOURS = {
    letter: [other for other, (across, down) in _PLACES.items() if (abs(across - x), abs(down - y)) in ((2, 0), (1, 1))]
    for letter, (x, y) in _PLACES.items()
}


def _slip(letter: str, rng: random.Random) -> str:
    struck = rng.choice(_NEIGHBOURS[letter.lower()])
    return struck.upper() if letter.isupper() else struck
