"""Two runs side by side: the conditions that both have, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from qrtui.counting import counted
from qrtui.errors import QrtuiError
from qrtui.tui.screens.dialogs import Dialog
from qrtui.tui.widgets.fitted_table import FittedTable
from qrtui.tui.widgets.themed_text import themed
from qrtui.tui.wording import NOTHING, robustness, share, without_common_protocol

if TYPE_CHECKING:
    from qrtui.results.against import Against, Pair
    from qrtui.results.records import RunRecord
    from qrtui.results.store import Store

_AGREE = {True: ("✓ same", "text-success"), False: ("✗ other", "text-warning"), None: (NOTHING, "muted")}


class TwoRuns(Dialog[None]):
    """pass@1 and RRS of both, what they differ by, and whether the arrows are the same."""

    BINDINGS = [
        Binding("q,enter,c", "harmless", "Close", show=False),
        Binding("x", "swap", "Swap", show=False),
    ]

    def __init__(self, first: RunRecord, second: RunRecord) -> None:
        super().__init__()
        self._runs = first, second

    def compose(self) -> ComposeResult:
        """The table between its title and what it says in words."""
        with Vertical(id="two-runs", classes="dialog -question") as box:
            box.border_subtitle = "x swaps the two   Esc closes"
            yield Static("reading both …", id="two-runs-words", markup=False)
            yield FittedTable(id="two-runs-table", cursor_type="row", cell_padding=1)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Swap", id="swap", compact=True)
                yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        """Reading takes a moment; the box is there at once."""
        self.query_one("#two-runs-table").focus()
        self._read()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The two actions by mouse."""
        if event.button.id == "swap":
            self.action_swap()
        else:
            self.dismiss(None)

    def action_swap(self) -> None:
        """Show what the first has over the second the other way round."""
        self._runs = self._runs[1], self._runs[0]
        self._read()

    @work(exclusive=True)
    async def _read(self) -> None:
        first, second = self._runs
        self.query_one(
            "#two-runs"
        ).border_title = f"Run {first.id}, {first.name}, beside run {second.id}, {second.name}"
        try:
            compared = await self.app.reader.ask(lambda store: _against(store, first, second))  # type: ignore[attr-defined]
        except QrtuiError as error:
            compared = error
        if self not in self.app.screen_stack:
            # Closed while it was read.
            return
        if isinstance(compared, QrtuiError):
            self.query_one("#two-runs-words", Static).update(f"{compared.problem}: {compared.way_out}.")
        else:
            self._show(compared)

    def _show(self, compared: Against) -> None:
        protocol = self._fill(compared.cells)
        only = [
            f"{counted(count, 'condition')} only in {name}"
            for count, name in ((compared.only_first, compared.first), (compared.only_second, compared.second))
            if count
        ]
        found = compared.agreement
        words = [
            f"{counted(len(compared.cells), 'condition')} in both",
            *only,
            *([f"the arrows agree in {found.agree} of {found.cells}"] if found else []),
            *([f"all noise {protocol}"] if protocol else []),
        ]
        lines = [", ".join(words) + ". Differences: the first less the second.", *compared.notes]
        self.query_one("#two-runs-words", Static).update("\n".join(lines))

    def _fill(self, pairs: Sequence[Pair]) -> str:
        table = self.query_one(FittedTable)
        table.clear(columns=True)
        first, second = (f"run {run.id}" for run in self._runs)
        short, protocol = without_common_protocol([pair.perturbation for pair in pairs])
        stubs = {
            "model": [f"{pair.family} {pair.size}".strip() for pair in pairs],
            "data set": [pair.dataset.rpartition("/")[2] for pair in pairs],
        }
        stubs = {name: values for name, values in stubs.items() if len(set(values)) > 1}
        numbers = (f"pass@1 {first}", second, "diff.", f"RRS {first}", second, "diff.")
        for name in (*stubs, "prec.", "perturbation"):
            table.add_column(name)
        for at, name in enumerate(numbers):
            table.add_column(Text(name, justify="right"), key=f"{at} {name}")
        table.add_column("arrow")
        for at, pair in enumerate(pairs):
            words = [values[at] for values in stubs.values()]
            cells = [themed(self.app, word) for word in (*words, pair.precision, short[pair.perturbation])]
            table.add_row(*cells, *self._numbers(pair))
        return protocol

    def _numbers(self, pair: Pair) -> Iterator[Text]:
        first, second = pair.first, pair.second
        both = first.pass_at_1 is not None and second.pass_at_1 is not None
        difference = (first.pass_at_1 or 0) - (second.pass_at_1 or 0) if both else None
        yield themed(self.app, share(first.pass_at_1), right=True)
        yield themed(self.app, share(second.pass_at_1), right=True)
        yield themed(self.app, _signed(difference), "foreground" if difference else "muted", right=True, bold=True)
        yield themed(self.app, f"{robustness(first.rrs, first.more_robust):>8}", right=True)
        yield themed(self.app, f"{robustness(second.rrs, second.more_robust):>8}", right=True)
        yield themed(self.app, _signed(pair.difference), "foreground" if pair.difference else "muted", right=True)
        yield themed(self.app, *_AGREE[pair.agree])


def _signed(value: float | None) -> str:
    """A difference with its sign; nothing of it where there is none.

    >>> _signed(0.05), _signed(-0.25), _signed(0.0), _signed(None)
    ('+.050', '-.250', '.000', '–')
    """
    return share(value) if value is None or round(value, 3) <= 0 else f"+{share(value)}"


def _against(store: Store, first: RunRecord, second: RunRecord) -> Against:
    from qrtui.results.against import against
    from qrtui.results.merged import merge, run_part

    sides = (merge([run_part(store, run)]) for run in (first, second))
    return against(*sides)
