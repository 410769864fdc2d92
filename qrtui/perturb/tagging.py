"""Splits English into sentences and words, and says which part of speech each word is where it stands."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from qrtui.perturb.spans import Span


class Token(NamedTuple):
    """A word or sign: where it stands, and what it is there (a tag of the C5 set: NN2, VVZ, AJ0, ...)."""

    start: int
    end: int
    text: str
    tag: str


def tagged_sentences(text: str, spans: Sequence[Span]) -> list[list[Token]]:
    """The sentences that the spans are part of, each with all of its words, those outside the spans too.

    Lines that follow one another belong together, so a sentence may be wrapped; a line without any span ends it.
    Words are told apart by rules of our own and tagged by HanTa's English model, which comes with its package: the same
    text has the same tags on any machine.
    """
    return [_tagged(words) for words in _sentences(text, spans)]


class _Word(NamedTuple):
    start: int
    end: int
    text: str


_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_QUOTES = re.compile(r'"""|\'\'\'')
_WORD = re.compile(
    r"(?:e\.g|i\.e|etc)\.|\w*[\d_]\w*(?:\.\d+)?|[^\W\d_]+(?:['’-][^\W\d_]+)*|\.\.\.|[^\w\s]", re.IGNORECASE
)
_CONTRACTION = re.compile(r"(.+?)(n['’]t|['’](?:s|re|ve|ll|d|m))", re.IGNORECASE)
_ENDS = frozenset(".!?")
_NOUN = ("NN1", "NN2")
_STARTS_A_NOUN_PHRASE = frozenset({"AT0", "DT0", "DPS", "CRD", "ORD", "PNP", "PNI"})
_STARTS_AN_OBJECT = _STARTS_A_NOUN_PHRASE | {"CJS", "AVQ", "DTQ"}
_BEFORE_A_NOUN = frozenset({"AT0", "DT0", "DPS", "AJ0", "PRF", "PRP", "POS"})


def _sentences(text: str, spans: Sequence[Span]) -> Iterator[list[_Word]]:
    sentence: list[_Word] = []
    for line in _LINE.finditer(text):
        inside = [span for span in spans if line.start() <= span.start < line.end()]
        if not inside:
            yield from filter(None, [sentence])
            sentence = []
            continue
        for word in _words(text, _prose(text, Span(*line.span()), inside)):
            sentence.append(word)
            if word.text in _ENDS:
                yield sentence
                sentence = []
    yield from filter(None, [sentence])


def _prose(text: str, line: Span, inside: list[Span]) -> Span:
    """The line without the docstring's quotes and what code may stand beyond them."""
    opening = [found.end() for found in _QUOTES.finditer(text, line.start, inside[0].start)]
    closing = _QUOTES.search(text, inside[-1].end, line.end)
    return Span(opening[-1] if opening else line.start, closing.start() if closing else line.end)


def _words(text: str, within: Span) -> Iterator[_Word]:
    for found in _WORD.finditer(text, within.start, within.end):
        start, end = found.span()
        split = _CONTRACTION.fullmatch(found.group())
        if split:
            middle = start + split.end(1)
            yield _Word(start, middle, text[start:middle])
            start = middle
        yield _Word(start, end, text[start:end])


def _tagged(words: list[_Word]) -> list[Token]:
    tags = _model().tag_sent([word.text.replace("’", "'") for word in words], taglevel=0)
    tokens = [Token(*word, tag) for word, tag in zip(words, tags, strict=True)]
    return [_retagged(tokens, at) for at in range(len(tokens))]


def _retagged(tokens: list[Token], at: int) -> Token:
    """The token with another tag where task descriptions use a word in a way that the model seldom met."""
    token = tokens[at]
    before = tokens[at - 1].tag if at else ""
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    if (
        token.text.lower() == "given"
        and after
        and after.tag in _STARTS_A_NOUN_PHRASE
        and before[:2] not in ("VB", "VH")
    ):
        return token._replace(tag="PRP")  # `Given a list, ...`
    returns = token.text.lower() in ("return", "returns") and before not in _BEFORE_A_NOUN
    commands = not at and after is not None and after.tag in _STARTS_AN_OBJECT  # `Count the words`, `Sum all numbers`
    if token.tag in (*_NOUN, "AJ0") and (returns or commands):
        return token._replace(tag="VVZ" if token.tag == "NN2" else "VVB")
    return token


_loading = threading.Lock()


def _model() -> Any:
    with _loading:
        return _loaded_model()


@functools.cache
def _loaded_model() -> Any:
    from HanTa.HanoverTagger import HanoverTagger

    return HanoverTagger("morphmodel_en.pgz")
