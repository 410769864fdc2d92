"""Two programs side by side, scrolled together, their differing lines and words marked."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Size

from qrtui.tui.widgets.code_pane import CodePane
from qrtui.tui.widgets.diff import ProgramLine, side_by_side, tint
from qrtui.tui.widgets.folding import folded
from qrtui.tui.widgets.steady import SteadyHorizontal

_GUTTER, _SCROLLBAR = 2, 1
_NARROWEST = 20


class SideBySide(SteadyHorizontal):
    """The original's program left, the quantized model's right; lines that belong together stand on one level."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._texts = ("", "")
        self._drawn_room: int | None = None
        self.folds = True
        self.left = CodePane(id="left")
        self.right = CodePane(id="right")
        self.left.tie(self.right)
        self.right.tie(self.left)

    def compose(self) -> ComposeResult:
        """Both sides."""
        yield self.left
        yield self.right

    def show(self, left: str, right: str) -> None:
        """Show two programs from their beginning."""
        if (left, right) != self._texts:
            self._texts = (left, right)
            self._draw()
            self.left.scroll_to(0, 0, animate=False, force=True, immediate=True)

    def fold(self, folds: bool) -> None:
        """Fold lines that are too long, or let them be scrolled to."""
        if folds != self.folds:
            self.folds = folds
            self._draw()

    def scroll_half(self, step: int) -> None:
        """Scroll both by half their height."""
        self.left.scroll_half(step)

    def on_mount(self) -> None:
        """Colours come from the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        """Lines are folded to the width."""
        if self._room != self._drawn_room:
            self.call_after_refresh(self._draw)

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:
        changed = super()._size_updated(size, virtual_size, container_size, layout)
        # Both sides have their sizes by now. At `on_resize` lines folded to the old ones would have been drawn.
        if self._room != self._drawn_room:
            self._draw()
        return changed

    @property
    def _room(self) -> int:
        return max(_NARROWEST, min(self.left.size.width, self.right.size.width) - _GUTTER - _SCROLLBAR)

    def _draw(self) -> None:
        self._drawn_room = self._room
        sides = (self.left, self.right)
        *columns, width = _columns(*self._texts, self._room if self.folds else None, self.app.current_theme.ansi)
        for side, lines in zip(sides, columns, strict=True):
            side.styles.overflow_x = "hidden" if self.folds else "auto"
            side.show_lines(lines, width)


@functools.lru_cache(maxsize=16)
def _columns(left: str, right: str, width: int | None, ansi: bool) -> tuple[list[Content], list[Content], int]:
    columns = columns_of(side_by_side(left, right, ansi), width, ansi=ansi)
    # Both as wide as the wider, or one could be scrolled further than the other.
    return *columns, max((line.cell_length for column in columns for line in column), default=0)


def columns_of(levels: Sequence[ProgramLine], width: int | None, *, ansi: bool) -> tuple[list[Content], list[Content]]:
    """The lines of both columns, equally many: folded to `width` if given, a bar before each that differs."""
    columns: tuple[list[Content], list[Content]] = ([], [])
    ground = tint(ansi)
    for left, right, same in levels:
        pieces = [[] if line is None else [line] if width is None else folded(line, width) for line in (left, right)]
        height = max(map(len, pieces))
        for column, lines in zip(columns, pieces, strict=True):
            column += [_with_gutter(line, not same, width, ground) for line in lines]
            column += [Content("")] * (height - len(lines))
    return columns


def _with_gutter(line: Content, differs: bool, width: int | None, ground: str) -> Content:
    if not differs:
        return Content.assemble("  ", line)
    filled = line if width is None else line.pad_right(max(0, width - line.cell_length))
    return Content.assemble(("▌ ", "$warning"), filled.stylize_before(ground) if ground else filled)
