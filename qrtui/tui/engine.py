"""The one thread that runs experiments and plays turns, and the mailbox through which it talks to the screen."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qrtui.events import Decoding, Event, Fetching, Streamed, TurnEnded, TurnStage

if TYPE_CHECKING:
    from qrtui.control import Control
    from qrtui.events import RunEnded
    from qrtui.playground.playing import Playground
    from qrtui.playground.turn import Turn
    from qrtui.spec import Experiment

RunFunction = Callable[..., "RunEnded"]
"""As `qrtui.run.run`: (experiment, database, emit, control, allow_unsafe_judge=...)."""

PlaygroundMaker = Callable[..., "Playground"]
"""As `qrtui.playground.playing.Playground`: (database, emit, allow_unsafe_judge=...)."""

_NICENESS = 5
_REPLACED_BY_THE_NEXT = (Decoding, Fetching, Streamed, TurnStage)


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
    """Runs experiments and plays turns on its own thread, one at a time; it keeps the loaded libraries and models.

    A run goes before a turn: it ends the one that is being played and takes its models' memory.
    """

    def __init__(
        self,
        database: Path,
        mailbox: Mailbox,
        run_function: RunFunction | None = None,
        *,
        allow_unsafe_judge: bool = False,
        make_playground: PlaygroundMaker | None = None,
    ) -> None:
        self._database = database
        self._mailbox = mailbox
        self._run_function = run_function
        self._allow_unsafe_judge = allow_unsafe_judge
        self._make_playground = make_playground
        self._playground: Playground | None = None
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._control: Control | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._turn_control: Control | None = None
        self._turns = itertools.count(1)
        self._count_lock = threading.Lock()
        self._open_jobs = 0

    @property
    def busy(self) -> bool:
        """Whether a run is under way; it is until the thread itself has said that it ended."""
        return not self._idle.is_set()

    @property
    def at_work(self) -> bool:
        """Whether the thread has anything to do: a run, a turn, or a model to load."""
        return self._open_jobs > 0

    def start(self, experiment: Experiment) -> None:
        """Begin a run. Raises RuntimeError while another is under way."""
        from qrtui.control import Control

        if self.busy:
            raise RuntimeError("a run is under way")
        self._idle.clear()
        self.stop_turn()
        control = self._control = Control()
        self._put(lambda: self._run(experiment, control))

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

    @property
    def held(self) -> bool:
        """Whether the run waits, or will before its next token."""
        return self._control is not None and self._control.paused

    def wait(self, seconds: float) -> bool:
        """Wait for the run to end; returns whether it has."""
        return self._idle.wait(seconds)

    # The Playground

    def play(self, turn: Turn) -> int:
        """Play a turn in place of the one that may be under way; returns the number that its events carry.

        Raises RuntimeError while a run is under way.
        """
        return self._put_turn(lambda number, control: self._play(number, turn, control))

    def warm(self, turn: Turn) -> None:
        """Load what a turn like this will need, in place of what the Playground was doing; not beside a run."""
        if not self.busy:
            self._put_turn(lambda number, control: self._warm(turn, control))

    def stop_turn(self) -> None:
        """Ask the turn, or the loading for one, to end."""
        if self._turn_control is not None:
            self._turn_control.stop()

    def close(self, seconds: float) -> bool:
        """Give back what the Playground holds, within so many seconds; returns whether the thread is done."""
        self.stop_turn()
        if self._thread is None:
            return True
        closed = threading.Event()

        def release() -> None:
            if self._playground is not None:
                self._playground.release()
            closed.set()

        self._put(release)
        return closed.wait(seconds)

    def _put_turn(self, job: Callable[[int, Control], None]) -> int:
        from qrtui.control import Control

        if self.busy:
            raise RuntimeError("a run is under way")
        self.stop_turn()
        control, number = Control(), next(self._turns)
        self._turn_control = control
        self._put(lambda: job(number, control))
        return number

    def _play(self, number: int, turn: Turn, control: Control) -> None:
        try:
            self._the_playground().play(number, turn, control)
        except BaseException as error:
            logging.getLogger("qrtui.engine").exception("the turn failed")
            self._mailbox.put(TurnEnded(number, "failed", _in_a_line(error)))

    def _warm(self, turn: Turn, control: Control) -> None:
        if control.stopping:
            return
        try:
            self._the_playground().warm(turn, control)
        except BaseException:
            # Playing a turn will meet the same error, and tell it.
            logging.getLogger("qrtui.engine").exception("loading for the Playground failed")

    def _the_playground(self) -> Playground:
        if self._playground is None:
            if self._make_playground is None:
                from qrtui.playground.playing import Playground

                self._make_playground = Playground
            self._playground = self._make_playground(
                self._database, self._mailbox.put, allow_unsafe_judge=self._allow_unsafe_judge
            )
        return self._playground

    # The thread

    def _put(self, job: Callable[[], None]) -> None:
        with self._count_lock:
            self._open_jobs += 1
        self._jobs.put(job)
        if self._thread is None:
            # A daemon, so that a library that hangs cannot keep a closed app in the process table.
            self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            with self._count_lock:
                self._open_jobs -= 1

    def _run(self, experiment: Experiment, control: Control) -> None:
        """Run one experiment; how it ended is told after everything else."""
        ending = self._ending(experiment, control)
        self._idle.set()
        self._mailbox.put(ending)

    def _ending(self, experiment: Experiment, control: Control) -> Event:
        from qrtui.events import RunEnded, RunStarted

        def emit(event: Event) -> None:
            if isinstance(event, RunStarted):
                _let_the_screen_go_first()
            if not isinstance(event, RunEnded):
                self._mailbox.put(event)

        try:
            if self._playground is not None:
                self._playground.release("a run began and has the memory")
            if self._run_function is None:
                from qrtui.run import run

                self._run_function = run
            return self._run_function(
                experiment, self._database, emit, control, allow_unsafe_judge=self._allow_unsafe_judge
            )
        except BaseException as error:
            logging.getLogger("qrtui.engine").exception("the run failed")
            return EngineFailed(_in_a_line(error))


def _let_the_screen_go_first() -> None:
    """Lower this thread's priority, and so that of the threads which torch will start from it.

    Otherwise a key waits for its turn behind the arithmetic on a small machine. The judge's processes are there by now
    and keep theirs. Linux has a priority for each thread; elsewhere it would be the whole program's.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _in_a_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
