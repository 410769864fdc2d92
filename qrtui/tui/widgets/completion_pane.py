"""Two programs side by side, scrolled together, their differing lines marked."""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from qrtui.results.case import printable
from qrtui.tui.widgets.diff import paired_lines

_GUTTER = 2
_DIFFERING = "on $warning 12%"


class SideBySide(VerticalScroll, can_focus=True):
    """The original's program left, the quantized model's right; lines that belong together stand on one level."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._texts = ("", "")
        self._drawn_width = 0

    def compose(self) -> ComposeResult:
        """Both sides in one scrolled row, so that they cannot drift apart."""
        with Horizontal(id="sides"):
            yield Static(id="left", markup=False)
            yield Static(id="right", markup=False)

    def show(self, left: str, right: str) -> None:
        """Show two programs from their beginning."""
        if (left, right) != self._texts:
            self._texts = (left, right)
            self._draw()
            self.scroll_home(animate=False)

    def on_resize(self, event: events.Resize) -> None:
        """Lines are folded to the width."""
        if self.query_one("#left").size.width != self._drawn_width:
            self.call_after_refresh(self._draw)

    def on_mount(self) -> None:
        """Lines can only be folded once the width is known."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def _draw(self) -> None:
        left, right = self.query_one("#left", Static), self.query_one("#right", Static)
        self._drawn_width = left.size.width
        widths = [max(20, side.content_size.width) - _GUTTER for side in (left, right)]
        columns = columns_of(*self._texts, widths=(widths[0], widths[1]), ansi=self.app.current_theme.ansi)
        for side, lines in zip((left, right), columns, strict=True):
            side.update(Content("\n").join(lines))


def columns_of(left: str, right: str, *, widths: tuple[int, int], ansi: bool) -> tuple[list[Content], list[Content]]:
    """The lines of both columns, equally many: highlighted, folded to `widths`, a bar before each that differs."""
    texts = tuple(printable(text).expandtabs(4).strip("\n") for text in (left, right))
    code = tuple(_highlighted(text, ansi).split("\n", allow_blank=True) if text else [] for text in texts)
    columns: tuple[list[Content], list[Content]] = ([], [])
    # The terminal's own colours cannot be thinned to a tint; there the bar alone marks the line.
    tint = "" if ansi else _DIFFERING
    for pair in paired_lines(*([line.plain for line in lines] for lines in code)):
        folded = [_folded(lines, at, width) for lines, at, width in zip(code, pair[:2], widths, strict=True)]
        height = max(map(len, folded))
        # Beside a program that is not there yet, nothing differs.
        differs = not pair.same and all(code)
        for column, lines, width in zip(columns, folded, widths, strict=True):
            column += [_with_gutter(line, differs, width, tint) for line in lines] + [Content(" ")] * (
                height - len(lines)
            )
    return columns


def _folded(lines: list[Content], at: int | None, width: int) -> list[Content]:
    if at is None:
        return []
    line = lines[at]
    return line.divide(_breaks(line.plain, width)) or [line]


def _breaks(text: str, width: int) -> list[int]:
    """Where to break a line that is too wide: after the last blank that fits, else in the middle of a word."""
    breaks, start = [], 0
    while cell_len(text[start:]) > width:
        end = start + 1
        while end < len(text) and cell_len(text[start : end + 1]) <= width:
            end += 1
        blank = text.rfind(" ", start, end)
        indent = start + len(text[start:]) - len(text[start:].lstrip())
        start = blank + 1 if blank > indent else end
        breaks.append(start)
    return breaks


def _with_gutter(line: Content, differs: bool, width: int, tint: str) -> Content:
    if not differs:
        return Content.assemble("  ", line)
    return Content.assemble(("▌ ", "$warning"), line.pad_right(max(0, width - line.cell_length)).stylize_before(tint))


def _highlighted(code: str, ansi: bool) -> Content:
    # Pygments is imported when there is something to highlight.
    from textual.highlight import ANSIDarkHighlightTheme, highlight

    from qrtui.tui.widgets.code_colours import CodeColours

    return highlight(code, language="python", theme=ANSIDarkHighlightTheme if ansi else CodeColours)
