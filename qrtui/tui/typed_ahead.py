"""Keys and clicks that come before the screen they are for is there: they wait for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App, ScreenStackError

if TYPE_CHECKING:
    from textual.screen import Screen

    _App = App[None]
else:
    _App = object

# These end things, and end them at once.
_NEVER_WAIT = frozenset({"ctrl+c", "ctrl+q"})
_LOOK_AGAIN_SECONDS = 0.05


class TypedAhead(_App):
    """For the app, before `App` in its bases.

    Over a slow line keys arrive in bursts: one opens a dialog and the next ones are handed to it before it has any
    widgets, where Textual finds nothing or fails. Here input waits, in order, until the screen on top was drawn once.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._ahead: deque[events.InputEvent] = deque()
        self._awaited: Screen[Any] | None = None
        self._drawn: Screen[Any] | None = None
        self._looks_again = False

    async def on_event(self, event: events.Event) -> None:
        """Hand input on if the screen is there and nothing waits before it."""
        if isinstance(event, events.InputEvent) and not event.is_forwarded:
            if getattr(event, "key", None) in _NEVER_WAIT:
                self._ahead.clear()
            self._ahead.append(event)
            await self._hand_on()
        elif not isinstance(event, events.InputEvent) or self._top() is self._drawn:
            await super().on_event(event)
        # Else it comes back from a widget whose screen has been covered or closed since.

    async def _hand_on(self) -> None:
        """Hand on what waits, as long as the screen stays the same."""
        while self._ahead:
            screen = self._top()
            urgent = getattr(self._ahead[0], "key", None) in _NEVER_WAIT
            if screen is None or (screen is not self._drawn and not urgent):
                self._wait_for(screen)
                return
            await super().on_event(self._ahead.popleft())

    def _top(self) -> Screen[Any] | None:
        """The screen on top; None before the first room and after the last."""
        try:
            return self.screen
        except ScreenStackError:
            return None

    def _wait_for(self, screen: Screen[Any] | None) -> None:
        """Hand on once `screen` was drawn. One that is closed before is never drawn, so look for another as well."""
        if screen is not None and screen is not self._awaited:
            self._awaited = screen
            screen.call_after_refresh(self._is_drawn, screen)
        if not self._looks_again and not self._exit:
            self._looks_again = True
            self.set_timer(_LOOK_AGAIN_SECONDS, self._look_again)

    def _is_drawn(self, screen: Screen[Any]) -> None:
        self._awaited, self._drawn = None, screen
        # In the app's own turn, as all input is.
        self.call_next(self._hand_on)

    async def _look_again(self) -> None:
        self._looks_again = False
        await self._hand_on()
