"""Screens that close at most once, and not before they are there, however fast somebody types."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from textual import work
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette
from textual.css.query import NoMatches


class ClosesOnce:
    """For a screen over another, before the screen's class in the list of bases.

    Textual's `dismiss` closes whatever is on top, also a second time for the same screen, and drops a screen that is
    being mounted, whose first events then find nothing in it. Keys that come in a burst do both.
    """

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Close with `result` if this screen is on top; once it is mounted, if it is not yet."""
        if not self.is_mounted:  # type: ignore[attr-defined]
            # Not `dismiss` itself: what it returns may not be awaited by the screen.
            self.call_later(self._dismiss_later, result)  # type: ignore[attr-defined]
        elif self.is_current:  # type: ignore[attr-defined]
            return self._close_with(result)
        return AwaitComplete.nothing()

    def _dismiss_later(self, result: Any) -> None:
        self.dismiss(result)

    def _close_with(self, result: Any) -> AwaitComplete:
        closed: AwaitComplete
        try:
            closed = super().dismiss(result)  # type: ignore[misc]
        except asyncio.InvalidStateError:
            # Who asked was cancelled by a later action and waits no longer.
            closed = self.app.pop_screen()  # type: ignore[attr-defined]
        return closed


class Palette(ClosesOnce, CommandPalette):
    """Textual's palette of commands, which is closed once, and whose search ends when it does."""

    def _action_command_list(self, action: str) -> None:
        with contextlib.suppress(NoMatches):
            super()._action_command_list(action)

    @work(exclusive=True, group=CommandPalette._GATHER_COMMANDS_GROUP)
    async def _gather_commands(self, search_value: str) -> None:
        with contextlib.suppress(NoMatches):
            await _GATHER(self, search_value)


# The search itself, without the worker around it, in which an error ends the app.
_GATHER = CommandPalette._gather_commands.__wrapped__  # type: ignore[attr-defined]
