"""Help: the keys of the room it was asked in, and what the words mean."""

from __future__ import annotations

import textwrap

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from qrtui.tui.keys import key_name
from qrtui.tui.screens.closes_once import ClosesOnce
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.widgets.header import ROOMS
from qrtui.tui.widgets.moves import MOVES, Moves

WORDS = {
    "original": "the model in its baseline precision; everything is measured on it too",
    "quantized": "the same model in a precision with fewer bits per weight",
    "attack": "a small change of the prompt's natural language; code and examples stay as they are",
    "noise": "small random numbers added to the weights; the share of weights it reached is shown",
    "pass@1": "the share of tasks whose first completion passes all of the data set's tests",
    "drop": "clean pass@1 less perturbed pass@1, over the tasks judged in both; negative: it helped",
    "RRS": "Relative Robustness Score: the original's drop divided by the quantized model's",
    "↓": "the quantized model is more robust: its drop is smaller (RRS above 1)",
    "↑": "the original is more robust: its drop is smaller (RRS below 1)",
    "=": "both dropped equally",
    "arrow alone": "a drop is zero or negative, so that their ratio has no meaning",
    "≠": "the original and the quantized model diverge: one passed, the other did not",
    "✓ ✗ ◷ ·": "passed, failed, out of time, not judged yet",
    "judge L3 L2 L1": "how well generated code is locked away: namespaces and L2; Landlock and seccomp; limits only",
}
_EVERYWHERE = [
    ("1 to 6", f"go to {', '.join(ROOMS.values())}"),
    ("Tab, Shift+Tab", "go to the next or previous part of the screen"),
    ("arrows, j k", "move in a list, a table or a text"),
    ("g G", "go to its top, to its bottom"),
    ("Ctrl+D, Ctrl+U", "move by half a page"),
    ("Ctrl+P", "find any action by its name, and all themes"),
    ("{theme}", "next theme: dark, light, the terminal's own colours"),
    ("Esc, Ctrl+C", "leave a dialog or a field"),
    ("{quit}, Ctrl+C", "quit; asks if a run is under way, and nothing is lost"),
]


_TEXT_WIDTH = 52


class HelpScreen(ClosesOnce, Moves, ModalScreen[None]):
    """A page over the room; any of its keys closes it."""

    BINDINGS = [
        *MOVES,
        Binding("escape,question_mark,q,enter", "dismiss", "Close", show=False),
    ]

    def __init__(self, room: FramedScreen) -> None:
        super().__init__()
        self._room = room

    def compose(self) -> ComposeResult:
        """Keys, then words."""
        with VerticalScroll(id="help", classes="dialog -question") as page:
            page.border_title = f"Help: {self._room.ROOM.capitalize()}"
            page.border_subtitle = "j k scroll   Esc closes   other keys: qrtui keys"
            yield Static(_table("Keys", self._keys()), markup=False)
            yield Static(_table("Words", list(WORDS.items())), markup=False)

    def _keys(self) -> list[tuple[str, str]]:
        own = [(keys, meaning) for meaning, keys, action in self._room.actions() if not action.startswith("app.")]
        keymap = {"theme": "ctrl+t", "quit": "q"} | self._room.app.keymap
        named = {id: key_name(keymap[id]) for id in ("theme", "quit")}
        return [*own, *((keys.format(**named), meaning) for keys, meaning in _EVERYWHERE)]


def _table(title: str, rows: list[tuple[str, str]]) -> Content:
    width = max(len(first) for first, _ in rows) + 2
    lines = []
    for first, second in rows:
        beginning, *rest = textwrap.wrap(second, _TEXT_WIDTH)
        lines.append(Content.assemble((f"{first:{width}}", "$accent"), beginning))
        lines += [Content(" " * width + line) for line in rest]
    return Content("\n").join([Content.styled(title, "bold"), *lines, Content("")])
