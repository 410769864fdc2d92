"""Which words of a text carry its content, and which others could stand in their place."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qrtui.errors import AttackError
from qrtui.perturb.inflection import Form, inflected, is_form_of
from qrtui.perturb.spans import Span
from qrtui.perturb.stop_words import STOP_WORDS
from qrtui.perturb.tagging import Token, tagged_sentences

if TYPE_CHECKING:
    from qrtui.perturb.wordnet import PartOfSpeech, WordNet


class ContentWord(NamedTuple):
    """A noun, verb, adjective or adverb of a text, the form it stands in, and the word before it.

    `before` is None at the start of a sentence and where something else than a space stands between the two.
    """

    start: int
    end: int
    text: str
    pos: PartOfSpeech
    form: Form
    before: Token | None


# C5 tags. Adverbs have no forms of their own there: `faster` is left as it is.
_READINGS: dict[str, tuple[PartOfSpeech, Form]] = {
    "NN0": ("noun", "base"),
    "NN1": ("noun", "base"),
    "NN2": ("noun", "plural"),
    "VVB": ("verb", "base"),
    "VVI": ("verb", "base"),
    "VVZ": ("verb", "third person"),
    "VVG": ("verb", "gerund"),
    "VVD": ("verb", "past"),
    "VVN": ("verb", "participle"),
    "AJ0": ("adj", "base"),
    "AJC": ("adj", "comparative"),
    "AJS": ("adj", "superlative"),
    "AV0": ("adv", "base"),
}
_WORD = re.compile(r"[^\W\d_]{2,}(?:-[^\W\d_]+)*")
# Neither quotes nor backslashes, which could end a docstring, nor names and abbreviations.
_CANDIDATE = re.compile(r"[a-z]{2,}(?:[ -][a-z]+)*")
# `drop a line` has its object already.
_HAS_OBJECT = re.compile(r" (?:a|an|the|it|one)\b")


def content_words(text: str, spans: Sequence[Span]) -> list[ContentWord]:
    """The content words inside the spans, in order: by their tag, and not on the list of stop words."""
    return [word for sentence in tagged_sentences(text, spans) for word in _content_words_of(sentence, text, spans)]


def synonyms(word: ContentWord, wordnet: WordNet, limit: int, avoid: frozenset[str] = frozenset()) -> list[str]:
    """Up to `limit` words that could stand in the word's place, in its form and with its capitals.

    They are WordNet's, of the same part of speech and in WordNet's order. Left out are the word itself in another
    form, what is not plain words, what no dictionary can inflect, and whatever has one of the words `avoid` in it;
    those are in lower case.
    """
    base = _base(word, wordnet)
    if base is None:
        return []
    found: list[str] = []
    for synonym in wordnet.synonyms(base, word.pos):
        other = _in_form(synonym, word, base, wordnet)
        if other and other not in found and avoid.isdisjoint([other, *re.split("[ -]", other)]):
            found.append(other)
        if len(found) == limit:
            break
    return [_with_capitals_of(word.text, other) for other in found]


def load_wordnet(folder: Path) -> WordNet:
    """The WordNet in `folder`, opened once a process. Raises AttackError where one of its files is damaged."""
    try:
        with _opening:
            return _opened_wordnet(folder)
    except (OSError, ValueError, LookupError) as error:  # what nltk raises for files that are absent or damaged
        way_out = "remove that folder, then: qrtui pull wordnet"
        raise AttackError(f"WordNet in {folder} cannot be read ({error})", way_out) from error


_opening = threading.Lock()


@functools.cache
def _opened_wordnet(folder: Path) -> WordNet:
    from qrtui.perturb.wordnet import WordNet  # imports nltk

    return WordNet(folder)


def _content_words_of(sentence: list[Token], text: str, spans: Sequence[Span]) -> Iterator[ContentWord]:
    for at, token in enumerate(sentence):
        reading = _READINGS.get(token.tag)
        if reading is None or token.text.lower() in STOP_WORDS or not _WORD.fullmatch(token.text):
            continue
        if not any(start <= token.start and token.end <= end for start, end in spans):
            continue
        before = sentence[at - 1] if at else None
        if before is not None and text[before.end : token.start].strip():
            before = None
        yield ContentWord(token.start, token.end, token.text, *reading, before)


def _base(word: ContentWord, wordnet: WordNet) -> str | None:
    """The word's base form, if the form it is said to stand in can be told from how it looks."""
    text = word.text.lower()
    fitting = [base for base in wordnet.base_forms(text, word.pos) if is_form_of(text, base, word.form)]
    # WordNet has `letters` as a word of its own, beside `letter`.
    return next((base for base in fitting if base != text), fitting[0] if fitting else None)


def _in_form(synonym: str, word: ContentWord, base: str, wordnet: WordNet) -> str | None:
    if not _CANDIDATE.fullmatch(synonym) or _HAS_OBJECT.search(synonym) or _is_plural(synonym, word, wordnet):
        return None
    other = inflected(synonym, word.form)
    text = word.text.lower()
    if other is None or other == text or base in wordnet.base_forms(other, word.pos):
        return None
    return other


def _is_plural(synonym: str, word: ContentWord, wordnet: WordNet) -> bool:
    """Whether a noun of WordNet's (`words`, for a quarrel) is a plural, and so cannot stand for a singular."""
    if word.pos != "noun" or not synonym.endswith("s") or synonym.endswith("ss"):
        return False
    return wordnet.base_forms(synonym, "noun") != (synonym,)


def _with_capitals_of(text: str, other: str) -> str:
    if text.isupper():
        return other.upper()
    return other[0].upper() + other[1:] if text[0].isupper() else other
