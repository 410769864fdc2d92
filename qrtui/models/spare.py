"""Memory that may be taken for speed alone."""

from __future__ import annotations


class Spare:
    """So many bytes that what only makes generating faster may take, of whatever kind: first come, first served.

    >>> spare = Spare(100)
    >>> spare.take(60), spare.take(60), spare.take(40)
    (True, False, True)
    """

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Whether `size` bytes are left, which are then taken."""
        if size > self._left:
            return False
        self._left -= size
        return True
