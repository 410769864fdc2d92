"""Which lines of a docstring are prose, and which words in such a line are plain words rather than code."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

MASK = "\ue000"
"""Stands for every character of a quoted string in `Line.shown`."""


class Line(NamedTuple):
    """A line of a docstring without the blanks around it.

    `start` is where it stands in the prompt, `indent` its indentation, `text` what is written and `shown` the same with
    every quoted string masked.
    """

    start: int
    indent: int
    text: str
    shown: str


class Token(NamedTuple):
    """The half-open range `[start, end)` of a blank-delimited token in a line.

    `plain` says that it is a plain word, `in_code` that it touches brackets that hold code.
    """

    start: int
    end: int
    plain: bool
    in_code: bool


def masked(docstring: str) -> str:
    """The docstring with quoted strings masked, character for character; a string may run over one line break.

    >>> masked("say 'hi' to Ann's cat").count(MASK)
    4
    """
    for pattern in (_QUOTED, _QUOTED_OVER_TWO_LINES):
        docstring = pattern.sub(lambda match: re.sub(r"[^\n]", MASK, match.group()), docstring)
    return docstring


def prose_lines(lines: Sequence[Line], identifiers: Collection[str]) -> list[bool]:
    """For each line: is it prose? `identifiers` are the names that occur in the code.

    No prose are: doctests, asserts, example blocks and example sentences, tables, what describes the parameters, and
    lines that hold more code than words. A block ends where its indentation ends or, if it has none, with prose.
    """
    prose = []
    section: _Section | None = None
    for line, following in zip(lines, _following(lines), strict=True):
        if not line.text:
            section = section.after_blank() if section else None
            prose.append(False)
            continue
        reads = _reads_as_prose(line, identifiers)
        if section and section.holds(line, following, reads):
            section = section.with_line(line)
            prose.append(False)
        else:
            section = _opened(line, following, identifiers)
            prose.append(section is None and reads)
            section = section.with_line(line) if section else None
    return prose


def tokens(line: Line, identifiers: Collection[str]) -> Iterator[Token]:
    """The tokens of a line; plain are words without code, no identifiers, and not inside code-like brackets."""
    code = bytearray(len(line.shown))
    for match in _BRACKETED.finditer(line.shown):
        if not _is_aside(line.shown, match):
            code[match.start() : match.end()] = b"\1" * len(match.group())
    previous = ""
    for token in _TOKEN.finditer(line.shown):
        in_code = 1 in code[token.start() : token.end()]
        plain = not in_code and _is_plain(token.group(), previous, identifiers)
        yield Token(token.start(), token.end(), plain, in_code)
        previous = token.group()


_QUOTED = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)|\"[^\"\n]*\"|(?<!\w)`[^`'\n]+'(?!\w)|`[^`\n]*`|“[^”\n]*”|‘[^’\n]*’")
_QUOTED_OVER_TWO_LINES = re.compile(r"(?<![^\s(\[])\"(?=\S)[^\"\n]*\n(?!\s*\n)[^\"\n]*\S\"(?!\w)")
_BRACKETED = re.compile(
    rf"(?<![\w.])[\w.]*\([^()\n]*[=,\[\]\"\d{MASK}][^()\n]*\)|(?<!\w)\w+\(\)|\[[^\[\]\n]*\]|\{{[^}}\n]*\}}"
)
_TOKEN = re.compile(r"\S+")
_OPENING, _CLOSING = "(“‘", ")”’.,;:!?"
_WORD_SHAPE = re.compile(rf"[{_OPENING}]*[^\W\d_]+(?:['’-][^\W\d_]+)*[{_CLOSING}]*")
_TWO_WORDS = re.compile(r"[^\W\d_]{2,} [^\W\d_]{2,}")
_REPEATED_LETTER = re.compile(r"(.)\1+", re.IGNORECASE)
_NUMBER = re.compile(r"[\W_]*\d[\W\d_]*")
_CONSTANTS = frozenset({"None", "True", "False"})
_NAMED_BY = frozenset({"a", "an", "the", "letter", "character"})

_EXAMPLE_HEADER = re.compile(
    r"(?:(?:for|some|more)\s+)*(?:examples?|test\s+cases?|samples?|doctests?|usage)"
    r"(?:(?:\s+[\w#-]+){0,3}\s*:+|(?:\s*#?\d+)?\s*\.?)",
    re.IGNORECASE,
)
_EXAMPLE_SENTENCE = re.compile(r"for\s+(?:example|instance)\b|examples?\s*[,:]|e\.\s?g\.", re.IGNORECASE)
_EXAMPLE_LINE = re.compile(r"==|=>|->|➞|→|⇒|^>>>|^\.\.\.|^#|\||^assert\b|^\w+\(.*\)\s*(=|:|is\b|returns?\b|should\b)")
_EXAMPLE_PART = re.compile(r"(input|output|explanation|returns?|result)\b\s*\d*\s*[:=]", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"\b\w+\s*=(?![=>])\s*\S")
_PARAMETER_HEADER = re.compile(
    r"(args|arguments|param(eter)?s?|keyword\s+arg(ument)?s|variables|inputs?|outputs?|returns?|raises|yields?)"
    r"\s*(:?)\s*",
    re.IGNORECASE,
)
_FIELD = re.compile(r"[:@]\w+")
_ROW = re.compile(r"(?!notes?\b|hints?\b)[-*]?\s*`?(\w+)`?\s*(?:\([^)]*\))?\s*:\s", re.IGNORECASE)
_HEADER = re.compile(r"\w+(?:\s+\w+)?\s*:")
_UNDERLINE = re.compile(r"[-=~^]{3,}")


@dataclass(frozen=True)
class _Section:
    """Lines that are no prose: what is shown (`examples`) or a table of what goes in and out (`parameters`).

    `until` says what ends it: its indentation, a blank line (a doctest's expected output), or a full stop.
    """

    kind: Literal["examples", "parameters"]
    indent: int
    until: Literal["dedent", "blank", "stop"] = "dedent"

    def holds(self, line: Line, following: Line | None, reads: bool) -> bool:
        """Whether the section goes on in this line; `reads` says whether the line would be prose on its own."""
        if self.until != "dedent" or line.indent > self.indent:
            return True
        if line.indent < self.indent or _is_header(line, following):
            return False
        if not reads:
            return True
        if self.kind == "parameters":
            return bool(_ROW.match(line.text))
        return bool(_ASSIGNMENT.search(line.shown)) or line.text.endswith(":")

    def with_line(self, line: Line) -> _Section | None:
        """The section after a line of its own: none where that line was its last."""
        if self.until == "stop" and line.text.endswith((".", "!", "?")):
            return None
        return replace(self, until="blank") if line.text.startswith(">>>") else self

    def after_blank(self) -> _Section | None:
        """The section after a blank line."""
        return None if self.until == "stop" else replace(self, until="dedent")


def _opened(line: Line, following: Line | None, identifiers: Collection[str]) -> _Section | None:
    """The section that begins with this line, if one does."""
    if line.text.startswith(">>>"):
        return _Section("examples", line.indent, "blank")
    if _EXAMPLE_HEADER.fullmatch(line.text) or (
        _HEADER.fullmatch(line.text) and following and _EXAMPLE_LINE.search(following.shown)
    ):
        return _Section("examples", line.indent)
    if _EXAMPLE_SENTENCE.match(line.text):
        return _Section("examples", line.indent, "dedent" if line.text.endswith(":") else "stop")
    header = _PARAMETER_HEADER.fullmatch(line.text)
    if header and (":" in line.text or _is_underlined(following)):
        return _Section("parameters", line.indent)
    row = _ROW.match(line.text)
    if _FIELD.match(line.text) or (row and row.group(1) in identifiers):
        return _Section("parameters", line.indent)
    return None


def _is_header(line: Line, following: Line | None) -> bool:
    return bool(_EXAMPLE_HEADER.fullmatch(line.text) or _HEADER.fullmatch(line.text)) or _is_underlined(following)


def _is_underlined(following: Line | None) -> bool:
    return following is not None and bool(_UNDERLINE.fullmatch(following.text))


def _reads_as_prose(line: Line, identifiers: Collection[str]) -> bool:
    """Whether most of a line is words, counting neither quoted strings nor numbers nor code in brackets."""
    if _EXAMPLE_LINE.search(line.shown) or _EXAMPLE_PART.match(line.text) or _FIELD.match(line.text):
        return False
    words = code = others = 0
    for start, end, plain, in_code in tokens(line, identifiers):
        token = line.shown[start:end]
        if plain or _is_uncertain_word(token):
            words += 1
        elif _NUMBER.fullmatch(token) or (start == 0 and token in "-*•"):
            continue
        elif in_code or _is_code(token, identifiers):
            code += 1
        else:
            others += 1
    return words > others and (words >= 2 or (code == others == 0 and line.text[-1:] in ".!?"))


def _is_uncertain_word(token: str) -> bool:
    """Whether a token, though no plain word, is no sign of code either: `ASCII`, or a parameter called `numbers`."""
    word = _stem(token)
    return bool(_WORD_SHAPE.fullmatch(token)) and len(word) > 1 and word not in _CONSTANTS


def _is_code(token: str, identifiers: Collection[str]) -> bool:
    word = _stem(token)
    return MASK in token or word in identifiers or (len(word) == 1 and word.isalnum())


def _following(lines: Sequence[Line]) -> list[Line | None]:
    """For each line the next one that is not blank."""
    found: list[Line | None] = []
    following: Line | None = None
    for line in reversed(lines):
        found.append(following)
        following = line if line.text else following
    return found[::-1]


def _is_aside(shown: str, bracketed: re.Match[str]) -> bool:
    """Whether brackets that hold a digit or a comma hold words all the same: `(leftover part, smaller than 1)`."""
    if not bracketed.group().startswith("(") or (bracketed.start() and shown[bracketed.start() - 1].isalnum()):
        return False
    inside = bracketed.group()[1:-1]
    pieces = [token for token in inside.split() if not _NUMBER.fullmatch(token) and MASK not in token]
    words = sum(bool(_WORD_SHAPE.fullmatch(token)) and len(_stem(token)) > 1 for token in pieces)
    return bool(_TWO_WORDS.search(inside)) and words * 2 > len(pieces)


def _stem(token: str) -> str:
    return token.strip(_OPENING + _CLOSING)


def _is_plain(token: str, previous: str, identifiers: Collection[str]) -> bool:
    if not _WORD_SHAPE.fullmatch(token):
        return False
    word = _stem(token)
    if len(word) == 1:
        return _is_article(token, previous) and word not in identifiers
    parts = re.split(r"[-’']", word)
    return not (
        word in _CONSTANTS
        or any(letter.isupper() for letter in word[1:])
        or any(part in identifiers for part in [word, *parts])
        # Not n-th, b's and dd-mm-yyyy; but I'm, it's and won't.
        or (len(parts[0]) == 1 and parts[0] != "I")
        or any(_REPEATED_LETTER.fullmatch(part) for part in word.split("-"))
    )


def _is_article(token: str, previous: str) -> bool:
    """Whether a single letter is the word `a` or `I`: not in `an a followed by`, `a path A`, `A, B`."""
    letter = token.lstrip(_OPENING)
    if _stem(previous).lower() in _NAMED_BY:
        return False
    return letter in ("a", "I") or (letter == "A" and (not previous or previous[-1] in ".!?:"))
