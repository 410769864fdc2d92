"""A run without the app: its events as lines of text, for pipes, logs and screen readers."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from qrtui.control import Control
from qrtui.counting import counted
from qrtui.events import (
    ConditionStarted,
    Decoding,
    Event,
    Fetching,
    Generated,
    Judged,
    ModelLoaded,
    Notice,
    RunEnded,
    RunStarted,
    Stage,
)
from qrtui.judge.verdict import level_in_words
from qrtui.pace import Pace
from qrtui.perturb.naming import perturbation_name
from qrtui.printable import printable, unfiltered
from qrtui.spec import Experiment

_SECONDS_BETWEEN_LINES = 2.0
_BAR_WIDTH = 30
_MB = 1e6
_STDERR = 2


def run_plainly(
    experiment: Experiment, database: Path, out: TextIO, control: Control, *, allow_unsafe_judge: bool = False
) -> RunEnded:
    """Run an experiment, telling about it on `out`; returns how it ended.

    It stops where `control` says so, and where `out` is lost: a pipe that nobody reads any more, a terminal whose line
    dropped.
    """
    from qrtui.run import run

    narrator = Narrator(out)

    def tell(event: Event) -> None:
        try:
            narrator(event)
            lost = is_lost(out)
        except OSError:
            lost = True
        if lost:
            silence(out)
            control.stop()

    return run(experiment, database, tell, control, allow_unsafe_judge=allow_unsafe_judge)


def is_lost(stream: TextIO) -> bool:
    """Whether nobody can read any more what is written there, which otherwise only the next line would tell."""
    try:
        descriptor = stream.fileno()
    except OSError:
        return False  # no file at all
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def silence(stream: TextIO) -> None:
    """Lead a stream that cannot be written any more to nowhere, and whatever else went to the same place."""
    null = os.open(os.devnull, os.O_WRONLY)
    lost = os.fstat(stream.fileno())
    for descriptor in (1, 2):
        if os.path.samestat(lost, os.fstat(descriptor)):
            os.dup2(null, descriptor)
    os.close(null)


class Narrator:
    """Writes a line for each event worth one; progress at most every two seconds."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._begin = self._last = self._generating = clock()
        self._names: dict[int, str] = {}
        self._passed = 0
        self._rate = self._left = ""
        self._pace = Pace(())

    def __call__(self, event: Event) -> None:
        """Tell of one event."""
        if isinstance(event, ConditionStarted) and not self._names:
            self._generating = self._clock()
        self._pace.fold(event, self._clock() - self._generating)
        match event:
            case Stage(text):
                self.say(text)
            case Fetching():
                self._fetching(event)
            case RunStarted():
                self._run_started(event)
            case ModelLoaded(model, precision, device, memory, seconds):
                self.say(
                    f"loaded {model} in {precision} on {device}: {memory / _MB:.0f} MB of weights, {seconds:.1f} s"
                )
            case ConditionStarted():
                name = f"{event.model} {event.precision} {perturbation_name(event.perturbation)}"
                self._names[event.condition] = name
                if event.dose is not None:
                    self.say(f"{name}: {event.dose.in_words}")
            case Decoding(tokens, seconds, _):
                self._rate = f", {tokens / seconds:.0f} tok/s" if seconds else ""
            case Generated():
                self._left = self._time_left(event)
            case Judged():
                self._judged(event)
            case Notice(text):
                self.say(f"note: {text}")
            case RunEnded():
                self._ended(event)

    def say(self, text: str) -> None:
        """One line, with the time since the start."""
        self._out.write(f"[{duration(self._clock() - self._begin):>7}] {printable(text)}\n")
        self._out.flush()

    def _may_speak(self, last: bool) -> bool:
        if last or self._clock() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = self._clock()
            return True
        return False

    def _time_left(self, event: Generated) -> str:
        left = self._pace.left(self._clock() - self._generating)
        return f", about {duration(left)} left" if left and event.done < event.to_generate else ""

    def _fetching(self, event: Fetching) -> None:
        if self._may_speak(event.done == event.total):
            total = f" of {event.total / _MB:.0f}" if event.total else ""
            amount = "" if event.stage == "convert" else f" {event.done / _MB:.0f}{total} MB"
            self.say(f"{event.model}: {event.stage}{amount}")

    def _run_started(self, event: RunStarted) -> None:
        self._pace = Pace(event.ahead)
        how = "resumed" if event.resumed else "started"
        self.say(
            f"run {event.run} ({event.name}) {how}: {counted(event.total, 'completion')}, {event.known:,} known,"
            f" {event.to_generate:,} to make; device {event.device}, judge {level_in_words(event.level)}"
        )
        if event.to_generate == 0:
            self.say("nothing to generate: every completion is known from an earlier run")

    def _judged(self, event: Judged) -> None:
        self._passed += event.verdict.base == "passed"
        first = event.judged == 1
        if self._may_speak(first or event.judged == event.total):
            name = self._names.get(event.condition, "")
            latest = f"{event.task} {name}".rstrip() + f": {event.verdict.base}"
            self.say(
                f"{event.judged} of {event.total} judged, {self._passed} passed;"
                f" latest {latest}{self._rate}{self._left}"
            )

    def _ended(self, event: RunEnded) -> None:
        # Of a failure the command says the reason on standard error.
        reason = f": {event.reason}" if event.reason and event.status not in ("failed", "interrupted") else ""
        self.say(f"{event.status}{reason}")


def duration(seconds: float) -> str:
    """A time as people read it.

    >>> duration(7), duration(75), duration(4000)
    ('7 s', '1:15 min', '1:06 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


@contextmanager
def progress_line(out: TextIO) -> Iterator[Callable[[str, float | None], None]]:
    """A function that shows a text and a share (0 to 1 or None): one line drawn over on a terminal, else few lines."""
    told, told_at = "", 0.0

    def show(text: str, share: float | None) -> None:
        nonlocal told, told_at
        if out.isatty():
            filled = round((share or 0) * _BAR_WIDTH)
            bar = "" if share is None else f" [{'█' * filled}{'·' * (_BAR_WIDTH - filled)}] {share:.0%}"
            unfiltered(out).write(f"\r\x1b[K{printable(text)}{bar}")
        elif text.split(" ")[:2] != told.split(" ")[:2] or time.monotonic() - told_at > _SECONDS_BETWEEN_LINES:
            told, told_at = text, time.monotonic()
            out.write(f"{printable(text)}\n")
        out.flush()

    try:
        yield show
    finally:
        if out.isatty():
            unfiltered(out).write("\r\x1b[K")
            out.flush()


@contextmanager
def stopping_on_signals() -> Iterator[Control]:
    """A `Control` that the first SIGINT, SIGTERM or SIGHUP stops; a second one ends the process at once.

    At a terminal the first is answered at once: loading a model takes seconds and cannot be broken off. A SIGHUP that
    is ignored, as `nohup` has it, goes on being ignored.
    """
    control = Control()

    # Not through a stream: the signal may have come in the middle of a write to it.
    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        if control.stopping:
            # Not by an exception: what it would have to unwind may take its time.
            os._exit(130)
        control.stop()
        with contextlib.suppress(OSError):
            if os.isatty(_STDERR):
                os.write(_STDERR, b"\nstopping; once more ends it at once\n")

    heeded = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        heeded.append(signal.SIGHUP)
    former = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield control
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
