"""Numbers with their nouns."""

from __future__ import annotations


def counted(count: int, thing: str, things: str = "") -> str:
    """A number with its noun, in the singular for one.

    >>> counted(1, "model"), counted(1200, "completion"), counted(0, "verdict"), counted(2, "copy", "copies")
    ('1 model', '1,200 completions', '0 verdicts', '2 copies')
    """
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"
