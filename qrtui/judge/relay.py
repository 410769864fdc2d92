"""Judging by a task's own check: one child runs the check, another the solution, calls go to and fro."""

from __future__ import annotations

import json
from typing import Any

from qrtui.judge.answers import (
    LOAD_SECONDS,
    NOTHING,
    Outcome,
    error_of,
    seconds_of,
    solution_job,
    status_of,
    value_of,
)
from qrtui.judge.launch import Session, SessionEnded
from qrtui.judge.session import STARVATION
from qrtui.judge.values import decode
from qrtui.tasks.task import Task

CHECK_SECONDS = 60.0
_GRACE = 1.0


class CheckRelay:
    """Carries calls from the child that runs a task's check to the child that runs the solution.

    `slowest` is the longest that a call has taken, in seconds.
    """

    def __init__(self, task: Task, limit: float) -> None:
        self._task, self._limit = task, limit
        self._last: list[Any] | None = None
        self._got: Any = NOTHING
        self._raised: str | None = None
        self.slowest = 0.0

    def run(self, solving: Session, checking: Session, solution: str) -> Outcome:
        """Let the task's check judge `solution`, each in its own child."""
        try:
            solving.start(solution_job(solution, self._task.entry_point, digests=False))
            # Both get ready at the same time; the check's first call waits in its socket.
            checking.start(
                {
                    "role": "check",
                    "code": self._task.test,
                    "reference": self._task.reference,
                    "entry_point": self._task.entry_point,
                }
            )
            loaded = solving.answer(STARVATION * LOAD_SECONDS + _GRACE, LOAD_SECONDS)
            if "status" in loaded:
                return Outcome(status_of(loaded), error=error_of(loaded))
        except SessionEnded as ended:
            return Outcome(ended.status, error=ended.error)
        try:
            return self._relay(solving, checking)
        except SessionEnded as ended:
            # The check's own child: most likely what the solution answered keeps it busy.
            return Outcome(ended.status, 0, self._last, got=self._got, error="the task's check did not end")

    def _relay(self, solving: Session, checking: Session) -> Outcome:
        while True:
            step = checking.answer(CHECK_SECONDS)
            if "call" not in step:
                return self._result(step)
            failure = self._carry(solving, checking, step["call"])
            if failure is not None:
                return failure

    def _result(self, step: dict[str, Any]) -> Outcome:
        if status_of(step, passed=True) == "passed":
            return Outcome("passed")
        error = error_of(step)
        if error and self._raised and self._raised in error:
            error = self._raised  # the solution's own exception, passed on by the check
        return Outcome("failed", 0, self._last, got=self._got, error=error)

    def _carry(self, solving: Session, checking: Session, call: list[Any]) -> Outcome | None:
        """Have one call answered. None to go on, or the outcome where the solution's child gave up."""
        self._last, self._got, self._raised = decode(call[0]), NOTHING, None
        try:
            solving.send(json.dumps([*call, self._limit]).encode())
            answer = solving.answer(STARVATION * self._limit + _GRACE, self._limit)
            if "status" in answer and answer["status"] != "failed":
                return Outcome(status_of(answer), 0, self._last, error=error_of(answer))
            if "status" in answer:
                self._raised = error_of(answer)
                reply = {"error": self._raised or "", "kind": str(answer.get("kind"))}
            else:
                self._got = value_of(answer, digests=False)
                self.slowest = max(self.slowest, seconds_of(answer))
                reply = {"value": answer["value"]}
        except SessionEnded as ended:
            return Outcome(ended.status, 0, self._last, error=ended.error)
        checking.send(json.dumps(reply).encode())
        return None
