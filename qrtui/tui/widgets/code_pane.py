"""A pane of highlighted lines. Panes that are tied together always scroll together. Only lines in sight are drawn."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.content import Content
from textual.selection import Selection
from textual.strip import Strip

from qrtui.tui.widgets.steady import SteadyScrollView


class CodePane(SteadyScrollView, can_focus=True):
    """Lines as they are given, none of them folded."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._lines: list[Content] = []
        self._strips: dict[int, Strip] = {}
        self._tied: tuple[CodePane, ...] = ()
        self._following = False

    @property
    def text(self) -> str:
        """What the pane shows, as plain text."""
        return "\n".join(line.plain for line in self._lines)

    def tie(self, *others: CodePane) -> None:
        """Scroll these panes wherever this one goes."""
        self._tied = others

    def show_lines(self, lines: Sequence[Content], width: int) -> None:
        """Show other lines, `width` columns wide at most."""
        self._lines = list(lines)
        self._strips.clear()
        self.set_extent(width, len(self._lines))
        self.refresh()

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        """Take the tied panes along."""
        super().watch_scroll_x(old_value, new_value)
        self._lead(x=new_value)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Take the tied panes along."""
        super().watch_scroll_y(old_value, new_value)
        self._lead(y=new_value)

    def _lead(self, x: float | None = None, y: float | None = None) -> None:
        if self._following:
            return
        for pane in self._tied:
            pane._following = True
            pane.scroll_to(x, y, animate=False, force=True, immediate=True)
            pane._following = False

    def scroll_half(self, step: int) -> None:
        """Scroll by half the pane's height."""
        self.scroll_relative(y=step * max(1, self.size.height // 2), animate=False)

    def notify_style_update(self) -> None:
        """Colours changed."""
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """One line, as far as it is in sight."""
        width = self.scrollable_content_region.width
        x, at = round(self.scroll_x), y + round(self.scroll_y)
        if at >= len(self._lines):
            return Strip.blank(width, self.line_style)
        strip = self._strip(at).crop_extend(x, x + width, self.line_style)
        return strip.apply_offsets(x, at)

    def _strip(self, at: int) -> Strip:
        selection = self.text_selection
        if selection is None and at in self._strips:
            return self._strips[at]
        line = self._lines[at]
        if selection is not None and (span := selection.get_span(at)):
            start, end = span
            line = line.stylize("reverse", start, len(line) if end == -1 else end)
        # A line is never folded here: Textual's own way, which could, takes five times as long.
        parts = line.render(self.visual_style, end="", parse_style=self._get_style)
        strip = Strip([Segment(text, style.rich_style) for text, style in parts], line.cell_length)
        if selection is None:
            self._strips[at] = strip
        return strip

    @property
    def allow_select(self) -> bool:
        """Text can be selected with the mouse."""
        return True

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text under a selection."""
        return selection.extract(self.text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self._strips.clear()
        self.refresh()
