"""Text for widgets that draw with Rich, in the colours of Textual's theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.color import Color, ColorParseError

if TYPE_CHECKING:
    from textual.app import App


def theme_colour(app: App[object], variable: str) -> Color | None:
    """The colour of a theme variable such as `success`; None where the theme leaves it to the terminal."""
    try:
        colour = Color.parse(app.theme_variables[variable])
    except (KeyError, ColorParseError):
        return None
    return None if colour.ansi == -1 else colour


def themed(
    app: App[object],
    text: str,
    variable: str = "foreground",
    *,
    bold: bool = False,
    right: bool = False,
    wrap: bool = False,
) -> Text:
    """`text` in a theme colour: a table's cell, right-aligned if it is a number, or lines of a log, wrapped."""
    colour = theme_colour(app, variable)
    style = Style(color=colour.rich_color if colour else None, bold=bold)
    return Text(text, style, justify="right" if right else "left", no_wrap=not wrap)
