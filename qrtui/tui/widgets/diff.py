"""Differences marked: in an attacked prompt, and in two programs side by side."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content, Span

from qrtui.printable import printable
from qrtui.results.differences import LinePair, are_alike, changed_spans, changes, paired_lines

__all__ = ["LinePair", "ProgramLine", "changed_spans", "marked", "paired_lines", "side_by_side"]

WORD_STYLE = "bold underline $text-warning"
GONE_STYLE = "strike $muted"
_TINT = "on $warning 12%"
_DIFFERING = "on $warning 35%"
_DIFFERING_ANSI = "bold underline"


class ProgramLine(NamedTuple):
    """One level of two programs side by side; None where a side has no line there."""

    left: Content | None
    right: Content | None
    same: bool


def marked(clean: str, attacked: str) -> Content:
    """The attacked prompt with what the attack changed in bold, underlined and coloured; words it took away struck."""
    clean, attacked = printable(clean), printable(attacked)
    parts: list[Content] = []
    at = 0
    for (left, left_end), (right, right_end) in changes(clean, attacked):
        parts.append(Content(attacked[at:right]))
        if right == right_end:
            parts.append(Content.styled(clean[left:left_end], GONE_STYLE))
            parts.append(Content(" "))
        else:
            parts.append(Content.styled(attacked[right:right_end], WORD_STYLE))
        at = right_end
    return Content("").join([*parts, Content(attacked[at:])])


@functools.lru_cache(maxsize=16)
def side_by_side(left: str, right: str, ansi: bool) -> tuple[ProgramLine, ...]:
    """Two programs, highlighted, lines that belong together on one level, what differs within them marked.

    May be asked on any thread, before the screen needs it.
    """
    texts = tuple(printable(text).expandtabs(4).strip("\n") for text in (left, right))
    ours, theirs = (_highlighted(text, ansi) for text in texts)
    if not ours or not theirs:
        # Beside a program that is not there yet, nothing differs.
        return tuple(ProgramLine(*((line, None) if ours else (None, line)), True) for line in ours or theirs)
    pairs = paired_lines([line.plain for line in ours], [line.plain for line in theirs])
    return tuple(_level(ours, theirs, pair, ansi) for pair in pairs)


def _level(ours: Sequence[Content], theirs: Sequence[Content], pair: LinePair, ansi: bool) -> ProgramLine:
    left = None if pair.left is None else ours[pair.left]
    right = None if pair.right is None else theirs[pair.right]
    if not pair.same and left is not None and right is not None and are_alike(left.plain, right.plain):
        found = changes(left.plain, right.plain)
        left = _with_marks(left, [change.left for change in found], ansi)
        right = _with_marks(right, [change.right for change in found], ansi)
    return ProgramLine(left, right, pair.same)


def _with_marks(line: Content, ranges: Sequence[tuple[int, int]], ansi: bool) -> Content:
    style = _DIFFERING_ANSI if ansi else _DIFFERING
    return line.add_spans([Span(start, end, style) for start, end in ranges if start < end])


def tint(ansi: bool) -> str:
    """The ground of a differing line. The terminal's own colours cannot be thinned: there a bar alone marks it."""
    return "" if ansi else _TINT


def _highlighted(code: str, ansi: bool) -> list[Content]:
    if not code:
        return []
    # Pygments is imported when there is something to highlight.
    from textual.highlight import ANSIDarkHighlightTheme, highlight

    from qrtui.tui.widgets.code_colours import CodeColours

    content = highlight(code, language="python", theme=ANSIDarkHighlightTheme if ansi else CodeColours)
    return content.split("\n", allow_blank=True)
