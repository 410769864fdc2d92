"""From a prompt's natural language to the sentences a translator is given, and from their translations back to edits.

The spans of a prompt are runs of plain words; what stands between them (identifiers, numbers, quoted strings, line
breaks and indentation) is protected. A translator needs whole sentences, protected pieces included, and may lose or
move them. So a translated sentence counts only if every protected piece is found in it again, in its order; else the
runs of words between the pieces are translated by themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from qrtui.perturb.attack import Edit, apply_edits
from qrtui.perturb.spans import Span

FEWEST_WORDS = 3
"""Shorter sentences, and shorter runs of words between protected pieces, are left alone."""


class Run(NamedTuple):
    """Natural words with nothing protected between them, and where they stand: one segment a line."""

    words: tuple[str, ...]
    segments: tuple[Span, ...]

    @property
    def source(self) -> str:
        """What a translator is given."""
        return " ".join(self.words)


class Sentence(NamedTuple):
    """A sentence of natural language: runs of words with protected pieces between them.

    There is one run more than there are pieces; the first and the last run may be empty, the others never are. A
    piece is the protected tokens that follow one another. `source` is all of it in one line.
    """

    source: str
    runs: tuple[Run, ...]
    pieces: tuple[tuple[str, ...], ...]

    @property
    def fallbacks(self) -> list[Run]:
        """The runs that are translated by themselves where the translated sentence has lost a piece."""
        return [run for run in self.runs if len(run.words) >= FEWEST_WORDS] if self.pieces else []


def sentences(text: str, spans: Sequence[Span]) -> list[Sentence]:
    """The sentences of at least three words that `spans` of `text` hold, in order."""
    found = [
        _sentence(text, tokens)
        for paragraph in _paragraphs(text, spans)
        for tokens in _split_into_sentences(text, paragraph)
    ]
    return [sentence for sentence in found if _is_worth_translating(sentence)]


def sources(text: str, spans: Sequence[Span]) -> list[str]:
    """Every sentence that needs a translation, and the pieces of it that may need one, each once, in order."""
    every = [
        source
        for sentence in sentences(text, spans)
        for source in (sentence.source, *(run.source for run in sentence.fallbacks))
    ]
    return list(dict.fromkeys(every))


def edits(text: str, spans: Sequence[Span], translations: Mapping[str, str]) -> list[Edit]:
    """The edits that put `translations` in place of the sentences: in order, inside `spans`, none without effect.

    A translation that would leave the program in `text` unreadable for Python is not taken. Raises KeyError for a
    sentence, or a needed piece of one, without a translation.
    """
    is_program = _compiles(text)
    made: list[Edit] = []
    for sentence in sentences(text, spans):
        changes = _edits_of(text, sentence, translations)
        if changes and (not is_program or _compiles(apply_edits(text, [*made, *changes]))):
            made += changes
    return made


class _Token(NamedTuple):
    start: int
    end: int
    span: int | None  # the span it lies in; None if it is protected
    line: int

    @property
    def is_word(self) -> bool:
        return self.span is not None


class _Line(NamedTuple):
    tokens: list[_Token]
    end: int
    opens: bool  # nothing before it belongs to the same paragraph
    closes: bool  # nothing after it does


# The line breaks of str.splitlines, by which spans are cut.
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_BREAK = re.compile(f"\r\n|[{_LINE_ENDS}]")
_TRIPLE_QUOTE = re.compile(r'"""|\'\'\'')
_BULLET = re.compile(r"\s*(?:[-*+•]|\d+[.)]|[a-z]\))\s+")
_TOKEN = re.compile(r"\S+")
_FINAL = re.compile(r"[.!?][\"')\]”’]*\Z")
_FINAL_BEFORE_SMALL_LETTER = re.compile(r"[\w)\]][.?]\Z")
_ABBREVIATION = re.compile(r"\(?(?:e\.g|i\.e|cf|vs|etc|resp|approx)\.\Z", re.IGNORECASE)


def _paragraphs(text: str, spans: Sequence[Span]) -> Iterator[list[_Token]]:
    """Lines of prose that follow one another, as the tokens on them."""
    paragraph: list[_Token] = []
    last: _Line | None = None
    for line in _lines(text, spans):
        if last is not None and not _goes_on(text, last, line):
            yield paragraph
            paragraph = []
        paragraph = paragraph + line.tokens
        last = line
    if paragraph:
        yield paragraph


def _goes_on(text: str, last: _Line, line: _Line) -> bool:
    if last.closes or line.opens or not _BREAK.fullmatch(text[last.end : _line_start(text, line.tokens[0].start)]):
        return False
    before, first = last.tokens[-1], line.tokens[0]
    ending = text[before.end - 1]
    word = text[first.start : first.end]
    # A capital on a new line opens a sentence, though the one before was left without its full stop.
    return ending != ":" and (ending in ",;(-" or not (first.is_word and word[0].isupper() and word != "I"))


def _lines(text: str, spans: Sequence[Span]) -> Iterator[_Line]:
    numbered = list(enumerate(spans))
    for number, (_, group) in enumerate(groupby(numbered, key=lambda item: _line_start(text, item[1].start))):
        yield _line(text, list(group), number)


def _line(text: str, spans: list[tuple[int, Span]], number: int) -> _Line:
    """All that is on a line with spans, from the docstring's quotes or the margin to the quotes or the break."""
    first, last = spans[0][1], spans[-1][1]
    start, opens = _head(text, first.start)
    found = _BREAK.search(text, last.end)
    end = found.start() if found else len(text)
    tail, closes = _tail(text, last.end, end)
    areas: list[tuple[int, int, int | None]] = [(start, first.start, None)]
    for (index, span), following in zip(spans, [*spans[1:], None], strict=True):
        areas.append((span.start, span.end, index))
        areas.append((span.end, following[1].start if following else tail, None))
    tokens = [
        _Token(match.start(), match.end(), index, number)
        for low, high, index in areas
        for match in _TOKEN.finditer(text, low, high)
    ]
    return _Line(tokens, end, opens, closes)


def _line_start(text: str, at: int) -> int:
    return max(text.rfind(end, 0, at) for end in _LINE_ENDS) + 1


def _head(text: str, end: int) -> tuple[int, bool]:
    """Where the sentence on a line may start, at or before its first span, and whether a paragraph starts there."""
    start = _line_start(text, end)
    quotes = [match.end() for match in _TRIPLE_QUOTE.finditer(text, start, end)]
    if quotes:
        return quotes[-1], True
    if end > start and text[end - 1] in "\"'":
        return end, True
    bullet = _BULLET.match(text, start, end)
    return (bullet.end(), True) if bullet else (start, False)


def _tail(text: str, start: int, end: int) -> tuple[int, bool]:
    """Where the sentence on a line must end, at or after its last span, and whether a paragraph ends there."""
    quotes = _TRIPLE_QUOTE.search(text, start, end)
    if quotes:
        return quotes.start(), True
    if text[start : start + 1] in {'"', "'"}:
        return start, True
    return end, False


def _split_into_sentences(text: str, tokens: list[_Token]) -> Iterator[list[_Token]]:
    current = tokens[:1]
    for token, following in pairwise(tokens):
        if _ends_sentence(text, token, following):
            yield current
            current = []
        current.append(following)
    yield current


def _ends_sentence(text: str, token: _Token, following: _Token) -> bool:
    # A full stop inside a protected piece ends nothing.
    if not token.is_word and not following.is_word and token.line == following.line:
        return False
    word = text[token.start : token.end]
    final = _FINAL_BEFORE_SMALL_LETTER if text[following.start].islower() else _FINAL
    return bool(final.search(word)) and not _ABBREVIATION.match(word)


def _sentence(text: str, tokens: list[_Token]) -> Sentence:
    runs: list[Run] = []
    pieces: list[tuple[str, ...]] = []
    written: list[str] = []
    for is_word, group in groupby(tokens, key=lambda token: token.is_word):
        run = list(group)
        words = tuple(text[token.start : token.end] for token in run)
        if is_word:
            runs.append(Run(words, _segments(run)))
            written += words
        else:
            if not runs:
                runs.append(Run((), ()))
            pieces.append(words)
            written += _as_written(text, run)
    if len(runs) == len(pieces):
        runs.append(Run((), ()))
    return Sentence(" ".join(written), tuple(runs), tuple(pieces))


def _segments(tokens: list[_Token]) -> tuple[Span, ...]:
    grouped = (list(group) for _, group in groupby(tokens, key=lambda token: token.span))
    return tuple(Span(group[0].start, group[-1].end) for group in grouped)


def _as_written(text: str, tokens: list[_Token]) -> list[str]:
    """Protected tokens with the blanks between them as they are, but for line breaks."""
    lines = (list(group) for _, group in groupby(tokens, key=lambda token: token.line))
    return [text[line[0].start : line[-1].end] for line in lines]


def _is_worth_translating(sentence: Sentence) -> bool:
    words = sum(len(run.words) for run in sentence.runs)
    return words >= 2 and words + sum(map(len, sentence.pieces)) >= FEWEST_WORDS


def _edits_of(text: str, sentence: Sentence, translations: Mapping[str, str]) -> list[Edit]:
    between = _between_pieces(sentence, translations[sentence.source].split())
    whole = _replaced(text, sentence.runs, between) if between is not None else None
    if whole is not None:
        return whole
    return [
        edit
        for run in sentence.fallbacks
        if not _code_in(translations[run.source].split()) - _code_in(run.source.split())
        for edit in _replaced(text, [run], [translations[run.source].split()]) or []
    ]


def _between_pieces(sentence: Sentence, words: list[str]) -> list[list[str]] | None:
    """The translated words before, between and after the pieces; None unless the pieces are there as they were."""
    original = sentence.source.split()
    if _code_in(words) - _code_in(original):
        return None
    if any(_count(words, piece) != _count(original, piece) for piece in sentence.pieces):
        return None
    between: list[list[str]] = [[]]
    at = 0
    for piece in sentence.pieces:
        while at < len(words) and not _stands_at(words, at, piece):
            between[-1].append(words[at])
            at += 1
        if at >= len(words):
            return None
        at += len(piece)
        between.append([])
    between[-1] += words[at:]
    return between


def _code_in(words: Iterable[str]) -> set[str]:
    """What looks like code or numbers in the words: a translator may not bring any of its own."""
    return {mark for word in words for mark in _CODE_LIKE.findall(word)}


_CODE_LIKE = re.compile(r"\d+|[\[\]{}()=<>_#|]|->|\w\.\w")


def _count(words: list[str], piece: tuple[str, ...]) -> int:
    return sum(_stands_at(words, at, piece) for at in range(len(words)))


def _stands_at(words: list[str], at: int, piece: tuple[str, ...]) -> bool:
    # The punctuation after a piece is the original's anyway, since it lies outside the spans.
    found = words[at : at + len(piece)]
    return (*found[:-1], _bare(found[-1])) == (*piece[:-1], _bare(piece[-1])) if len(found) == len(piece) else False


_PUNCTUATION = ".,;:!?"
# Quotes of every kind may end a docstring or read as code; a backslash starts an escape.
_UNWANTED = frozenset('"`\\“”„‟«»‹›‘‚‛″‴＂')
_STRAY_APOSTROPHE = re.compile(r"(?<![^\W\d_])'|'(?![^\W\d_])")


def _bare(word: str) -> str:
    return word.rstrip(_PUNCTUATION) or word


def _replaced(text: str, runs: Sequence[Run], translated: Sequence[list[str]]) -> list[Edit] | None:
    """Edits that put translated words in place of runs; None where a run would be left empty or have no place."""
    made: list[Edit] = []
    for index, (run, raw) in enumerate(zip(runs, translated, strict=True)):
        words = _cleaned(raw)
        if not run.words:
            if words:
                return None
            continue
        if words and index == 0:
            words[0] = _with_case_of(run.words[0], words[0])
        if words and index == len(runs) - 1:
            words = _with_ending_of(run.words[-1], words)
        lines = _laid_into(run.segments, words)
        if lines is None:
            return None
        made += [
            Edit(start, end, line)
            for (start, end), line in zip(run.segments, lines, strict=True)
            if text[start:end].split() != line.split()
        ]
    return made


def _cleaned(words: list[str]) -> list[str]:
    """The words without quotes, backslashes and invisible characters; none if nothing readable is left."""
    kept: list[str] = []
    for raw in words:
        visible = (char for char in raw if char not in _UNWANTED and unicodedata.category(char)[0] not in "CZ")
        word = _STRAY_APOSTROPHE.sub("", "".join(visible).replace("’", "'"))
        if word and all(char in _PUNCTUATION + ")" for char in word):
            if kept:
                kept[-1] += word
        elif word:
            kept.append(word)
    return kept if any(char.isalnum() for word in kept for char in word) else []


def _with_case_of(original: str, word: str) -> str:
    """The word with its first letter a capital if the original's is, and small if not; acronyms and I stay."""
    model = next((char for char in original if char.isalpha()), "")
    at = next((index for index, char in enumerate(word) if char.isalpha()), None)
    if at is None or not model or word.partition("'")[0] == "I":
        return word
    rest = word[at + 1 :]
    if model.isupper():
        letter = word[at].upper()
    else:
        letter = word[at] if any(char.isupper() for char in rest) else word[at].lower()
    return word[:at] + letter + rest if len(letter) == 1 else word


def _with_ending_of(original: str, words: list[str]) -> list[str]:
    """The words with the punctuation at the end of `original` in place of their own."""
    kept = list(words)
    while kept and not kept[-1].rstrip(_PUNCTUATION + "…"):
        kept.pop()
    if kept:
        kept[-1] = kept[-1].rstrip(_PUNCTUATION + "…") + original[len(original.rstrip(_PUNCTUATION)) :]
    return kept


def _laid_into(segments: Sequence[Span], words: list[str]) -> list[str] | None:
    """The words as one line for each segment, about as long as it was, the rest in the last; none is left empty."""
    if len(words) < len(segments):
        return None
    lines: list[str] = []
    at = 0
    for index, (start, end) in enumerate(segments[:-1]):
        spare = len(words) - (len(segments) - 1 - index)
        line = words[at]
        at += 1
        # The word that crosses the margin belongs to the line if most of it is inside.
        while at < spare and len(line) + 1 + len(words[at]) / 2 <= end - start:
            line += " " + words[at]
            at += 1
        lines.append(line)
    return [*lines, " ".join(words[at:])]


def _compiles(text: str) -> bool:
    try:
        compile(text, "<prompt>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False
    return True
