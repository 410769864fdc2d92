"""The judge's side of a run: solutions handed out while the model writes on, verdicts kept as they come in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import NamedTuple

from qrtui.judge.pool import JudgePool
from qrtui.judge.verdict import Verdict
from qrtui.results.store import Store
from qrtui.tasks.task import Task


class Place(NamedTuple):
    """Where a verdict belongs: a condition's id in the store, a task, a sample."""

    condition: int
    task: str
    sample: int


class Judging:
    """Gives every place of a run its verdict: from the store where it is known, else from the judge.

    All methods are for the runner's thread, which owns `store`; `settled(place, verdict)` is called on it, after the
    verdict is committed.
    """

    def __init__(self, pool: JudgePool, store: Store, settled: Callable[[Place, Verdict], None]) -> None:
        self._pool, self._store, self._settled = pool, store, settled
        self._waiting: dict[Future[Verdict], tuple[str, Task]] = {}
        self._places: dict[tuple[str, str], list[Place]] = defaultdict(list)

    def submit(self, task: Task, solution: str, place: Place) -> None:
        """Ask for the verdict of a solution at a place. The same solution of the same task is judged once."""
        known = self._store.verdict(solution, task.content_hash)
        if known is not None:
            self._settled(place, known)
            return
        places = self._places[(solution, task.content_hash)]
        places.append(place)
        if len(places) == 1:
            self._waiting[self._pool.submit(task, solution)] = (solution, task)

    def collect(self) -> None:
        """Keep the verdicts that have come in; does not wait."""
        for future in [future for future in self._waiting if future.done()]:
            solution, task = self._waiting.pop(future)
            verdict = future.result()
            self._store.add_verdict(solution, task.content_hash, verdict)
            for place in self._places.pop((solution, task.content_hash)):
                self._settled(place, verdict)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for a verdict and keep it; returns whether any is still to come."""
        if self._waiting:
            wait(self._waiting, timeout=seconds, return_when=FIRST_COMPLETED)
            self.collect()
        return bool(self._waiting)
