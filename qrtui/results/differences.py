"""Two texts beside each other: which lines belong together, and which words differ."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_TOKEN = re.compile(r"\w+|[^\w\s]")
_ALIKE = 0.4
_MOST_PAIRINGS = 1_600
_MOST_LINES_SQUARED = 90_000


class LinePair(NamedTuple):
    """Lines that stand side by side, by number; None where the other side has a line too many."""

    left: int | None
    right: int | None
    same: bool


class Change(NamedTuple):
    """Words of the first text that stand as others in the second; one of the two ranges may be empty.

    Ranges are half-open, in characters of their own text.
    """

    left: tuple[int, int]
    right: tuple[int, int]


def paired_lines(left: Sequence[str], right: Sequence[str]) -> list[LinePair]:
    """The lines of two texts in order, equal ones side by side, similar ones where they can be.

    Trailing blanks do not make a difference.
    """
    ours, theirs = [line.rstrip() for line in left], [line.rstrip() for line in right]
    pairs = []
    for tag, a, b, c, d in _opcodes(ours, theirs):
        if tag == "equal":
            pairs += [LinePair(a + at, c + at, True) for at in range(b - a)]
        else:
            pairs += [
                LinePair(None if i is None else a + i, None if j is None else c + j, False)
                for i, j in _aligned(ours[a:b], theirs[c:d])
            ]
    return pairs


def changes(before: str, after: str) -> list[Change]:
    """Where the words of two texts differ, from left to right; how much blank lies between words does not count."""
    ours, theirs = _tokens(before), _tokens(after)
    found = []
    for tag, a, b, c, d in _opcodes([before[s:e] for s, e in ours], [after[s:e] for s, e in theirs]):
        if tag != "equal":
            found.append(Change(_range(ours, a, b, len(before)), _range(theirs, c, d, len(after))))
    return found


def changed_spans(before: str, after: str) -> list[tuple[int, int]]:
    """Where `after` differs from `before`: half-open ranges of characters of `after`, whole words."""
    return [change.right for change in changes(before, after) if change.right[0] < change.right[1]]


def changed_words(before: str, after: str) -> list[tuple[str, str]]:
    """What was written before and what stands there now; either may be empty.

    >>> changed_words("Count the vowels of a text.", "Count the voweLs of text.")
    [('vowels', 'voweLs'), ('a', '')]
    """
    return [(before[slice(*change.left)], after[slice(*change.right)]) for change in changes(before, after)]


def are_alike(left: str, right: str) -> bool:
    """Whether two lines have so much in common that marking their differences says more than marking all of both."""
    return _likeness(Counter(_TOKEN.findall(left)), Counter(_TOKEN.findall(right))) >= _ALIKE


def _tokens(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _TOKEN.finditer(text)]


def _range(tokens: Sequence[tuple[int, int]], first: int, end: int, length: int) -> tuple[int, int]:
    if first < end:
        return tokens[first][0], tokens[end - 1][1]
    place = tokens[first][0] if first < len(tokens) else length
    return place, place


def _opcodes(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """difflib's opcodes; what lies between the first and the last difference is one, where it is too long to match."""
    size = min(len(left), len(right))
    head = next((at for at in range(size) if left[at] != right[at]), size)
    tail = next((at for at in range(size - head) if left[-1 - at] != right[-1 - at]), size - head)
    if head:
        yield "equal", 0, head, 0, head
    a, b, c, d = head, len(left) - tail, head, len(right) - tail
    if (b - a) * (d - c) > _MOST_LINES_SQUARED:
        yield "replace", a, b, c, d
    else:
        matcher = difflib.SequenceMatcher(None, left[a:b], right[c:d], autojunk=False)
        for tag, i, j, k, m in matcher.get_opcodes():
            yield tag, a + i, a + j, c + k, c + m
    if tail:
        yield "equal", b, len(left), d, len(right)


def _aligned(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[int | None, int | None]]:
    """Two runs of differing lines side by side: similar lines on one level, the others wherever there is room."""
    i = j = 0
    for next_i, next_j in [*_similar(left, right), (len(left), len(right))]:
        for at in range(max(next_i - i, next_j - j)):
            yield (i + at if i + at < next_i else None, j + at if j + at < next_j else None)
        if next_i < len(left) and next_j < len(right):
            yield next_i, next_j
        i, j = next_i + 1, next_j + 1


def _similar(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of similar lines, in order on both sides, that have most in common (Needleman-Wunsch)."""
    if min(len(left), len(right)) < 1 or len(left) * len(right) > _MOST_PAIRINGS or len(left) == len(right) == 1:
        return []
    ours, theirs = ([Counter(_TOKEN.findall(line)) for line in lines] for lines in (left, right))
    likeness = [[_likeness(our, their) for their in theirs] for our in ours]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            paired = best[i + 1][j + 1] + likeness[i][j] if likeness[i][j] >= _ALIKE else 0.0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if likeness[i][j] >= _ALIKE and best[i][j] == best[i + 1][j + 1] + likeness[i][j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _likeness(ours: Counter[str], theirs: Counter[str]) -> float:
    total = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / total if total else 0.0
