"""Lines of code that are too long for their room."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content

_HANGING = 2


def folded(line: Content, width: int) -> list[Content]:
    """A line in pieces of `width` columns; what goes on below stands a little to the right of where it began."""
    text = line.plain
    indent = min(len(text) - len(text.lstrip()) + _HANGING, width // 2)
    breaks = _breaks(text, width, width - indent)
    if not breaks:
        return [line]
    first, *rest = line.divide(breaks)
    return [first, *(piece.pad_left(indent) for piece in rest)]


def _breaks(text: str, width: int, width_below: int) -> list[int]:
    """Where to break a line that is too wide: after the last blank that fits, else in the middle of a word."""
    if len(text) <= width and cell_len(text) <= width:
        return []
    breaks, start = [], 0
    while True:
        end, cells = start, 0
        while end < len(text) and (cells := cells + cell_len(text[end])) <= width:
            end += 1
        if end == len(text):
            return breaks
        begun = start + len(text[start:]) - len(text[start:].lstrip())
        blank = text.rfind(" ", begun, end)
        start = blank + 1 if blank > begun else max(end, start + 1)
        breaks.append(start)
        width = width_below
