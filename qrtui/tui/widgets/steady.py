"""Widgets that do not have the whole screen laid out and drawn again where nothing of that would change.

Textual lays a screen out a second time after any widget in it has got another size, and draws the scrollbars of a
`ScrollView` anew at every layout; in a room as full as Compare each costs a key some 5 ms. Here both happen where a
scrollbar comes or goes, or another part of the content is in sight.
"""

from __future__ import annotations

from rich.style import Style
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static


class SteadyStatic(Static):
    """A text whose size is its container's affair."""

    virtual_size = Reactive(Size(0, 0))


class SteadyVertical(Vertical):
    """A column."""

    virtual_size = Reactive(Size(0, 0))

    def render_lines(self, crop: Region) -> list[Strip]:
        """Nothing but ground, except for a border."""
        return super().render_lines(crop) if any(self.styles.gutter) else ground(self, crop)


class SteadyHorizontal(Horizontal):
    """A row."""

    virtual_size = Reactive(Size(0, 0))

    def render_lines(self, crop: Region) -> list[Strip]:
        """Nothing but ground, except for a border."""
        return super().render_lines(crop) if any(self.styles.gutter) else ground(self, crop)


class SteadyVerticalScroll(VerticalScroll):
    """A column that scrolls. A scrollbar that comes or goes has the screen laid out as ever."""

    virtual_size = Reactive(Size(0, 0))


class SteadyScrollView(ScrollView):
    """Lines drawn on demand; `set_extent` says how far they reach."""

    virtual_size = Reactive(Size(0, 0))
    _fitted: tuple[object, ...] = ()
    _line_style: Style | None = None

    @property
    def line_style(self) -> Style:
        """`rich_style`, which Textual works out from all ancestors each time: here once until styles change."""
        if self._line_style is None:
            self._line_style = self.rich_style
        return self._line_style

    def notify_style_update(self) -> None:
        """Colours may have changed."""
        super().notify_style_update()
        self._line_style = None

    def set_extent(self, width: int, height: int) -> None:
        """Make the content this wide and high, and the scrollbars fit it."""
        if self.virtual_size != (width, height):
            self.virtual_size = Size(width, height)
            if self.container_size:
                self._scroll_update(self.virtual_size)

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:
        # The virtual size that is handed in is that of what is in sight, so that Textual sees it change each time.
        fitted = (size, container_size, self.styles.overflow_x, self.styles.overflow_y)
        if fitted == self._fitted:
            return False
        self._fitted = fitted
        return super()._size_updated(size, virtual_size, container_size, layout)


def ground(widget: Widget, crop: Region) -> list[Strip]:
    """The lines of a widget without a border that shows nothing itself: all the same one, made once."""
    _, colour = widget.background_colors
    strip = Strip.blank(crop.width, Style.from_color(bgcolor=colour.rich_color))
    for line_filter in widget.get_line_filters():
        strip = strip.apply_filter(line_filter, colour)
    return [strip] * crop.height


def set_class_for(widget: Widget, on: bool, name: str, *affected: Widget) -> None:
    """Give or take a class by which only `affected` look different. Textual would style all in the widget anew."""
    if widget.has_class(name) != on:
        widget.set_class(on, name, update=False)
        widget.app.stylesheet.update_nodes(affected, animate=True)
