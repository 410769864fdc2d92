"""The keys that can be pressed now, at the bottom of a room."""

from __future__ import annotations

from textual.screen import Screen
from textual.widgets import Footer


class RoomFooter(Footer):
    """Textual makes every key of the footer anew whenever the focus moves; here, only where other keys are to be shown.

    That costs some 15 ms of the screen's time, at many of a person's keys.
    """

    def __init__(self) -> None:
        super().__init__(compact=True)
        self._offered: list[tuple[str, str, str, bool]] | None = None

    def bindings_changed(self, screen: Screen[object]) -> None:
        """The focus, or what can be done, has changed."""
        self._bindings_ready = True
        if screen.app.app_focus and self.is_attached and screen is self.screen:
            self.call_after_refresh(self._offer)

    async def _offer(self) -> None:
        active = [one for one in self.screen.active_bindings.values() if one.binding.show]
        offered = [(one.binding.key, one.binding.description, one.binding.action, one.enabled) for one in active]
        if offered != self._offered:
            self._offered = offered
            await self.recompose()
