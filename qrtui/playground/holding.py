"""What the Playground keeps between turns, so that the second one starts at once: the loaded models and the judge."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from qrtui.errors import ModelError
from qrtui.generate.prompt import Asked
from qrtui.generate.prompt_trial.trial import Trial
from qrtui.judge.pool import JudgePool
from qrtui.models.catalog import memory_needed
from qrtui.models.device import device_type, main_memory
from qrtui.models.model_info import ModelInfo
from qrtui.models.precisions import PRECISIONS


class Wanted(NamedTuple):
    """A model in one precision on a device."""

    info: ModelInfo
    precision: str
    device: str
    trust_remote_code: bool

    @property
    def trial(self) -> tuple[ModelInfo, bool]:
        """What its prompts are tried on: the model's files, the same in any precision."""
        return self.info, self.trust_remote_code

    @property
    def name(self) -> str:
        """As a person reads it: `smollm2-135m in int8`."""
        return f"{self.info.name} in {self.precision}"


class Models:
    """The loaded models; those that are not wanted any more go before others are loaded."""

    def __init__(self) -> None:
        self._loaded: dict[Wanted, Any] = {}
        self._trials: dict[tuple[ModelInfo, bool], Trial] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What is held."""
        return tuple(wanted.name for wanted in self._loaded)

    @property
    def memory(self) -> int:
        """Bytes of all weights that are held."""
        return sum(loaded.footprint for loaded in self._loaded.values())

    def make_room(self, wanted: Sequence[Wanted]) -> None:
        """Unload what is not wanted. Raises ModelError where what is to be loaded is more than the machine has."""
        for former in [one for one in self._loaded if one not in wanted]:
            self._unload(former)
        for model in [one for one in self._trials if one not in {new.trial for new in wanted}]:
            self._trials.pop(model).close()
        _refuse_too_much([one for one in wanted if one not in self._loaded])

    def holds(self, wanted: Wanted) -> bool:
        """Whether the model is loaded."""
        return wanted in self._loaded

    def get(self, wanted: Wanted, asked: Sequence[Asked], waiting: Callable[[], None]) -> Any:
        """The `LoadedModel`, loaded first where it is not here yet, once these prompts have been tried on its files.

        `waiting` is called while that goes on and may raise. Raises ModelError for what cannot be loaded or used.
        """
        trial = self._trials.setdefault(wanted.trial, Trial(wanted.info, trusted=wanted.trust_remote_code))
        trial.begin(asked)
        if wanted not in self._loaded:
            from qrtui.models.load import load

            trial.of((), waiting)
            precision = PRECISIONS[wanted.precision]
            self._loaded[wanted] = load(
                wanted.info, precision, wanted.device, trust_remote_code=wanted.trust_remote_code
            )
        trial.of(asked, waiting)
        return self._loaded[wanted]

    def release(self) -> None:
        """Give all memory back."""
        for one in list(self._loaded):
            self._unload(one)
        for trial in self._trials.values():
            trial.close()
        self._trials.clear()

    def _unload(self, one: Wanted) -> None:
        from qrtui.models.load import unload

        unload(self._loaded.pop(one))


def _refuse_too_much(missing: Sequence[Wanted]) -> None:
    on_cpu = [one for one in missing if device_type(one.device) == "cpu"]
    needs = [memory_needed(one.info, PRECISIONS[one.precision], "cpu") or 0 for one in on_cpu]
    if sum(needs) > main_memory():
        names = " and ".join(one.name for one in on_cpu)
        raise ModelError(
            f"{names} take {sum(needs) / 1e9:.0f} GB together and this machine has {main_memory() / 1e9:.0f}",
            "take a smaller model, or bf16 for the original",
        )


class Judge:
    """The judge's processes, started beside other work when they are first asked for."""

    def __init__(self, *, allow_unsafe: bool) -> None:
        self._allow_unsafe = allow_unsafe
        self._pool: Future[JudgePool] | None = None

    def start(self) -> None:
        """Begin starting them; does not wait."""
        if self._pool is None or (self._pool.done() and self._pool.exception()):
            self._pool = Future()
            threading.Thread(target=self._open, args=[self._pool], name="judge starter", daemon=True).start()

    def pool(self) -> JudgePool:
        """The running judge. Raises JudgeError where generated code cannot be isolated."""
        self.start()
        assert self._pool is not None
        return self._pool.result()

    def close(self) -> None:
        """End its processes."""
        pool, self._pool = self._pool, None
        if pool is not None and not pool.exception():
            pool.result().close()

    def _open(self, pool: Future[JudgePool]) -> None:
        try:
            pool.set_result(JudgePool(allow_unsafe=self._allow_unsafe))
        except BaseException as error:  # noqa: BLE001 - whoever waits for the judge gets it
            pool.set_exception(error)
