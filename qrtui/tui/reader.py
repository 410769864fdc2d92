"""A thread of its own for questions to the database, so that no query holds up a key."""

from __future__ import annotations

import asyncio
import queue
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qrtui.errors import QrtuiError

if TYPE_CHECKING:
    from qrtui.results.store import Store

Answer = TypeVar("Answer")


class Reader:
    """Answers questions with its own `Store`, one at a time, in the order they were asked.

    The store is opened at the first question, so that nothing is imported before it is needed. Until somebody has made
    the database, questions are answered from an empty one: asking makes no file.
    """

    def __init__(self, database: Path, name: str) -> None:
        self._database = database
        self._name = name
        self._questions: queue.SimpleQueue[tuple[Callable[[Store], Any], asyncio.Future[Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def ask(self, question: Callable[[Store], Answer]) -> Answer:
        """What `question` returns for the store, or the error it raised (StoreError where there is no store)."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._questions.put((question, answer))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        return await answer

    def _work(self) -> None:
        store: Store | None = None
        empty: Store | None = None
        while True:
            question, answer = self._questions.get()
            if answer.cancelled():
                # Whoever asked has gone on, as a cursor that runs down a list does.
                continue
            try:
                if store is None and self._database.exists():
                    store = _open(self._database)
                if store is None and empty is None:
                    with tempfile.TemporaryDirectory() as folder:
                        empty = _open(Path(folder) / "empty.db")
                result = question(store or empty)  # type: ignore[arg-type]
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                _deliver(answer, None, _explained(store, error))
            else:
                _deliver(answer, result, None)


def _explained(store: Store | None, error: Exception) -> Exception:
    """The error, or instead of one that nobody foresaw, that the database is damaged, if it is."""
    if store is not None and not isinstance(error, QrtuiError):
        try:
            store.refuse_damaged(error)
        except QrtuiError as damage:
            return damage
    return error


def _open(database: Path) -> Store:
    from qrtui.results.store import Store

    return Store(database)


def _deliver(answer: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    def deliver() -> None:
        if answer.cancelled():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    try:
        answer.get_loop().call_soon_threadsafe(deliver)
    except RuntimeError:
        # The app has closed its loop: nobody waits for the answer any more.
        return
