from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from qrtui.control import Control
from qrtui.errors import QrtuiError
from qrtui.events import ConditionStarted, Decoding, Event, Generated, Judged, RunEnded, RunStarted, Stage
from qrtui.judge.verdict import Verdict
from qrtui.results.store import Store
from qrtui.spec import Experiment

from . import filled

PATIENCE = 45.0


async def until(pilot, condition: Callable[[], object]) -> None:
    """Let the app work until `condition` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE} s in vain")
        await pilot.pause(0.02)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("qrtui.paths.log_file", lambda: tmp_path / "qrtui.log")
    monkeypatch.setattr("qrtui.tui.screens.run.log_file", lambda: tmp_path / "qrtui.log")
    return tmp_path / "qrtui.db"


class FakeRun:
    """Takes the place of `qrtui.run.run`: judges the fixed data, as far as `gate` lets it, and obeys the control."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.experiments: list[Experiment] = []
        self.error: Exception | None = None

    def let(self, results: int) -> None:
        self.gate.release(results)

    def __call__(
        self,
        experiment: Experiment,
        database: Path,
        emit: Callable[[Event], None],
        control: Control,
        *,
        allow_unsafe_judge: bool = False,
    ) -> RunEnded:
        self.experiments.append(experiment)
        if isinstance(self.error, QrtuiError):
            return RunEnded(None, "failed", str(self.error))
        if self.error:
            raise self.error
        run = filled.fill(database, judged=0, status=None)
        total = len(filled.TASKS) * 9
        done = 0
        with Store(database) as store:
            emit(RunStarted(run, experiment.name, total, 0, total, "cpu", "L2", False))
            for record in store.conditions(run):
                condition = filled.condition(record.precision, record.perturbation)
                emit(ConditionStarted(record.id, record.model, record.precision, record.perturbation, "demo", 20, None))
                emit(Stage(f"generating with {record.model} in {record.precision}"))
                for result in condition.results:
                    while not self.gate.acquire(timeout=0.01):
                        if control.stopping:
                            store.end_run(run, "stopped")
                            return RunEnded(run, "stopped")
                    filled.judge(store, condition, result)
                    done += 1
                    emit(Decoding(done * 41, done * 0.6, 1))
                    emit(Generated(result.key, 41, 0.6, done, total))
                    emit(Judged(record.id, result.task, 0, Verdict(base="passed"), done, total))
            store.end_run(run, "finished")
        return RunEnded(run, "finished")


@pytest.fixture
def fake_run() -> FakeRun:
    return FakeRun()


@pytest.fixture
def opened(database: Path, fake_run: FakeRun):
    """The app under a pilot: `async with opened() as (app, pilot)`."""
    from qrtui.tui.app import QrtuiApp

    @asynccontextmanager
    async def open_it(size: tuple[int, int] = (120, 36), **given: object) -> AsyncIterator[tuple[QrtuiApp, object]]:
        app = QrtuiApp(database, run_function=fake_run, **given)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield app, pilot
        fake_run.let(10_000)

    return open_it
