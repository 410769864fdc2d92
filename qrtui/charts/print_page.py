"""What all printed charts share: colours, marks, how panels stand on the page, title and notes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qrtui.charts.palette import slots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which readers with colour blindness tell apart; their greys differ too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
ORIGINAL = "#000000"
MARKS = ("s", "^", "D", "v", "P", "X")
DASHES = ((0, (4, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (7, 2)), (0, (1, 2)), (0, (3, 1, 1, 1, 1, 1)))
HATCHES = ("", "//////", "....", "xxxx", "\\\\\\\\", "----")
GREY = "#666666"

_TITLE_LINE = 0.13
_TITLE_LETTERS_PER_INCH = 15
_NOTE_LINE = 0.105
_LETTERS_PER_INCH = 24
_WIDE = 5.0
_LONGEST_UPRIGHT = 60


def place(series: Sequence[str]) -> dict[str, int]:
    """Each quantized series' place among `COLOURS`, `MARKS`, `DASHES`; the same in every chart."""
    return {name: at % len(COLOURS) for name, at in slots(series).items()}


class Page:
    """A figure of `width` inches: a title, panels in one column or two, and notes below. All lengths are inches."""

    def __init__(
        self,
        width: float,
        title: str,
        notes: Sequence[str],
        heights: Sequence[float],
        *,
        left: float,
        right: float = 0.06,
        top: float = 0.2,
        bottom: float = 0.36,
        legend: float = 0.0,
        most_across: int = 2,
    ) -> None:
        """`heights` are the axes' own; `left` to `bottom` is the room round each, `legend` that for the one of all."""
        from matplotlib.figure import Figure

        self.across = min(most_across if width >= _WIDE else 1, max(1, len(heights)))
        self._notes = textwrap.wrap(" ".join(notes), int(width * _LETTERS_PER_INCH))
        self._title_lines = textwrap.wrap(title, int(width * _TITLE_LETTERS_PER_INCH))
        above = _TITLE_LINE * len(self._title_lines) + 0.07 + legend
        rows = [heights[at : at + self.across] for at in range(0, len(heights), self.across)]
        foot = _NOTE_LINE * len(self._notes) + 0.08
        height = above + sum(max(row) + top + bottom for row in rows) + foot
        self.figure: Figure = Figure(figsize=(width, height))
        self._size = (width, height)
        self._legend_at = (0.06 / width, 1 - (above - legend / 2) / height)
        self._write()
        self._places = list(self._boxes(rows, above, left, right, top, bottom))

    def _write(self) -> None:
        width, height = self._size
        for at, line in enumerate(self._title_lines):
            y = 1 - (0.06 + at * _TITLE_LINE) / height
            self.figure.text(0.06 / width, y, line, va="top", weight="bold", size=7.5)
        for at, line in enumerate(reversed(self._notes)):
            y = (0.06 + at * _NOTE_LINE) / height
            self.figure.text(0.06 / width, y, line, va="bottom", size=5.5, color=GREY)

    def _boxes(
        self, rows: Sequence[Sequence[float]], above: float, left: float, right: float, top: float, bottom: float
    ) -> Iterator[tuple[float, float, float, float]]:
        width, height = self._size
        one = width / self.across
        used = above
        for row in rows:
            for at, tall in enumerate(row):
                under = height - used - top - tall
                yield (at * one + left) / width, under / height, (one - left - right) / width, tall / height
            used += max(row) + top + bottom

    def axes(self) -> list[Axes]:
        """The axes of every panel."""
        return [self.figure.add_axes(box) for box in self._places]

    def legend(self, handles: Sequence[Any]) -> None:
        """One legend for all panels, under the title."""
        self.figure.legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=self._legend_at,
            ncols=len(handles),
            borderaxespad=0,
            handletextpad=0.5,
            columnspacing=1.2,
        )


class ColumnNames:
    """Names over the columns of a table, each `cell` inches wide: upright where one of them is too long for that."""

    def __init__(self, names: Sequence[str], cell: float) -> None:
        longest = max((text_width(min(len(name), _LONGEST_UPRIGHT), 6) for name in names), default=0.0)
        self._upright = longest > cell - 0.03
        self.height = longest + 0.08 if self._upright else 0.14
        """Inches."""

    def write(self, axes: Axes, names: Sequence[str]) -> None:
        """Write these names over the axes, whose columns are 1 wide."""
        axes.xaxis.tick_top()
        axes.tick_params(length=0, pad=1)
        axes.set_xticks([at + 0.5 for at in range(len(names))], list(names))
        for label in axes.get_xticklabels() if self._upright else ():
            label.set_rotation(90)


def room_for_names(letters: int, width: float) -> float:
    """Inches for names of so many letters at the left of a page: half the page at most, the longest names are cut."""
    return min(text_width(letters) + 0.12, width / 2)


def text_width(letters: int, size: float = 6.5) -> float:
    """About how many inches so many letters take in points of `size`."""
    return letters * size * 0.6 / 72
