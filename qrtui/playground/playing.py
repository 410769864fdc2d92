"""Plays turns: streams both sides at once on one thread, judges them, and keeps what they wrote in the store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from qrtui.control import Control
from qrtui.errors import AttackError, ChangedModelError, QrtuiError
from qrtui.events import Event, Fetching, ModelsHeld, Stage, TurnEnded, TurnStage, TurnStarted
from qrtui.fetching.child import StoppedError
from qrtui.fetching.progress import FetchProgress
from qrtui.models.catalog import local_path, resolve
from qrtui.models.device import resolve_device
from qrtui.models.fetch import fetch
from qrtui.models.soundness import code_warning
from qrtui.plan import Job
from qrtui.playground.holding import Judge, Models, Wanted
from qrtui.playground.own_task import can_be_judged, is_own
from qrtui.playground.sides import Sides
from qrtui.playground.turn import Asked, Turn, ask
from qrtui.preparing import prepare_attacks
from qrtui.results.store import Store


class Playground:
    """Plays one turn after the other, with models and judge kept between them. All methods are for one thread.

    `emit` gets the events. Stopping takes effect before the next token.
    """

    def __init__(self, database: Path, emit: Callable[[Event], None], *, allow_unsafe_judge: bool = False) -> None:
        self._database, self._emit = database, emit
        self._models = Models()
        self._judge = Judge(allow_unsafe=allow_unsafe_judge)

    def warm(self, turn: Turn, control: Control) -> None:
        """Load what a turn like this needs, as far as it is on this machine: its first token then comes sooner.

        What is wrong with the choice is for `play` to say.
        """
        with contextlib.suppress(QrtuiError):
            if local_path(resolve(turn.model.id)) is not None:
                wanted = self._make_room(turn)
                for one in wanted:
                    self._load(one, None, control)
                if can_be_judged(turn.task):
                    self._judge.start()

    def play(self, number: int, turn: Turn, control: Control, *, together: bool = True) -> TurnEnded:
        """Play a turn under a number of the caller's; returns its last event, which is emitted too.

        `together` streams both sides in turns of a token each; else the quantized model writes after the original. A
        completion that is in the store is shown instead of made again. Raises no QrtuiError: what can be mended ends
        the turn as failed.
        """
        try:
            with Store(self._database) as store:
                self._play(number, turn, control, store, together)
            ended = TurnEnded(number, "finished")
        except StoppedError:
            ended = TurnEnded(number, "stopped")
        except QrtuiError as error:
            if isinstance(error, ChangedModelError):
                self._models.release()
                self._tell_held()
            ended = TurnEnded(number, "failed", str(error))
        self._emit(ended)
        return ended

    def release(self, reason: str = "") -> None:
        """Give the models' memory back and end the judge."""
        self._judge.close()
        if self._models.names:
            self._models.release()
            self._emit(ModelsHeld((), 0, reason))

    def _play(self, number: int, turn: Turn, control: Control, store: Store, together: bool) -> None:
        self._fetch(number, turn, control)
        asked = self._ask(number, turn, control, store)
        judged = can_be_judged(turn.task)
        self._emit(TurnStarted(number, asked.prompt, judged))
        sides = Sides(number, asked, store, self._judge, self._emit, control)
        if to_make := sides.show_known():
            if judged:
                self._judge.start()
            wanted = self._make_room(turn)
            sides.write(to_make, lambda side: self._load(wanted[side], number, control, asked.jobs), together=together)
        sides.wait_for_verdicts()

    def _make_room(self, turn: Turn) -> tuple[Wanted, Wanted]:
        info, device = resolve(turn.model.id), resolve_device(turn.device)
        trusted = turn.model.trust_remote_code
        original, quantized = (Wanted(info, precision, device, trusted) for precision in turn.precisions)
        before = self._models.names
        self._models.make_room((original, quantized))
        if self._models.names != before:
            self._tell_held()
        return original, quantized

    def _load(self, wanted: Wanted, number: int | None, control: Control, asked: Sequence[Job] = ()) -> Any:
        def obey() -> None:
            if control.stopping:
                raise StoppedError

        obey()
        if not self._models.holds(wanted):
            warning = code_warning(wanted.info) if wanted.trust_remote_code else ""
            self._emit(TurnStage(number, f"loading {wanted.name}" + (f"; {warning}" if warning else "")))
            self._models.get(wanted, asked, obey)
            self._tell_held()
        if number is not None:
            self._emit(TurnStage(number, f"reading the prompt with {wanted.name}"))
        return self._models.get(wanted, asked, obey)

    def _tell_held(self) -> None:
        self._emit(ModelsHeld(self._models.names, self._models.memory))

    def _fetch(self, number: int, turn: Turn, control: Control) -> None:
        info = resolve(turn.model.id)

        def tell(progress: FetchProgress) -> None:
            self._emit(TurnStage(number, _fetching(info.name, progress.stage, progress.done, progress.total)))

        if local_path(info) is None:
            self._emit(TurnStage(number, f"fetching {info.name}"))
            fetch(info, tell, control.stop_event)

    def _ask(self, number: int, turn: Turn, control: Control, store: Store) -> Asked:
        """What the turn asks, once its attack has all it needs."""
        asked, attack = ask(turn, store), turn.perturbation.attack
        if asked is not None:
            return asked
        assert attack is not None

        def tell(event: Event) -> None:
            if isinstance(event, Stage):
                self._emit(TurnStage(number, event.text))
            elif isinstance(event, Fetching):
                self._emit(TurnStage(number, _fetching(event.model, event.stage, event.done, event.total)))

        task_id = "" if is_own(turn.task) else turn.task.task_id
        task = msgspec.structs.replace(turn.task, prompt=turn.prompt, task_id=task_id)
        prepare_attacks([attack], [task], store, turn.seed, tell, control.stop_event, turn.device)
        asked = ask(turn, store)
        if asked is None:
            raise AttackError("an attack's data vanished while they were being used", "start again")
        return asked


def _fetching(name: str, stage: str, done: int, total: int | None) -> str:
    if stage == "convert":
        return f"preparing {name}"
    of = f" of {total / 1e6:.0f}" if total else ""
    return f"fetching {name}: {done / 1e6:.0f}{of} MB"
