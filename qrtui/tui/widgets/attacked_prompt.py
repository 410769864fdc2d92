"""A prompt as an attack left it, every changed character marked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content, Span
from textual.widgets import Static

from qrtui.counting import counted
from qrtui.printable import printable
from qrtui.tui.widgets.diff import WORD_STYLE

if TYPE_CHECKING:
    from qrtui.perturb.attack import AttackedPrompt


class AttackedPane(VerticalScroll, can_focus=True):
    """The prompt as the models get it, or why there is none."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, classes="panel")

    def compose(self) -> ComposeResult:
        """The text."""
        yield Static(id="play-changed", markup=False)

    def show(self, name: str, seed: int, attacked: AttackedPrompt | None, problem: str) -> None:
        """Show what an attack made of a prompt; None and no problem: it lacks data."""
        text = self.query_one("#play-changed", Static)
        self.border_title = name
        if problem:
            text.update(Content.styled(problem, "$text-warning"))
        elif attacked is None:
            text.update(Content.styled("This attack needs data or translations first: s gets them.", "$muted"))
        else:
            self.border_title = f"{name}, seed {seed}: {what_changed(attacked)}"
            text.update(marked_edits(attacked))


def marked_edits(attacked: AttackedPrompt) -> Content:
    """The attacked prompt; what came in place of something else is bold, underlined and coloured."""
    return Content(printable(attacked.after), [Span(start, end, WORD_STYLE) for start, end in changed_places(attacked)])


def changed_places(attacked: AttackedPrompt) -> Iterator[tuple[int, int]]:
    """Half-open ranges of the changed characters of `after`.

    Where only some letters of an equally long piece differ, only they are named.
    """
    shift = 0
    for start, end, replacement in attacked.edits:
        at, before = start + shift, attacked.before[start:end]
        if len(before) == len(replacement):
            yield from ((at + i, at + i + 1) for i, letter in enumerate(replacement) if letter != before[i])
        else:
            yield at, at + len(replacement)
        shift += len(replacement) - (end - start)


def what_changed(attacked: AttackedPrompt) -> str:
    """How much an attack changed, in words."""
    if not attacked.changed:
        return "nothing to change here"
    letters = sum(end - start for start, end in changed_places(attacked))
    return f"{counted(letters, 'character')} changed" if letters else f"{counted(len(attacked.edits), 'change')}"
