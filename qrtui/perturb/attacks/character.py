"""The character-level attack: a few letters of the text become capitals."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from qrtui.perturb.attack import Attack, Edit
from qrtui.perturb.spans import Span


class CharacterAttack(Attack, frozen=True, kw_only=True, tag="char"):
    """Upper-cases up to `max_changes` letters (paper, Section S2, character level).

    Every letter that upper-casing would change passes a coin of `probability`; as many letters as came up heads, but
    no more than `max_changes`, are then drawn without replacement and made upper case. Letters that are capitals
    already are not eligible: an attack that changes nothing would be counted as one withstood.

    >>> attack = CharacterAttack()
    >>> text = "Count the vowels in a string."
    >>> attack.edits(text, [Span(0, len(text))], random.Random(0))[:2]
    [Edit(start=4, end=5, replacement='T'), Edit(start=13, end=14, replacement='E')]
    """

    level: ClassVar[str] = "character"

    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    max_changes: Annotated[int, msgspec.Meta(ge=1)] = 5

    def edits(self, text: str, spans: Sequence[Span], rng: random.Random) -> list[Edit]:
        """One edit of one letter each."""
        eligible = [at for start, end in spans for at in range(start, end) if _becomes_capital(text[at])]
        heads = sum(rng.random() < self.probability for _ in eligible)
        chosen = rng.sample(eligible, min(heads, self.max_changes))
        return [Edit(at, at + 1, text[at].upper()) for at in sorted(chosen)]


def _becomes_capital(letter: str) -> bool:
    # A letter such as ß has a two-letter capital: changing it would shift the text.
    return letter.isalpha() and letter.upper() != letter and len(letter.upper()) == 1
