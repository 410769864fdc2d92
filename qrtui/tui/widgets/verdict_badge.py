"""One completion's verdict in words: badge, cost, and what failed first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from qrtui.printable import printable
from qrtui.results.case import deciding_status, samples_in_words
from qrtui.tui.widgets.steady import SteadyStatic
from qrtui.tui.wording import mark

if TYPE_CHECKING:
    from qrtui.results.records import Case

__all__ = ["VerdictBadge", "deciding_status", "status_badge", "verdict_in_words"]

_LONGEST_VALUE = 400
_ONE_LINE = 60
_ENDED = {"length": "cut off", "nan": "no finite numbers"}


class VerdictBadge(SteadyStatic):
    """`fp32 original  ✗ failed  41 tok  0.6 s`, and below it the first failing input, expected and got."""

    _words: str | None = None

    def show(self, case: Case | None, name: str, samples: Sequence[Case] = ()) -> None:
        """Show a case's verdict; `name` says which side it is, `samples` are all that were drawn of it."""
        words = verdict_in_words(case, name, samples, narrow=self.screen.has_class("-narrow"))
        if words.markup != self._words:
            # Whatever is put into a Static has the whole screen laid out anew.
            self._words = words.markup
            self.update(words)


def verdict_in_words(case: Case | None, name: str, samples: Sequence[Case] = (), *, narrow: bool = False) -> Content:
    """What the badge shows; where it is narrow, what it cost comes last."""
    title = Content.styled(name, "bold")
    if case is None or case.solution is None:
        return Content.assemble(title, (" · not generated yet", "$muted"))
    status = deciding_status(case)
    plus = " (base passed)" if status != "passed" and status == case.plus and case.base == "passed" else ""
    cost = f" {case.tokens} tok {case.seconds:.1f} s" if case.tokens is not None and case.seconds is not None else ""
    cost = Content.styled(cost.strip() + (f", {_ENDED[case.finish]}" if case.finish in _ENDED else ""), "$muted")
    verdict = Content.assemble(title, " ", status_badge(status), plus)
    lines = [verdict if narrow else Content.assemble(verdict, " ", cost)]
    if len(samples) > 1:
        lines.append(Content.styled(samples_in_words(case, samples), "$muted"))
    return Content("\n").join([*lines, *_failure(case), *([cost] if narrow else [])])


def status_badge(status: str | None) -> Content:
    """A verdict's mark and word, in its colour."""
    colour = {"passed": "$text-success", None: "$muted"}.get(status, "$text-error")
    return Content.styled(f"{mark(status)} {status or 'not judged yet'}", f"bold {colour}")


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
