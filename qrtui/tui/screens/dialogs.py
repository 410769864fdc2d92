"""The dialogs: an error with its way out, a question with two answers, a line to type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label

from qrtui.errors import QrtuiError
from qrtui.tui.screens.closes_once import ClosesOnce
from qrtui.tui.widgets.moves import MOVES, Moves

Result = TypeVar("Result")


class Dialog(ClosesOnce, Moves, ModalScreen[Result], Generic[Result]):
    """A titled box in the middle, whose lower border says its keys.

    Escape and Ctrl+C give the harmless answer. Left and right go from button to button.
    """

    BINDINGS = [
        *MOVES,
        Binding("escape", "harmless", "Close", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]
    HARMLESS: Any = None

    def action_harmless(self) -> None:
        """Close without doing anything."""
        self.dismiss(self.HARMLESS)


class Message(Dialog[None]):
    """Something to read: an error's problem and way out."""

    def __init__(self, title: str, *paragraphs: str, kind: str = "error") -> None:
        super().__init__()
        self._title = title
        self._paragraphs = paragraphs
        self._kind = kind

    def compose(self) -> ComposeResult:
        """The paragraphs, the first one the most important, and a button."""
        with Vertical(classes=f"dialog -{self._kind}") as box:
            box.border_title = self._title
            box.border_subtitle = "Enter or Esc closes"
            for number, paragraph in enumerate(filter(None, self._paragraphs)):
                yield Label(paragraph, classes="dialog-text" if number == 0 else "dialog-way-out", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Close", id="close", compact=True)

    @on(Button.Pressed)
    def _close(self) -> None:
        self.dismiss(None)


class Question(Dialog[str]):
    """A question; the answer is the chosen button's key, the last choice (the harmless one) on Escape."""

    def __init__(self, title: str, text: str, **choices: str) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._choices = choices
        self.HARMLESS = list(choices)[-1]

    def compose(self) -> ComposeResult:
        """The text over a row of buttons."""
        with Vertical(classes="dialog -question") as box:
            box.border_title = self._title
            box.border_subtitle = f"← → choose   Enter takes it   Esc: {self._choices[self.HARMLESS]}"
            yield Label(self._text, classes="dialog-text", markup=False)
            with Horizontal(classes="dialog-buttons"):
                for key, label in self._choices.items():
                    yield Button(label, id=key, compact=True)

    def on_mount(self) -> None:
        """Enter alone does nothing that cannot be undone."""
        self.query(Button).last().focus()

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id)


class AskPath(Dialog[str | None]):
    """A line to type a path in (or what else is tried before it is taken); None on Escape.

    `attempt` does what the path is for while the dialog stays: where it raises a QrtuiError, that is shown beside the
    path as it was typed, to be mended. Escape cancels it.
    """

    def __init__(self, title: str, text: str, path: str, attempt: Callable[[str], Awaitable[None]]) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._path = path
        self._attempt = attempt
        self._trying = False

    def compose(self) -> ComposeResult:
        """The text over the input, below it what went wrong."""
        with Vertical(classes="dialog -question") as box:
            box.border_title = self._title
            box.border_subtitle = "Enter takes it   Esc goes back"
            yield Label(self._text, classes="dialog-text", markup=False)
            yield Input(self._path, compact=True, select_on_focus=False)
            yield Label("", classes="dialog-problem", markup=False)

    @on(Input.Submitted)
    def _done(self, event: Input.Submitted) -> None:
        path = event.value.strip()
        if not path:
            self.dismiss(None)
        elif not self._trying:
            self._trying = True
            self._try(path)

    @work
    async def _try(self, path: str) -> None:
        problem = self.query_one(".dialog-problem", Label)
        problem.display = False
        try:
            await self._attempt(path)
        except QrtuiError as error:
            problem.update("\n".join(filter(None, [error.problem, error.way_out])))
            problem.display = True
        else:
            self.dismiss(path)
        finally:
            self._trying = False
