"""The app's own two themes: quiet greys and one accent colour, on dark and on light."""

from __future__ import annotations

from textual.color import Color
from textual.theme import Theme

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
    boost="#2b313b",
    dark=True,
    variables={
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
    boost="#e3e0d8",
    dark=False,
    variables={
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

_MUTED = 0.62


def variables_of(theme: Theme) -> dict[str, str]:
    """The app's own variables for any theme: `muted` is text that matters less, a plain colour wherever it is used."""
    if theme.ansi:
        return {"muted": "ansi_bright_black"}
    colours = theme.to_color_system().generate()
    muted = Color.parse(colours["background"]).blend(Color.parse(colours["foreground"]), _MUTED)
    return {"muted": muted.hex}
