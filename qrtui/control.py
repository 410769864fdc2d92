"""The hand on a run: stop it, pause it, let it go on. Safe to use from any thread."""

from __future__ import annotations

import threading


class Control:
    """Told by whoever watches a run, asked by the run before every token."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._go = threading.Event()
        self._go.set()

    def stop(self) -> None:
        """End the run before its next token. What is committed stays, and the run can be resumed."""
        self._stop.set()
        self._go.set()

    def pause(self) -> None:
        """Hold the run before its next token."""
        self._go.clear()

    def resume(self) -> None:
        """Let a paused run go on."""
        self._go.set()

    @property
    def stopping(self) -> bool:
        """Whether the run was told to end."""
        return self._stop.is_set()

    @property
    def stop_event(self) -> threading.Event:
        """Set once the run is told to end; for code that waits on something else."""
        return self._stop

    @property
    def paused(self) -> bool:
        """Whether the run is being held."""
        return not self._go.is_set()

    def wait_while_paused(self, seconds: float) -> None:
        """Return at once unless paused, else when the run may go on or `seconds` have passed."""
        self._go.wait(seconds)
