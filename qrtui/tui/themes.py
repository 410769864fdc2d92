"""The app's own themes: quiet greys and one accent colour, on dark, on light, and in the terminal's own colours."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter, Monochrome, NoColor
from textual.theme import Theme

from qrtui.errors import nearest

DARK = Theme(
    name="qrtui-dark",
    primary="#6ea8dc",
    secondary="#c99a5b",
    accent="#6ea8dc",
    success="#86b97a",
    warning="#d8a657",
    error="#e0706c",
    foreground="#d6d9de",
    background="#15181d",
    surface="#15181d",
    panel="#22272f",
    dark=True,
    variables={
        "boost": "#22272f",
        "border": "#6ea8dc",
        "border-blurred": "#343b46",
        "block-cursor-background": "#31507a",
        "block-cursor-foreground": "#f2f4f7",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#262d37",
        "block-cursor-blurred-foreground": "#d6d9de",
        "block-cursor-blurred-text-style": "none",
        "footer-background": "#1c2027",
        "footer-key-foreground": "#6ea8dc",
        "footer-description-foreground": "#9aa3af",
        "scrollbar": "#343b46",
        "scrollbar-background": "#15181d",
    },
)

LIGHT = Theme(
    name="qrtui-light",
    primary="#1f5f9e",
    secondary="#8a5a14",
    accent="#1f5f9e",
    success="#2f7a2a",
    warning="#96600a",
    error="#b3302c",
    foreground="#22262b",
    background="#fbfbf9",
    surface="#fbfbf9",
    panel="#eceae4",
    dark=False,
    variables={
        "boost": "#eceae4",
        "border": "#1f5f9e",
        "border-blurred": "#cbc8bf",
        "block-cursor-background": "#c9dcf0",
        "block-cursor-foreground": "#15181d",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#e6e3db",
        "block-cursor-blurred-foreground": "#22262b",
        "block-cursor-blurred-text-style": "none",
        "footer-background": "#eceae4",
        "footer-key-foreground": "#1f5f9e",
        "footer-description-foreground": "#5a6068",
        "scrollbar": "#cbc8bf",
        "scrollbar-background": "#fbfbf9",
    },
)

TERMINAL = Theme(
    name="qrtui-terminal",
    ansi=True,
    # The bright ones read on dark and on light backgrounds in most terminals' colours; the others on one of them.
    primary="ansi_bright_blue",
    secondary="ansi_magenta",
    accent="ansi_bright_blue",
    success="ansi_green",
    warning="ansi_magenta",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border": "ansi_bright_blue",
        "border-blurred": "ansi_bright_black",
        "block-cursor-background": "ansi_bright_blue",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "ansi_default",
        "block-cursor-blurred-foreground": "ansi_default",
        "block-cursor-blurred-text-style": "none",
        "block-hover-background": "ansi_default",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-text-style": "reverse",
        "input-selection-background": "ansi_bright_blue",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_bright_blue",
        "screen-selection-foreground": "ansi_black",
        "footer-background": "ansi_default",
        "footer-key-foreground": "ansi_bright_blue",
        "footer-description-foreground": "ansi_default",
        "scrollbar": "ansi_bright_black",
        "scrollbar-background": "ansi_default",
    },
)

OURS = (DARK, LIGHT, TERMINAL)

_MUTED = 0.66


def first_theme(wanted: str, available: Iterable[str], color_system: str | None, *, no_color: bool) -> tuple[str, str]:
    """The theme to begin with, and a line about `wanted` if there is no such theme.

    Where nothing is wanted: dark, but the terminal's own colours where it has no more than 16 of them, or where the
    environment says NO_COLOR.
    """
    if wanted in available and not no_color:
        return wanted, ""
    few = no_color or color_system in (None, "standard")
    suggestion = " ".join(filter(None, [nearest(wanted, available), "Ctrl+P, Theme lists them"]))
    problem = f"theme: there is no theme {wanted!r}; {suggestion}" if wanted and wanted not in available else ""
    return (TERMINAL if few else DARK).name, problem


def filters_for(filters: Sequence[LineFilter], *, no_color: bool) -> list[LineFilter]:
    """Textual's filters, but under NO_COLOR one that sends no colour at all, instead of one that makes them grey."""
    if not no_color:
        return list(filters)
    return [*(one for one in filters if not isinstance(one, Monochrome | NoColor)), Colourless()]


class Colourless(LineFilter):
    """Takes every colour away; what stood on a ground of its own, such as the cursor's line, is reversed."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments without colours."""
        return [Segment(text, _colourless(style) if style else style, control) for text, style, control in segments]


@functools.lru_cache(maxsize=1024)
def _colourless(style: Style) -> Style:
    grounded = style.bgcolor is not None and not style.bgcolor.is_default
    return style.without_color + Style(reverse=True) if grounded else style.without_color


def variables_of(theme: Theme) -> dict[str, str]:
    """The app's own variables for any theme: `muted` is text that matters less, a plain colour wherever it is used."""
    if theme.ansi:
        return {"muted": "ansi_bright_black"}
    colours = theme.to_color_system().generate()
    muted = Color.parse(colours["background"]).blend(Color.parse(colours["foreground"]), _MUTED)
    return {"muted": muted.hex}
