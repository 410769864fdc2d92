"""The trusted side of one check: hold the expected values, read the child's answers, give the verdict."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from typing import Any

from qrtui.judge import compare
from qrtui.judge.answers import (
    LOAD_SECONDS,
    NOTHING,
    Digest,
    Outcome,
    calls_as_json,
    error_of,
    solution_job,
    status_of,
    value_of,
)
from qrtui.judge.launch import ANSWER_LIMIT, LaunchError, Limits, SessionEnded, Zygote
from qrtui.judge.relay import CHECK_SECONDS, CheckRelay
from qrtui.judge.session import SAY_SECONDS, STARVATION
from qrtui.judge.source import call_source, source
from qrtui.judge.values import digest
from qrtui.judge.verdict import Status, Verdict
from qrtui.tasks.task import Task

LEAST_SECONDS = 1.0
REFERENCE_FACTOR = 4.0
SHORTEST_TOTAL, LONGEST_TOTAL, TOTAL_SLACK = 10.0, 60.0, 5.0
REFERENCE_SECONDS = 60.0
REFERENCE_ANSWERS = 1 << 30
_GRACE = 1.0
_ANOTHER = "its large answer is not the expected one, and a second run does not give it again"


@dataclass(frozen=True)
class Truth:
    """What a task's reference solution answers, per input, and the seconds each call took it.

    Large values are kept as a Digest. For a task with its own check there are no values, and the one number
    of seconds is the slowest call's.
    """

    values: list[Any]
    seconds: list[float]

    @property
    def limits(self) -> list[float]:
        """Seconds a solution may take per call: four times the reference, at least one."""
        return [max(LEAST_SECONDS, REFERENCE_FACTOR * taken) for taken in self.seconds]


@dataclass
class Prepared:
    """A task with what is derived from it once: its inputs in order, the calls as the child reads them."""

    task: Task
    truth: Truth
    arguments: list[list[Any]] = field(init=False)
    calls: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.arguments = [list(one) for one in [*self.task.base_input, *self.task.plus_input]]
        self.calls = b"[]" if self.task.test else calls_as_json(self.arguments, self.truth.limits)

    @property
    def total(self) -> float:
        """Seconds for the whole check."""
        return min(LONGEST_TOTAL, max(SHORTEST_TOTAL, sum(self.truth.limits))) + TOTAL_SLACK


def verdict_of(zygote: Zygote, prepared: Prepared, solution: str) -> Verdict:
    """Judge `solution` in a fresh child of `zygote`. Raises LaunchError if the zygote has died."""
    started = time.perf_counter()
    task = prepared.task
    outcome, was_killed = _judged_once(zygote, prepared, solution)
    if was_killed:
        # By itself, or from outside, which is not its fault: a second time tells.
        outcome, _ = _judged_once(zygote, prepared, solution)
    base, plus = _statuses(task, outcome)
    return Verdict(
        base=base,
        plus=plus,
        failing_input=None if outcome.arguments is None else call_source(task.entry_point, outcome.arguments),
        expected=_shown(outcome.expected),
        got=_shown(outcome.got),
        error=outcome.error,
        level=zygote.level,
        seconds=time.perf_counter() - started,
    )


def _judged_once(zygote: Zygote, prepared: Prepared, solution: str) -> tuple[Outcome, bool]:
    """How one check of `solution` ended, and whether that was by SIGKILL to one of its children."""
    try:
        outcome = _outcome(zygote, prepared, solution)
    finally:
        wait_statuses = zygote.end()
    was_killed = outcome.status == "crashed" and signal.SIGKILL in wait_statuses
    return outcome.explained(wait_statuses[0]), was_killed


def _outcome(zygote: Zygote, prepared: Prepared, solution: str) -> Outcome:
    try:
        if not prepared.task.test:
            return _InputsCheck(zygote, prepared, solution).run()
        limits = Limits(CHECK_SECONDS + TOTAL_SLACK)
        relay = CheckRelay(prepared.task, prepared.truth.limits[0])
        return relay.run(zygote.session(limits), zygote.session(limits), solution)
    except LaunchError:
        raise
    except Exception as error:  # noqa: BLE001 - no answer may end the process that judges all the others
        return Outcome("tampered", error=f"an answer that cannot be judged ({type(error).__name__})")


def _shown(value: Any) -> str | None:
    return None if value is NOTHING or isinstance(value, Digest) else source(value)


def _statuses(task: Task, outcome: Outcome) -> tuple[Status, Status | None]:
    """The base status, over the first inputs, and the plus status, over all of them."""
    if task.test or not task.plus_input:
        return outcome.status, None
    if outcome.at is not None and outcome.at >= len(task.base_input):
        return "passed", outcome.status
    return outcome.status, outcome.status


class _InputsCheck:
    """One solution over all inputs of its task, up to the first that fails."""

    def __init__(self, zygote: Zygote, prepared: Prepared, solution: str) -> None:
        self._zygote, self._prepared, self._solution = zygote, prepared, solution
        self._session = zygote.session(Limits(prepared.total))

    def run(self) -> Outcome:
        task, truth, at = self._prepared.task, self._prepared.truth, None
        try:
            self._session.start(solution_job(self._solution, task.entry_point), self._prepared.calls)
            loaded = self._session.answer(STARVATION * LOAD_SECONDS + _GRACE, LOAD_SECONDS)
            if "status" in loaded:
                return Outcome(status_of(loaded), error=error_of(loaded))
            for at in range(len(self._prepared.arguments)):
                limit = truth.limits[at]
                failure = self._judge(at, self._session.answer(STARVATION * limit + _GRACE, limit))
                if failure is not None:
                    return failure
        except SessionEnded as ended:
            where = None if at is None else self._prepared.arguments[at]
            return Outcome(ended.status, at, where, error=ended.error)
        return Outcome("passed")

    def _judge(self, at: int, answer: dict[str, Any]) -> Outcome | None:
        task, arguments = self._prepared.task, self._prepared.arguments[at]
        expected = self._prepared.truth.values[at]
        if "status" in answer:
            return Outcome(status_of(answer), at, arguments, expected, error=error_of(answer))
        got = value_of(answer)
        if isinstance(got, Digest) and got == expected:
            return None
        if isinstance(expected, Digest) or isinstance(got, Digest):
            # Two values whose digests differ may still be equal by the rules: get both, by calling again.
            expected, size = self._expected_in_full(at, expected)
            first = got
            got = self._got_in_full(at, got, size)
            if isinstance(first, Digest) and digest(got) != first.sha256:
                return Outcome("failed", at, arguments, expected, error=_ANOTHER)
        if compare.matches(task.task_id, task.entry_point, task.atol, arguments, expected, got):
            return None
        return Outcome("failed", at, arguments, expected, got)

    def _expected_in_full(self, at: int, expected: Any) -> tuple[Any, int]:
        """The expected value and the bytes it took to carry it; the time for it is not the solution's."""
        if not isinstance(expected, Digest):
            return expected, 0
        started = time.monotonic()
        unbounded = Limits(REFERENCE_SECONDS, answers=REFERENCE_ANSWERS)
        value, size = self._single(self._prepared.task.reference, at, unbounded, REFERENCE_SECONDS)
        self._session.extend(time.monotonic() - started)
        return value, size

    def _got_in_full(self, at: int, got: Any, size: int) -> Any:
        """What a second run answers. It is worth something only where its digest is the first answer's."""
        if not isinstance(got, Digest):
            return got
        limit = self._prepared.truth.limits[at]
        seconds = min(STARVATION * limit + LOAD_SECONDS, self._session.left)
        limits = Limits(seconds, answers=max(ANSWER_LIMIT, 4 * size))
        return self._single(self._solution, at, limits, limit)[0]

    def _single(self, code: str, at: int, limits: Limits, limit: float) -> tuple[Any, int]:
        """The value of one call in a child of its own, and the bytes it took. Raises SessionEnded."""
        session = self._zygote.session(limits)
        call = calls_as_json([self._prepared.arguments[at]], [limit])
        session.start(solution_job(code, self._prepared.task.entry_point, digests=False), call)
        for most in (LOAD_SECONDS, limit):
            answer = session.answer(limits.seconds, max(most, SAY_SECONDS))
            if "status" in answer:
                raise SessionEnded(status_of(answer), error_of(answer))
        return value_of(answer, digests=False), session.received
