"""A table whose columns stand in groups, as text that keeps to a width, Markdown, CSV or LaTeX."""

from __future__ import annotations

import csv
import io
import itertools
import textwrap
from collections.abc import Iterable, Sequence

import msgspec

from qrtui.printable import one_line, printable

_GAP, _GROUP_GAP = "  ", "   "


class Group(msgspec.Struct, frozen=True):
    """Neighbouring columns under one title, which may be empty."""

    title: str
    columns: tuple[str, ...]


class Grid(msgspec.Struct, frozen=True):
    """`stub` heads the columns of words at the left; each row holds the stub's cells, then those of all groups."""

    stub: tuple[str, ...]
    groups: tuple[Group, ...]
    rows: list[tuple[str, ...]]

    @property
    def headers(self) -> list[str]:
        """One header a column, the group's title before its own."""
        titles = [f"{group.title} {column}".strip() for group in self.groups for column in group.columns]
        return [*self.stub, *titles]


def grid_text(grid: Grid, width: int = 120) -> str:
    """The grid in aligned columns; where `width` characters are too few, groups follow one another in blocks.

    A column's title is stacked word by word; a block is wider than `width` only where a single column is.
    """
    return "\n\n".join(_block_text(block) for block in _blocks(grid, width))


def grid_markdown(grid: Grid) -> str:
    """The grid as a Markdown table."""
    rule = ["---"] * len(grid.stub) + ["---:"] * (len(grid.headers) - len(grid.stub))
    rows = [grid.headers, rule, *_without_repeats(grid)]
    return "\n".join(map(markdown_row, rows))


def markdown_row(cells: Iterable[str]) -> str:
    """A row of a Markdown table, whatever its cells hold."""
    return "| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |"


def grid_csv(grid: Grid) -> str:
    """The grid as CSV, ending in a newline."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([grid.headers, *grid.rows])
    return text.getvalue()


def grid_latex(grid: Grid, caption: str) -> str:
    """The grid as a LaTeX float with a caption, for a document that loads booktabs; ends in a newline."""
    stub, columns = len(grid.stub), [column for group in grid.groups for column in group.columns]
    rows = [" & ".join(map(latex_text, row)) + r" \\" for row in [(*grid.stub, *columns), *_without_repeats(grid)]]
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{latex_text(caption)}}}",
        rf"\begin{{tabular}}{{@{{}}{'l' * stub}{'r' * len(columns)}@{{}}}}",
        r"\toprule",
        *_latex_titles(grid),
        rows[0],
        r"\midrule",
        *rows[1:],
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_titles(grid: Grid) -> list[str]:
    """The groups' titles with a rule under each; no line where no group has one."""
    if not any(group.title for group in grid.groups):
        return []
    over, rules, at = [""] * len(grid.stub), [], len(grid.stub)
    for group in grid.groups:
        over.append(rf"\multicolumn{{{len(group.columns)}}}{{c}}{{{latex_text(group.title)}}}")
        if group.title:
            rules.append(rf"\cmidrule(lr){{{at + 1}-{at + len(group.columns)}}}")
        at += len(group.columns)
    return [" & ".join(over).lstrip() + r" \\", " ".join(rules)]


def wrapped(text: str, width: int) -> str:
    """A paragraph in lines of at most `width` characters; a number stays with its percent sign."""
    kept = text.replace(" %", "\u00a0%")
    return textwrap.fill(kept, width, break_long_words=False, break_on_hyphens=False).replace("\u00a0", " ")


def latex_text(text: str) -> str:
    """Text as LaTeX source that prints it."""
    return "".join(_LATEX.get(letter, letter) for letter in one_line(text))


LATEX_NEEDS = r"Needs \usepackage{booktabs}."
"""What a document must load for a table of ours."""


def latex_comments(lines: Iterable[str]) -> str:
    """Lines of text as LaTeX comments, ending in a newline: what a table's source says without printing it."""
    return "".join(f"% {' '.join(printable(line).splitlines())}".rstrip() + "\n" for line in lines)


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: "\\" + letter for letter in "${}%_&#"},
    **{"↓": r"$\downarrow$", "↑": r"$\uparrow$", "∞": r"$\infty$", "Δ": r"$\Delta$", "—": "---"},
}


def _blocks(grid: Grid, width: int) -> list[Grid]:
    """The grid cut between its groups into the fewest blocks that fit, as even as can be; in need, within a group."""
    for count in range(1, len(grid.groups) + 1):
        size = -(-len(grid.groups) // count)
        blocks = [_part(grid, at, at + size) for at in range(0, len(grid.groups), size)]
        if all(_width(block) <= width for block in blocks):
            return blocks
    single = [_part(grid, at, at + 1) for at in range(len(grid.groups))]
    return [piece for block in single for piece in _pieces(block, width)]


def _part(grid: Grid, first: int, end: int) -> Grid:
    """The grid with the groups from `first` to before `end` only."""
    starts = [len(grid.stub), *itertools.accumulate((len(g.columns) for g in grid.groups), initial=0)][1:]
    left, right = (len(grid.stub) + starts[min(at, len(grid.groups))] for at in (first, end))
    rows = [row[: len(grid.stub)] + row[left:right] for row in grid.rows]
    return Grid(grid.stub, grid.groups[first:end], rows)


def _pieces(block: Grid, width: int) -> list[Grid]:
    """A block of one group, its columns spread over as many blocks as they need."""
    (group,), stub = block.groups, len(block.stub)
    for size in range(len(group.columns), 0, -1):
        pieces = [
            Grid(
                block.stub,
                (Group(group.title, group.columns[at : at + size]),),
                [row[:stub] + row[stub + at : stub + at + size] for row in block.rows],
            )
            for at in range(0, len(group.columns), size)
        ]
        if size == 1 or all(_width(piece) <= width for piece in pieces):
            return pieces
    return [block]


def _widths(grid: Grid) -> list[int]:
    """The width of every column; a group's first is widened where the title needs it."""
    words = [[head] for head in grid.stub] + [column.split() for group in grid.groups for column in group.columns]
    widths = [max(map(len, [*head, *(row[at] for row in grid.rows)]), default=0) for at, head in enumerate(words)]
    at = len(grid.stub)
    for group in grid.groups:
        span = _span(widths[at : at + len(group.columns)])
        widths[at] += max(0, len(group.title) - span)
        at += len(group.columns)
    return widths


def _span(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _width(grid: Grid) -> int:
    return max(map(len, _block_text(grid).splitlines()))


def _block_text(grid: Grid) -> str:
    widths, stub = _widths(grid), len(grid.stub)
    heads = [*([head] for head in grid.stub), *(column.split() for g in grid.groups for column in g.columns)]
    height = max(map(len, heads))
    stacked = zip(*([""] * (height - len(head)) + head for head in heads), strict=True)
    lines = [_line(grid, widths, row) for row in [*stacked, *_without_repeats(grid)]]
    if any(group.title for group in grid.groups):
        lines.insert(0, _titles(grid, widths, stub))
    return "\n".join(line.rstrip() for line in lines)


def _titles(grid: Grid, widths: Sequence[int], stub: int) -> str:
    parts, at = [" " * _span(widths[:stub])], stub
    for group in grid.groups:
        span = _span(widths[at : at + len(group.columns)])
        framed = group.title and len(group.title) + 4 <= span
        parts.append(f" {group.title} ".center(span, "-") if framed else group.title.center(span))
        at += len(group.columns)
    return _GROUP_GAP.join(parts)


def _line(grid: Grid, widths: Sequence[int], row: Sequence[str]) -> str:
    stub = len(grid.stub)
    parts = [_GAP.join(cell.ljust(width) for cell, width in zip(row[:stub], widths, strict=False))]
    at = stub
    for group in grid.groups:
        end = at + len(group.columns)
        parts.append(_GAP.join(cell.rjust(w) for cell, w in zip(row[at:end], widths[at:end], strict=True)))
        at = end
    return _GROUP_GAP.join(parts)


def _without_repeats(grid: Grid) -> list[tuple[str, ...]]:
    """The rows, a stub's cell left blank where it and all before it repeat the row above."""
    rows, above = [], ("",) * len(grid.stub)
    for row in grid.rows:
        stub = row[: len(grid.stub)]
        same = next((at for at in range(len(stub)) if stub[at] != above[at]), len(stub))
        rows.append(("",) * same + row[same:])
        above = stub
    return rows
