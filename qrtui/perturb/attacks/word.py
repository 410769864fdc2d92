"""The word-level attack: some of the words that carry the content give way to synonyms."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

import msgspec

from qrtui.errors import AttackError
from qrtui.perturb.assets import asset_path
from qrtui.perturb.attack import Attack, Edit
from qrtui.perturb.inflection import article
from qrtui.perturb.lexicon import ContentWord, content_words, load_wordnet, synonyms
from qrtui.perturb.spans import Span

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


class WordAttack(Attack, frozen=True, kw_only=True, tag="word"):
    """Replaces content words by WordNet synonyms (paper, Section S2, word level).

    Each noun, verb, adjective and adverb that is no stop word is replaced with `probability` by one of its first
    `max_synonyms` synonyms of the same part of speech, chosen at random. Plurals, verb forms and capitals are kept, and
    the article before a word follows it. A word without synonyms stays.
    """

    level: ClassVar[str] = "word"

    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.15
    max_synonyms: Annotated[int, msgspec.Meta(ge=1)] = 3

    @property
    def assets(self) -> tuple[str, ...]:
        """WordNet."""
        return ("wordnet",)

    def edits(self, text: str, spans: Sequence[Span], rng: random.Random) -> list[Edit]:
        """One edit for each word, and one for each article that changes with it.

        Raises AttackError where WordNet is not on this machine.
        """
        folder = asset_path("wordnet")
        if folder is None:
            raise AttackError(
                "the word attack needs WordNet, which is not on this machine", "fetch it with: qrtui pull wordnet"
            )
        wordnet = load_wordnet(folder)
        code = _names_outside(text, spans)
        edits: list[Edit] = []
        for word in content_words(text, spans):
            # Two numbers for every word, used or not, so that what befalls one word leaves the others as they are.
            coin, choice = rng.random(), rng.random()
            if coin < self.probability:
                candidates = synonyms(word, wordnet, self.max_synonyms, code)
                edits += _replacement(word, candidates, choice, spans)
        return edits


def _replacement(word: ContentWord, candidates: list[str], choice: float, spans: Sequence[Span]) -> Iterator[Edit]:
    before = word.before if word.before is not None and word.before.text.lower() in ("a", "an") else None
    if before is not None and not _within(spans, before.start, before.end):
        candidates = [other for other in candidates if article(other) == before.text.lower()]
    if not candidates:
        return
    other = candidates[int(choice * len(candidates))]
    # Where the text had the wrong article for its own word, it may have it for the new one.
    if before is not None and article(other) not in (article(word.text), before.text.lower()):
        fitting = article(other)
        yield Edit(before.start, before.end, fitting.capitalize() if before.text[0].isupper() else fitting)
    yield Edit(word.start, word.end, other)


def _names_outside(text: str, spans: Sequence[Span]) -> frozenset[str]:
    """Every name in the code around the spans, and whatever else looks like one there, in lower case."""
    starts = [0, *(span.end for span in spans)]
    ends = [*(span.start for span in spans), len(text)]
    return frozenset(
        name.lower() for start, end in zip(starts, ends, strict=True) for name in _IDENTIFIER.findall(text[start:end])
    )


def _within(spans: Sequence[Span], start: int, end: int) -> bool:
    return any(span.start <= start and end <= span.end for span in spans)
