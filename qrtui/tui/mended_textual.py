"""What Textual 8.2 does wrong when keys come faster than it draws, or the terminal is lost, mended at its classes.

Seen with `benchmarks/fuzz_keys.py` and with terminals that went away under a run: each of these ended the app by an
error, or kept it from ending. One costs a key some milliseconds. They may go when Textual does them itself.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual import events
    from textual.app import App
    from textual.geometry import Size

    _App = App[None]
else:
    _App = object


class LeavesQuietly(_App):
    """For the app: what fails in a screen that is being taken down is a line in the log and not the app's end."""

    def _handle_exception(self, error: Exception) -> None:
        if self._exit:
            logging.getLogger("qrtui").warning("while leaving: %s: %s", type(error).__name__, error)
        else:
            super()._handle_exception(error)


@functools.cache
def mend_option_lists() -> None:
    """Pages in a list that has no place yet, and clicks on options that are gone, do nothing."""
    from textual.widgets import OptionList

    move_page, click = OptionList._move_page, OptionList._on_click

    def moved(self: OptionList, direction: Any) -> None:
        if (self.highlighted or 0) in self._index_to_line:
            move_page(self, direction)

    async def clicked(self: OptionList, event: events.Click) -> None:
        option = event.style.meta.get("option")
        if option is None or option < self.option_count:
            await click(self, event)

    OptionList._move_page, OptionList._on_click = moved, clicked  # type: ignore[method-assign]


@functools.cache
def mend_scrollbars() -> None:
    """A scrollbar that has got another size has nothing laid out: it is where it is already."""
    from textual.scrollbar import ScrollBar

    size_updated = ScrollBar._size_updated

    def updated(self: ScrollBar, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:
        return size_updated(self, size, virtual_size, container_size, layout=False)

    ScrollBar._size_updated = updated  # type: ignore[method-assign]


@functools.cache
def mend_writer() -> None:
    """The thread that writes to the terminal outlives it.

    Textual's own ends with the first write that fails. Then nobody empties its queue, and whoever writes, or waits for
    its end, waits for ever: the process would stay, with its models, after the line is dropped.
    """
    from textual.drivers._writer_thread import WriterThread

    def run(self: WriterThread) -> None:
        is_lost = False
        while (text := self._queue.get()) is not None:
            try:
                if not is_lost:
                    self._file.write(text)
                    if self._queue.qsize() == 0:
                        self._file.flush()
            except (OSError, ValueError):
                is_lost = True
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    WriterThread.run = run  # type: ignore[method-assign]
