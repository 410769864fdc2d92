"""The one family of errors a person sees: what went wrong, and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from qrtui.discreet import discreet
from qrtui.printable import one_line


class QrtuiError(Exception):
    """Something a person can mend.

    `problem` says what is wrong, `way_out` what to do about it; both are short clauses without a line break.
    A command prints `str(error)` as one line on stderr and exits 1; the app shows the two parts in a dialog.
    """

    title = "Something is wrong"

    def __init__(self, problem: str, way_out: str = "") -> None:
        self.problem = one_line(discreet(problem))
        self.way_out = one_line(discreet(way_out))
        super().__init__(f"{self.problem}; {self.way_out}" if self.way_out else self.problem)


class PresetError(QrtuiError):
    """An experiment that cannot be run as written."""

    title = "The experiment is not valid"


class TaskError(QrtuiError):
    """A benchmark that is absent or unreadable, or a task that is not in it."""

    title = "The tasks cannot be read"


class AbsentDataSetError(TaskError):
    """A data set that is neither on this machine nor could be fetched; how many tasks it has may still be known."""


class FetchError(QrtuiError):
    """Something that could not be brought onto this machine, or not whole."""

    title = "It could not be fetched"


class ModelError(QrtuiError):
    """A model that is absent, gated, damaged, or too large."""

    title = "The model cannot be used"


class ChangedModelError(ModelError):
    """A model whose files were written to while it was in use; what is held of it is of no use any more."""


class AttackError(QrtuiError):
    """A prompt attack that lacks what it works with: word data, a translation, a recorded prompt."""

    title = "The attack cannot be made"


class JudgeError(QrtuiError):
    """No judge that may be trusted with generated code."""

    title = "The judge cannot run"


class StoreError(QrtuiError):
    """A database that cannot be opened, read or written."""

    title = "The results cannot be kept"


def nearest(name: str, known: Iterable[str]) -> str:
    """A suggestion for a mistyped name, ready to append to a message.

    >>> nearest("nf5", ["int8", "nf4"])
    'did you mean nf4?'
    >>> nearest("zzz", ["int8", "nf4"])
    ''
    """
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else ""
