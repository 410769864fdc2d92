"""Several changes drawn at once, though they come one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from textual.screen import Screen


def hold_drawing(screen: Screen[Any], seconds: float) -> Callable[[], None]:
    """Lay nothing out and draw nothing until what is returned is called, and no longer than `seconds`."""
    held = ExitStack()
    # The end of a batch alone wakes nobody who would draw.
    held.callback(screen.check_idle)
    held.enter_context(screen.app.batch_update())
    held.callback(asyncio.get_running_loop().call_later(seconds, held.close).cancel)
    return held.close
