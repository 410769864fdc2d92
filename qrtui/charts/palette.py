"""The colours of charts in a terminal."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from rich.color import Color
from rich.style import Style

from qrtui.results.metrics import MoreRobust

Rgb = tuple[int, int, int]
Pen = Rgb | int | None
"""A colour: RGB, a number of the terminal's own 16, or None for its text colour."""

_SLOTS = ("int8", "nf4", "fp4")


class Palette(NamedTuple):
    """Pens for each part of a chart.

    `original` and `quantized` mark who is more robust; `series` are the quantized precisions' in order of `slots`.
    `background` is what heat maps shade from; None where only the terminal knows it: then they show blocks instead.
    """

    text: Pen
    muted: Pen
    original: Pen
    quantized: Pen
    series: tuple[Pen, ...]
    background: Rgb | None = None

    def winner(self, more_robust: MoreRobust | None) -> Pen:
        """The pen for who is more robust."""
        if more_robust == "quantized":
            return self.quantized
        return self.original if more_robust == "original" else self.muted


# Numbers of the terminal's own palette that read on a dark and on a light background.
TERMINAL = Palette(text=None, muted=8, original=3, quantized=6, series=(6, 5, 2, 4, 1))


def slots(names: Sequence[str]) -> dict[str, int]:
    """A colour's place for each quantized precision: a known one has the same in every chart."""
    places = {name: _SLOTS.index(name) for name in names if name in _SLOTS}
    for name in names:
        if name not in places:
            places[name] = next(place for place in range(len(names) + len(_SLOTS)) if place not in places.values())
    return places


@functools.cache
def style(pen: Pen, background: Pen = None, *, bold: bool = False) -> Style:
    """The pen as Rich takes it."""
    return Style(color=_colour(pen), bgcolor=_colour(background), bold=bold)


def _colour(pen: Pen) -> Color | None:
    if pen is None:
        return None
    return Color.from_ansi(pen) if isinstance(pen, int) else Color.from_rgb(*pen)


def blend(start: Rgb, end: Rgb, share: float) -> Rgb:
    """The colour `share` (0 to 1) of the way from `start` to `end`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
    return red, green, blue


def luminance(colour: Rgb) -> float:
    """How bright a colour is to the eye, 0 to 1 (relative luminance of sRGB, gamma approximated by 2.2)."""
    red, green, blue = ((part / 255) ** 2.2 for part in colour)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)
