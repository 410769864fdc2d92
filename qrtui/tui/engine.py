"""The one thread that runs experiments, and the mailbox through which it talks to the screen."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qrtui.events import Decoding, Event, Fetching

if TYPE_CHECKING:
    from qrtui.control import Control
    from qrtui.events import RunEnded
    from qrtui.spec import Experiment

RunFunction = Callable[..., "RunEnded"]
"""As `qrtui.run.run`: (experiment, database, emit, control, allow_unsafe_judge=...)."""

_REPLACED_BY_THE_NEXT = (Decoding, Fetching)


@dataclass(frozen=True, slots=True)
class EngineFailed(Event):
    """The run ended by an error that nobody foresaw; the log holds the whole of it."""

    reason: str


class Mailbox:
    """Events on their way from the engine's thread to the screen's.

    `wake` is called on the putting thread when the first event lies in an empty box, and not again before a `take`
    that found nothing: so the reader sets the pace. Of events that replace each other only the last is kept.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._pending: list[Event] = []
        self._asleep = True

    def put(self, event: Event) -> None:
        """Leave an event; called on any thread."""
        with self._lock:
            last = self._pending[-1] if self._pending else None
            if isinstance(event, _REPLACED_BY_THE_NEXT) and type(last) is type(event):
                self._pending[-1] = event
            else:
                self._pending.append(event)
            wake, self._asleep = self._asleep, False
        if wake:
            self._wake()

    def take(self) -> list[Event]:
        """All that lies there, in order; empty means that the next `put` will call `wake`."""
        with self._lock:
            taken, self._pending = self._pending, []
            self._asleep = not taken
            return taken


class Engine:
    """Runs one experiment after the other on its own thread, which keeps the loaded libraries and models."""

    def __init__(
        self,
        database: Path,
        mailbox: Mailbox,
        run_function: RunFunction | None = None,
        *,
        allow_unsafe_judge: bool = False,
    ) -> None:
        self._database = database
        self._mailbox = mailbox
        self._run_function = run_function
        self._allow_unsafe_judge = allow_unsafe_judge
        self._jobs: queue.SimpleQueue[tuple[Experiment, Control]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._control: Control | None = None
        self._idle = threading.Event()
        self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether a run is under way; it is until the thread itself has said that it ended."""
        return not self._idle.is_set()

    def start(self, experiment: Experiment) -> None:
        """Begin a run. Raises RuntimeError while another is under way."""
        from qrtui.control import Control

        if self.busy:
            raise RuntimeError("a run is under way")
        self._idle.clear()
        self._control = Control()
        self._jobs.put((experiment, self._control))
        if self._thread is None:
            # A daemon, so that a library that hangs cannot keep a closed app in the process table.
            self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ask the run to end; it says itself when it has."""
        if self._control is not None:
            self._control.stop()

    def pause(self) -> None:
        """Let the run wait."""
        if self._control is not None:
            self._control.pause()

    def resume(self) -> None:
        """Let a waiting run go on."""
        if self._control is not None:
            self._control.resume()

    def wait(self, seconds: float) -> bool:
        """Wait for the run to end; returns whether it has."""
        return self._idle.wait(seconds)

    def _work(self) -> None:
        while True:
            ending = self._run(*self._jobs.get())
            self._idle.set()
            self._mailbox.put(ending)

    def _run(self, experiment: Experiment, control: Control) -> Event:
        """Run one experiment; returns how it ended, to be told after everything else."""
        from qrtui.events import RunEnded

        def emit(event: Event) -> None:
            if not isinstance(event, RunEnded):
                self._mailbox.put(event)

        try:
            if self._run_function is None:
                from qrtui.run import run

                self._run_function = run
            return self._run_function(
                experiment, self._database, emit, control, allow_unsafe_judge=self._allow_unsafe_judge
            )
        except BaseException as error:
            logging.getLogger("qrtui.engine").exception("the run failed")
            return EngineFailed(" ".join(f"{type(error).__name__}: {error}".split()))
