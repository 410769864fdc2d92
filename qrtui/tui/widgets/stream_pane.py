"""One side of the Playground: what a model writes while it writes it, its numbers, and its verdict."""

from __future__ import annotations

from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from qrtui.events import Written
from qrtui.judge.verdict import Verdict
from qrtui.printable import printable
from qrtui.tui.widgets.folding import folded
from qrtui.tui.wording import mark

_LONGEST_VALUE = 300
_GUTTER = 2
_ENDINGS = {"length": "cut off at the token limit", "nan": "the model gave no finite number"}


class Shown(NamedTuple):
    """All that a pane shows.

    `status` is the verdict's that decides, or empty; `says` stands where there is none yet. `differing` are the lines
    that the other side does not have. `former` says that all this is not of what is chosen now; empty where it is.
    """

    title: str
    written: Written
    verdict: Verdict | None
    status: str
    says: str
    differing: frozenset[int] = frozenset()
    former: str = ""


class StreamPane(Vertical):
    """Name and numbers in the border, the verdict in the first lines, below it the text."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self._shown: Shown | None = None

    def compose(self) -> ComposeResult:
        """Badge over text."""
        yield Static(classes="stream-badge", markup=False)
        with VerticalScroll(classes="stream-body", can_focus=True):
            yield Static(classes="stream-text", markup=False)

    def on_mount(self) -> None:
        """The highlighting has the theme's colours."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        """Lines are folded to the width."""
        self.call_after_refresh(self._draw)

    def show(self, shown: Shown) -> None:
        """Show how far the side is; the end of the text stays in sight while it grows."""
        if shown != self._shown:
            self._shown = shown
            self._draw()

    @property
    def text(self) -> str:
        """What the model wrote, without marks."""
        return self._shown.written.text if self._shown else ""

    def _draw(self) -> None:
        if self._shown is None:
            return
        self.border_title = self._shown.title
        self.border_subtitle = numbers(self._shown.written)
        said = badge(self._shown)
        body = self.query_one(".stream-body", VerticalScroll)
        # As if the scrollbar were always there, so that lines are not folded anew when it comes.
        room = body.scrollable_content_region.width - (not body.show_vertical_scrollbar) * body.scrollbar_size_vertical
        text = lines_of(self._shown.written.text, self._shown.differing, self.app.current_theme.ansi, room)
        if self._shown.former:
            said = Content.assemble((f"{self._shown.former}\n", "$text-warning"), _dimmed(said))
            text = _dimmed(text)
        self.query_one(".stream-badge", Static).update(said)
        at_end = body.is_vertical_scroll_end
        self.query_one(".stream-text", Static).update(text)
        if self._shown.written.finish is None and at_end:
            body.scroll_end(animate=False)


def _dimmed(content: Content) -> Content:
    return Content.styled(content.plain, "$muted")


def numbers(written: Written) -> str:
    """`41 tok  15 tok/s  first token 0.8 s`, as far as it is known.

    >>> numbers(Written("x", 30, 2.0, 0.5)), numbers(Written())
    ('30 tok  15 tok/s  first 0.5 s', '')
    """
    if not written.tokens:
        return ""
    parts = [f"{written.tokens} tok"]
    if written.seconds:
        parts.append(f"{written.tokens / written.seconds:.0f} tok/s")
    if written.first_token is not None:
        parts.append(f"first {written.first_token:.1f} s")
    if written.known:
        parts.append("made before")
    return "  ".join(parts)


def badge(shown: Shown) -> Content:
    """The verdict and what failed first, or what the side is at."""
    verdict = shown.verdict
    if verdict is None:
        return Content.styled(shown.says, "$muted")
    colour = "$text-success" if shown.status == "passed" else "$text-error"
    base_only = " (base passed)" if verdict.base == "passed" and shown.status != "passed" else ""
    ending = _ENDINGS.get(shown.written.finish or "", "")
    first = Content.assemble(
        (f"{mark(shown.status)} {shown.status}", f"bold {colour}"),
        base_only,
        (f"  {ending}" if ending else "", "$muted"),
    )
    return Content("\n").join([first, *failure(verdict)])


def failure(verdict: Verdict) -> list[Content]:
    """The first failing call with what was expected and what came instead."""
    got = _part("got ", verdict.got) if verdict.got is not None else _part("raised ", verdict.error)
    if not verdict.failing_input:
        return [got] if verdict.error else []
    call = _part("", verdict.failing_input)
    wanted = [_part("expected ", verdict.expected)] if verdict.expected is not None else []
    return [call, Content("  ").join([*wanted, got])]


def _part(label: str, value: str | None) -> Content:
    text = " ".join(printable(value or "nothing").split())
    return Content.assemble((label, "$muted"), text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} …")


def lines_of(text: str, differing: frozenset[int], ansi: bool, width: int = 0) -> Content:
    """The text as Python, a bar before each differing line; folded to `width` columns where that is known."""
    # Pygments is imported when there is something to highlight.
    from textual.highlight import ANSIDarkHighlightTheme, highlight

    from qrtui.tui.widgets.code_colours import CodeColours

    if not text.strip():
        return Content("")
    shown = printable(text).expandtabs(4).rstrip()
    code = highlight(shown, language="python", theme=ANSIDarkHighlightTheme if ansi else CodeColours)
    lines = code.split("\n", allow_blank=True)
    return Content("\n").join(
        Content.assemble(("▌ ", "$warning") if at in differing else "  ", piece)
        for at, line in enumerate(lines)
        for piece in (folded(line, width - _GUTTER) if width > _GUTTER else [line])
    )
