"""How the app ends: at once where nothing is under way, else when the engine has stopped."""

from __future__ import annotations

import asyncio
import signal

from textual import work

from qrtui.tui.lost_terminal import terminal_is_gone
from qrtui.tui.running import Running
from qrtui.tui.screens.dialogs import Question

_PATIENCE = 15.0
_LOOKS_FOR_THE_TERMINAL = 1.0


class Leaving(Running):
    """For the app: a person quits, the system asks for the end, or the terminal goes away."""

    def leave_when_asked(self) -> None:
        """Heed the system's signals, and look after the terminal."""
        if not self.is_headless:
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.leave)
            self.set_interval(_LOOKS_FOR_THE_TERMINAL, self._leave_lost_terminal)

    @work
    async def action_quit(self) -> None:  # type: ignore[override]
        """Leave; ask first if a run is under way."""
        if not self.engine.busy or self.quitting:
            self.exit()
            return
        if isinstance(self.screen, Question):
            return
        question = Question(
            "A run is under way",
            "Nothing is lost either way: what was judged is in the database, and the run can be resumed.",
            stop="Stop and quit",
            keep="Keep running",
        )
        if await self.push_screen_wait(question) == "stop":
            self.quitting = True
            self.stop_run()
            self.notify("Stopping …")
            await self._leave_when_stopped()

    def leave(self) -> None:
        """Stop what is under way and end, without a question: the system asked, and may not wait for an answer."""
        self.quitting = True
        self.stop_run()
        self.run_worker(self._leave_when_stopped())

    def _leave_lost_terminal(self) -> None:
        if terminal_is_gone() and not self.quitting:
            self.leave()

    async def _leave_when_stopped(self) -> None:
        await asyncio.to_thread(self.engine.wait, _PATIENCE)
        self.exit()
