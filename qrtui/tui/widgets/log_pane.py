"""What the run said, and what the libraries wrote to the log file meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.widgets import RichLog

from qrtui.printable import printable
from qrtui.tui.widgets.themed_text import themed

_MOST_BYTES = 16_384


class LogPane(RichLog):
    """A log that follows its end."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, max_lines=1000, wrap=True, markup=False, highlight=False, min_width=20)

    def say(self, lines: Sequence[str]) -> None:
        """Add what the run itself said."""
        for line in lines:
            self.write(themed(self.app, printable(line), wrap=True))

    def quote(self, lines: Sequence[str]) -> None:
        """Add what libraries said."""
        for line in lines:
            self.write(themed(self.app, printable(line), "muted", wrap=True))


class LogTail:
    """The lines that were added to a file since it was last asked; repeated ones once, with their number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = self._size()

    def new_lines(self) -> list[str]:
        """What was added; only the end of a flood."""
        size = self._size()
        if size <= self._at:
            self._at = size
            return []
        start = max(self._at, size - _MOST_BYTES)
        self._at = size
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                text = file.read(size - start).decode(errors="replace")
        except OSError:
            return []
        return _folded(text.replace("\r", "\n").splitlines())

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


def _folded(lines: Sequence[str]) -> list[str]:
    counted: list[tuple[str, int]] = []
    for line in filter(str.strip, lines):
        if counted and counted[-1][0] == line:
            counted[-1] = (line, counted[-1][1] + 1)
        else:
            counted.append((line, 1))
    return [f"{line} (×{times})" if times > 1 else line for line, times in counted]
