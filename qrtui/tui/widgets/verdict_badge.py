"""One completion's verdict in words: badge, cost, and what failed first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from qrtui.results.case import printable
from qrtui.tasks.datasets import scored_by_plus
from qrtui.tui.wording import mark

if TYPE_CHECKING:
    from qrtui.results.records import Case

_LONGEST_VALUE = 400
_ONE_LINE = 60


def deciding_status(case: Case) -> str | None:
    """The status that decides whether the task counts as passed."""
    if scored_by_plus(case.condition.dataset) and case.base == "passed" and case.plus is not None:
        return case.plus
    return case.base


class VerdictBadge(Static):
    """`fp32 original  ✗ failed  41 tok  0.6 s`, and below it the first failing input, expected and got."""

    def show(self, case: Case | None, name: str) -> None:
        """Show a case's verdict; `name` says which side it is."""
        self.update(verdict_in_words(case, name))


def verdict_in_words(case: Case | None, name: str) -> Content:
    """What the badge shows."""
    title = Content.styled(name, "bold")
    if case is None or case.solution is None:
        return Content.assemble(title, (" · not generated yet", "$muted"))
    status = deciding_status(case)
    colour = {"passed": "$text-success", None: "$muted"}.get(status, "$text-error")
    badge = (f" {mark(status)} {status or 'not judged yet'}", f"bold {colour}")
    plus = " (base passed)" if status != "passed" and status == case.plus and case.base == "passed" else ""
    cost = f" {case.tokens} tok {case.seconds:.1f} s" if case.tokens is not None and case.seconds is not None else ""
    cut = [Content.styled("cut off at the token limit", "$muted")] if case.finish == "length" else []
    return Content("\n").join([Content.assemble(title, badge, plus, (cost, "$muted")), *_failure(case), *cut])


def _failure(case: Case) -> list[Content]:
    if not case.failing_input and not case.error:
        return []
    got = _line("got ", case.got) if case.got is not None else _line("raised ", case.error or "nothing")
    if not case.failing_input:
        return [got]
    call, expected = _line("", case.failing_input), _line("expected ", case.expected or "?")
    if len(call) + len(expected) + len(got) <= _ONE_LINE:
        return [Content("  ").join([call, expected, got])]
    return [call, expected, got]


def _line(label: str, value: str) -> Content:
    text = " ".join(printable(value).split())
    clipped = text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} … (e exports all of it)"
    return Content.assemble((label, "$muted"), clipped)
