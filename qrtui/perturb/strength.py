"""How strong an attack was: attacks of unequal strength are not to be taken for equal ones.

Measured on pairs of prompts, before and after. Distance is Levenshtein's on characters: it is symmetric and means the
same for every attack, which difflib's ratio does not; rapidfuzz computes it in well under a millisecond a prompt.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from rapidfuzz.distance import Levenshtein

from qrtui.perturb.attack import AttackedPrompt, Edit, edits_between
from qrtui.perturb.spans import Span


class Strength(msgspec.Struct, frozen=True, kw_only=True):
    """What an attack did to one prompt.

    `characters` is the Levenshtein distance to the original; `words` counts the words of its natural language that are
    no longer there as they were, out of `eligible`. `similarity` is 1 - distance / length of the longer prompt: 1 is
    the same, 0 has nothing in common.
    """

    changed: bool
    characters: int
    words: int
    eligible: int
    similarity: float


class Summary(NamedTuple):
    """The mean and the median of one number over all prompts of a set."""

    mean: float
    median: float


class SetStrength(msgspec.Struct, frozen=True, kw_only=True):
    """What an attack did to a set of prompts, those it left as they were included.

    `changed` is how many of the `prompts` it changed. `word_share` is the share of a prompt's eligible words that
    changed, over the prompts that have any.
    """

    prompts: int
    changed: int
    characters: Summary
    words: Summary
    word_share: Summary
    similarity: Summary

    @property
    def share_changed(self) -> float:
        """The share of the prompts that the attack changed, 0 to 1."""
        return self.changed / self.prompts if self.prompts else 0.0


def strength_of(attacked: AttackedPrompt) -> Strength:
    """The strength of one attack on one prompt."""
    return strength(attacked.before, attacked.after, attacked.spans)


def strength(before: str, after: str, spans: Sequence[Span]) -> Strength:
    """The strength of whatever led from `before` to `after`; `spans` are the natural language of `before`.

    >>> strength("count the vowels", "count teh vowels", [Span(0, 16)])
    Strength(changed=True, characters=2, words=1, eligible=3, similarity=0.875)
    """
    distance = Levenshtein.distance(before, after)
    words = [word.span() for start, end in spans for word in _WORD.finditer(before, start, end)]
    return Strength(
        changed=before != after,
        characters=distance,
        words=_touched(words, before, after),
        eligible=len(words),
        similarity=1 - distance / max(len(before), len(after), 1),
    )


def overall(strengths: Iterable[Strength]) -> SetStrength:
    """The strength of an attack over a set of prompts; of no prompts at all, everything is 0 and similarity 1."""
    each = list(strengths)
    return SetStrength(
        prompts=len(each),
        changed=sum(one.changed for one in each),
        characters=_summary([one.characters for one in each]),
        words=_summary([one.words for one in each]),
        word_share=_summary([one.words / one.eligible for one in each if one.eligible]),
        similarity=_summary([one.similarity for one in each], of_none=1.0),
    )


_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def _touched(words: Sequence[tuple[int, int]], before: str, after: str) -> int:
    """How many of the words some edit replaces, removes or writes into."""
    edits = edits_between(before, after)
    touched = first = 0
    for start, end in words:
        while first < len(edits) and edits[first].end < start:
            first += 1
        after_word = first
        while after_word < len(edits) and edits[after_word].start < end:
            after_word += 1
        touched += any(_meets(start, end, edit) for edit in edits[first:after_word])
    return touched


def _meets(start: int, end: int, edit: Edit) -> bool:
    if edit.start == edit.end:
        return start < edit.start < end
    return edit.start < end and start < edit.end


def _summary(values: Sequence[float], of_none: float = 0.0) -> Summary:
    if not values:
        return Summary(of_none, of_none)
    return Summary(statistics.fmean(values), float(statistics.median(values)))
