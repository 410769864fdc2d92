"""HumanEval's own way to judge: a program that defines `check(candidate)` and asserts.

The check runs in a sandboxed child of its own with a stand-in for the candidate: each call's arguments go to
the trusted side, which has the solution's child answer it. So neither the solution sees the assertions, nor
does the trusted side execute a benchmark's code.

Standard library only: this module runs inside the sandbox.
"""

from __future__ import annotations

import builtins
import traceback
from typing import TYPE_CHECKING, Any

from qrtui.judge.values import decode, encode

if TYPE_CHECKING:
    from qrtui.judge.session import Channel


_CHECK = "<check>"


class CandidateError(Exception):
    """The candidate raised something that is no built-in exception."""


def run_check(channel: Channel, job: dict[str, Any]) -> None:
    """Run the job's check; its last line has `status`: passed, or failed with the exception's last line."""
    from qrtui.judge.session import outcome

    def candidate(*arguments: Any, **keywords: Any) -> Any:
        named = {name: encode(value) for name, value in keywords.items()}
        channel.answer({"call": [encode(list(arguments)), named]})
        reply = channel.read()
        if "value" in reply:
            return decode(reply["value"])
        raise _exception(reply["kind"])(reply["error"])

    namespace: dict[str, Any] = {"__name__": "check"}
    try:
        # A check may use functions that the prompt defines, such as HumanEval/32's `poly`.
        exec(compile(job["reference"], "<reference>", "exec", dont_inherit=True), namespace)
    except Exception:  # noqa: BLE001 - a task without a reference can still be checked
        namespace = {"__name__": "check"}
    # Some checks call the function by its name, and mean the solution's: HumanEval/33 compares it with itself.
    namespace[job["entry_point"]] = candidate
    try:
        exec(compile(job["code"], _CHECK, "exec", dont_inherit=True), namespace)
        namespace["check"](candidate)
    except AssertionError as error:
        channel.answer({"status": "failed", "error": _assertion(error, job["code"])})
    except BaseException as error:  # noqa: BLE001 - a failing check is an answer
        channel.answer(outcome(error))
    else:
        channel.answer({"status": "passed"})


def _assertion(error: AssertionError, check: str) -> str:
    """The exception's last line; an assertion without a message is told by its own source."""
    if str(error):
        return f"AssertionError: {error}"[:400]
    numbers = [step.lineno or 0 for step in traceback.extract_tb(error.__traceback__) if step.filename == _CHECK]
    lines = check.splitlines()
    if numbers and 0 < numbers[-1] <= len(lines):
        return f"AssertionError: {lines[numbers[-1] - 1].strip()}"[:400]
    return "AssertionError"


def _exception(name: str) -> type[BaseException]:
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError):
        return kind
    return CandidateError
