"""The two sides of a turn: written a token in turn, shown while they grow, kept and judged when they end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from qrtui.control import Control
from qrtui.device_failures import is_out_of_memory
from qrtui.errors import ModelError
from qrtui.events import Event, SideJudged, Streamed, Written
from qrtui.fetching.child import StoppedError
from qrtui.judge.verdict import Verdict
from qrtui.judging import Judging, Place
from qrtui.perturb.dose import Dose
from qrtui.plan import Job, completion_of
from qrtui.playground.holding import Judge
from qrtui.playground.own_task import can_be_judged
from qrtui.playground.turn import Asked
from qrtui.results.store import Store

if TYPE_CHECKING:
    from qrtui.generate.pieces import Piece
    from qrtui.generate.sequence import Answer

_UPDATES_A_SECOND = 8


class _Stream(NamedTuple):
    """A side that is writing: its pieces, the bytes of its weights, and the noise they carry."""

    pieces: Iterator[Piece | Answer]
    memory: int
    dose: Dose | None


@dataclass
class _Side:
    """What one model has to write, and what it has written. `passes` counts its passes through the weights."""

    job: Job
    written: Written = field(default_factory=Written)
    parts: list[str] = field(default_factory=list)
    passes: int = 0

    def grow(self, text: str, seconds: float) -> None:
        """It took `seconds` to write some more."""
        self.parts.append(text)
        spent = self.written.seconds + seconds
        self.written = Written("".join(self.parts), self.passes, spent, self.written.first_token or spent)

    def end(self, answer: Answer, seconds: float) -> None:
        """It is complete."""
        spent = self.written.seconds + seconds
        first = self.written.first_token or spent
        self.written = Written(answer.text, answer.tokens, spent, first, answer.finish)


class Sides:
    """The original (0) and the quantized model (1) at one turn, from the prompt to the verdicts."""

    def __init__(
        self,
        number: int,
        asked: Asked,
        store: Store,
        judge: Judge,
        emit: Callable[[Event], None],
        control: Control,
    ) -> None:
        self._number, self._asked, self._store, self._judge = number, asked, store, judge
        self._emit, self._control = emit, control
        self._sides = [_Side(job) for job in asked.jobs]
        self._judging: Judging | None = None
        self._told = 0.0

    def show_known(self) -> list[int]:
        """Show the completions that the store has, with their verdicts; returns the sides that it lacks."""
        to_make = []
        for at, side in enumerate(self._sides):
            known = self._store.completion(side.job.determinants)
            if known is None:
                to_make.append(at)
                continue
            side.written = Written(known.text, known.tokens, known.seconds, None, known.finish, known=True)
            self._tell()
            self._judge_side(at, known.solution)
        return to_make

    def write(self, to_make: Sequence[int], load: Callable[[int], Any], *, together: bool) -> None:
        """Let these sides write: a token each in turn, or one after the other. Raises StoppedError.

        `load` gives a side's model. Each side begins as soon as its own is there, before the other is loaded.
        """
        for group in [list(to_make)] if together else [[at] for at in to_make]:
            with contextlib.ExitStack() as prepared:
                streams: dict[int, _Stream] = {}
                for at in group:
                    streams[at] = self._open(at, load(at), prepared)
                    self._advance(at, streams)
                while streams:
                    for at in list(streams):
                        self._advance(at, streams)

    def wait_for_verdicts(self) -> None:
        """Wait until each side that can be judged has its verdict. Raises StoppedError."""
        while self._judging is not None and self._judging.wait(0.1):
            self._obey()

    def _open(self, at: int, loaded: Any, prepared: contextlib.ExitStack) -> _Stream:
        """Make a model ready for this turn, until `prepared` is closed, and begin its stream."""
        from qrtui.models.device import free_memory, may_be_taken
        from qrtui.models.four_bit import four_bit_faster
        from qrtui.models.shared_inputs import inputs_shared
        from qrtui.models.spare import Spare
        from qrtui.perturb.weights import NoiseCarrier

        dose, noise = None, self._asked.turn.perturbation.noise
        if noise is not None:
            carrier = NoiseCarrier(loaded.model, loaded.original)
            prepared.callback(carrier.release)
            dose = prepared.enter_context(carrier.carrying(noise))
        prepared.enter_context(four_bit_faster(loaded.model, Spare(may_be_taken(free_memory())), pack=False))
        prepared.enter_context(inputs_shared(loaded.model))
        return _Stream(self._stream(at, loaded), loaded.footprint, dose)

    def _stream(self, at: int, loaded: Any) -> Iterator[Piece | Answer]:
        from qrtui.generate.decode import stream
        from qrtui.generate.produce import request_of

        side = self._sides[at]

        def on_token(active: int) -> None:
            self._obey()
            side.passes += active

        most = self._asked.turn.generation.max_new_tokens
        request = request_of(side.job, loaded, most)
        return stream(loaded.model, loaded.tokenizer, [request], max_new_tokens=most, on_token=on_token)

    def _advance(self, at: int, streams: dict[int, _Stream]) -> None:
        """Take a side's next piece; its stream leaves `streams` with the last."""
        from qrtui.generate.sequence import Answer

        started = time.perf_counter()
        piece = _next(streams[at].pieces)
        seconds = time.perf_counter() - started
        if isinstance(piece, Answer):
            stream = streams.pop(at)
            self._end(at, piece, seconds, stream.memory, stream.dose)
        else:
            self._sides[at].grow(piece.text, seconds)
            self._tell_sometimes()

    def _end(self, at: int, answer: Answer, seconds: float, memory: int, dose: Dose | None) -> None:
        """Keep a complete side, show it, and have it judged."""
        side = self._sides[at]
        completion = completion_of(side.job, answer, memory, dose)
        self._store.add_completion(completion)
        side.end(answer, seconds)
        self._tell()
        self._judge_side(at, completion.solution)

    def _judge_side(self, at: int, solution: str) -> None:
        task = self._sides[at].job.task
        if not can_be_judged(task):
            return
        known = self._store.verdict(solution, task.content_hash)
        if known is not None:
            self._emit(SideJudged(self._number, at == 0, known))
            return
        if self._judging is None:
            self._judging = Judging(self._judge.pool(), self._store, self._settle)
        self._judging.submit(task, solution, Place(at, task.task_id, 0))

    def _settle(self, place: Place, verdict: Verdict) -> None:
        self._emit(SideJudged(self._number, place.condition == 0, verdict))

    def _tell_sometimes(self) -> None:
        if time.monotonic() - self._told >= 1 / _UPDATES_A_SECOND:
            self._tell()
            if self._judging is not None:
                self._judging.collect()

    def _tell(self) -> None:
        self._told = time.monotonic()
        original, quantized = (side.written for side in self._sides)
        self._emit(Streamed(self._number, original, quantized))

    def _obey(self) -> None:
        if self._control.stopping:
            raise StoppedError


def _next(stream: Iterator[Piece | Answer]) -> Piece | Answer:
    """The stream's next piece, with running out of memory told in words."""
    try:
        return next(stream)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(
            "both models and this prompt do not fit into the device's memory together",
            "take a smaller model, or int8 and nf4 for the two sides",
        ) from None
