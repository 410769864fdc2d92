"""A page of monospaced text as a self-contained SVG: every run of characters stands exactly over its columns."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from qrtui.printable import printable

CELL, LINE, FONT_SIZE = 7.25, 17.0, 12
_RAISED = 12.5
_MARGIN = 16
_HANGING = 2
_FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"


class Run(NamedTuple):
    """Characters in one look; `look` is a name in the page's style sheet, or nothing."""

    text: str
    look: str = ""


class Line(NamedTuple):
    """Runs one after the other, on a ground of their own where `ground` names one, a bar before them if it differs."""

    runs: Sequence[Run]
    ground: str = ""


class Page:
    """Lines and boxes at columns and rows; `text` is the whole file.

    `colours` gives looks and grounds their colours, `styles` looks their further CSS.
    """

    def __init__(self, columns: int, colours: dict[str, str], styles: dict[str, str]) -> None:
        self._columns = columns
        self._colours = colours
        self._styles = styles
        self._parts: list[str] = []
        self._rows = 0.0

    def write(self, column: float, row: float, line: Line, width: int) -> None:
        """A line of text, `width` columns wide at most (what is wider must have been folded)."""
        x, y = self._place(column, row)
        if line.ground:
            self._parts.append(_rectangle(x - 6, y, width * CELL + 6, LINE, f"ground-{line.ground}"))
            self._parts.append(_rectangle(x - 6, y, 2.5, LINE, f"bar-{line.ground}"))
        at = 0
        for run in line.runs:
            text = printable(run.text)
            self._write_words(text, run.look, x + at * CELL, y)
            at += cell_len(text)
        self._rows = max(self._rows, row + 1)

    def box(self, column: float, row: float, width: float, height: float) -> None:
        """A thin frame around columns and rows, with a little room inside."""
        x, y = self._place(column, row)
        self._parts.append(
            f'<rect class="frame" x="{x - 12:.1f}" y="{y - 5:.1f}" width="{width * CELL + 20:.1f}"'
            f' height="{height * LINE + 10:.1f}" rx="4"/>'
        )
        self._rows = max(self._rows, row + height)

    def rule(self, column: float, row: float, width: float) -> None:
        """A thin line in the middle of a row."""
        x, y = self._place(column, row)
        self._parts.append(_rectangle(x - 6, y + LINE / 2, width * CELL + 8, 1, "rule"))

    def text(self, title: str) -> str:
        """The file: the same page gives the same bytes everywhere."""
        width = self._columns * CELL + 2 * _MARGIN
        height = self._rows * LINE + 2 * _MARGIN
        label = html.escape(printable(title))
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height:.1f}" width="{width:.1f}"'
                f' height="{height:.1f}" role="img" aria-label="{label}">',
                f"<title>{label}</title>",
                f"<style>{self._style_sheet()}</style>",
                '<rect class="page" width="100%" height="100%"/>',
                *self._parts,
                "</svg>",
                "",
            ]
        )

    def _place(self, column: float, row: float) -> tuple[float, float]:
        return _MARGIN + column * CELL, _MARGIN + row * LINE

    def _write_words(self, text: str, look: str, x: float, y: float) -> None:
        # Blanks are left out: where words stand is given, so that no viewer's handling of blanks can move them.
        for match in re.finditer(r"\S+(?: \S+)*", text):
            start, width = cell_len(text[: match.start()]), cell_len(match.group())
            look_class = f' class="{look}"' if look else ""
            self._parts.append(
                f'<text{look_class} x="{x + start * CELL:.2f}" y="{y + _RAISED:.1f}"'
                f' textLength="{width * CELL:.2f}" lengthAdjust="spacingAndGlyphs">{html.escape(match.group())}</text>'
            )

    def _style_sheet(self) -> str:
        colours = self._colours
        rules = [
            f"text{{font:{FONT_SIZE}px {_FONTS};fill:{colours['text']}}}",
            f".page{{fill:{colours['page']}}}",
            f".frame{{fill:none;stroke:{colours['frame']}}}",
            f".rule{{fill:{colours['frame']}}}",
        ]
        for name, colour in colours.items():
            if name not in ("text", "page", "frame"):
                rules.append(f".{name}{{fill:{colour}}}")
        rules += [f".{name}{{{style}}}" for name, style in self._styles.items()]
        return "".join(rules)


def folded(line: Line, width: int) -> list[Line]:
    """A line cut into as many of `width` columns as it needs, blanks at their ends aside; its runs' looks are kept.

    It is cut after a blank where the second half of the room has one, so that words stay whole. What goes on below
    stands a little to the right of where the line began, so that it is not taken for a line of its own.
    """
    runs = [Run(printable(run.text), run.look) for run in line.runs]
    text = "".join(run.text for run in runs)
    indent = min(len(text) - len(text.lstrip(" ")) + _HANGING, width // 2)
    cuts, room = [0], width
    while (fits := _fitting(rest := text[cuts[-1] :], room)) < len(rest.rstrip(" ")):
        cuts.append(cuts[-1] + _cut_at(rest, max(1, fits)))
        room = max(1, width - indent)
    first, *below = [_part(runs, *ends) for ends in itertools.pairwise([*cuts, len(text)])]
    return [Line(first, line.ground), *(Line([Run(" " * indent), *part], line.ground) for part in below)]


def _cut_at(text: str, fits: int) -> int:
    """How many characters stand before the cut, where `fits` have room and a blank after them needs none."""
    blank = text.rfind(" ", fits // 2, fits + 1)
    return blank + 1 if text[: blank + 1].strip() else fits


def _part(runs: Sequence[Run], start: int, end: int) -> list[Run]:
    found = []
    at = 0
    for run in runs:
        if text := run.text[max(0, start - at) : max(0, end - at)]:
            found.append(Run(text, run.look))
        at += len(run.text)
    return found


def _fitting(text: str, room: int) -> int:
    """How many of the first characters fit into `room` columns."""
    at = cells = 0
    while at < len(text) and cells + (size := cell_len(text[at])) <= room:
        cells += size
        at += 1
    return at


def _rectangle(x: float, y: float, width: float, height: float, look: str) -> str:
    return f'<rect class="{look}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
