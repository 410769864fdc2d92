"""Whether the terminal is still there.

A dropped line sends SIGHUP to the leader of the terminal's session alone: a shell hands it on, `make` and other
programs that start the app do not. The terminal itself says so to everyone who asks.
"""

from __future__ import annotations

import select
import sys


def terminal_is_gone() -> bool:
    """Whether the other end of the terminal on standard input has hung up; False where there is no such terminal."""
    try:
        poll = select.poll()
        poll.register(sys.__stdin__.fileno(), select.POLLHUP)  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return False
    return any(happened & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, happened in poll.poll(0))
