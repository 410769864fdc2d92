"""Two texts beside each other: which lines belong together, which words an attack changed."""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from textual.content import Content, Span

from qrtui.results.case import printable

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
WORD_STYLE = "bold underline $text-warning"


class LinePair(NamedTuple):
    """Lines that stand side by side, by number; None where the other side has a line too many."""

    left: int | None
    right: int | None
    same: bool


def paired_lines(left: list[str], right: list[str]) -> list[LinePair]:
    """The lines of two texts in order, equal ones side by side. Trailing blanks do not make a difference."""
    pairs = []
    matcher = difflib.SequenceMatcher(
        None, [line.rstrip() for line in left], [line.rstrip() for line in right], autojunk=False
    )
    for tag, a, b, c, d in matcher.get_opcodes():
        for at in range(max(b - a, d - c)):
            pairs.append(LinePair(a + at if a + at < b else None, c + at if c + at < d else None, tag == "equal"))
    return pairs


def changed_spans(before: str, after: str) -> list[tuple[int, int]]:
    """Where `after` differs from `before`: half-open ranges of characters of `after`, whole words."""
    ours, theirs = _TOKEN.findall(before), _TOKEN.findall(after)
    starts = [0]
    for token in theirs:
        starts.append(starts[-1] + len(token))
    spans = []
    for tag, _, _, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag != "equal" and starts[c] < starts[d]:
            spans.append((starts[c], starts[d]))
    return spans


def marked(clean: str, attacked: str) -> Content:
    """The attacked prompt with what the attack changed in bold, underlined and coloured."""
    clean, attacked = printable(clean), printable(attacked)
    return Content(attacked, [Span(start, end, WORD_STYLE) for start, end in changed_spans(clean, attacked)])
