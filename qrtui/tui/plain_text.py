"""What the app shows is text: neither markup nor anything that drives a terminal, wherever it comes from.

Two places hold for every widget. Textual reads a title, an option, a label or a notification as markup, which hides
words in brackets and fails on `[/]`; all of it goes through one function, which takes texts as they are here. And what
any widget has drawn goes through a filter of lines before it is written to the terminal.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.content import Content
from textual.filter import LineFilter

from qrtui.printable import printable


class PrintableLines(LineFilter):
    """Makes visible what is left unprintable in a line: panes that show foreign text did it before they measured it."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments with each unprintable character in place of it shown by another."""
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [Segment(_in_a_line(text), style, control) for text, style, control in segments]


def take_no_markup() -> None:
    """Let Textual take every string for what it says."""
    Content.from_markup = _as_it_is  # type: ignore[method-assign]


def _in_a_line(text: str) -> str:
    return printable(text).replace("\n", " ").replace("\t", " ")


def _as_it_is(markup: str | Content, **_variables: object) -> Content:
    return markup if isinstance(markup, Content) else Content(markup)
