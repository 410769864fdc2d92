"""The chosen task's case: original beside quantized, alone or in the 2 x 2 of clean and perturbed."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult

from qrtui.tui.case_shown import ShownCase, stories
from qrtui.tui.comparison import CLEAN, Comparison
from qrtui.tui.widgets.case_view import CaseView
from qrtui.tui.widgets.code_pane import CodePane
from qrtui.tui.widgets.steady import SteadyStatic, SteadyVertical


class CasesPane(SteadyVertical):
    """One row of the 2 x 2, or both with a line above that says what the perturbation did."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.sample = 0
        self.raw = False
        self.four = False
        self._shown: ShownCase | None = None
        self._comparison: Comparison | None = None
        # That one is shown in the 2 x 2 only.
        self._clean = CaseView(id="clean-case", classes="-four")
        self._perturbed = CaseView(id="case")

    def compose(self) -> ComposeResult:
        """Clean above perturbed."""
        yield SteadyStatic(id="story", markup=False)
        yield self._clean
        yield self._perturbed

    def on_mount(self) -> None:
        """One case to begin with."""
        self._lay_out()

    def show(self, shown: ShownCase | None, comparison: Comparison | None) -> None:
        """Show a case, or none."""
        self._shown, self._comparison = shown, comparison
        self._draw()

    def _draw(self) -> None:
        shown = self._shown
        self._perturbed.show(shown, shown.pair.perturbation if shown else CLEAN, self.sample, raw=self.raw)
        if self.four:
            self._clean.show(shown, CLEAN, self.sample, raw=self.raw)
            told = stories(self._comparison, shown.pair, shown.task) if shown and self._comparison else []
            words = f" {shown.task.task}   {'   '.join(filter(None, told))}" if shown else ""
            self.query_one("#story", SteadyStatic).update(words)

    def show_four(self, four: bool) -> None:
        """Make room for all four, or for the two of the perturbation only; `show` then fills it."""
        self.four = four
        self._perturbed.frame(four)
        self._lay_out()

    def _lay_out(self) -> None:
        self.query_one("#story").display = self._clean.display = self.four
        for view in (self._clean, self._perturbed):
            view.can_focus = self.four
        self._open(self._perturbed)

    @on(CaseView.Entered)
    def _entered(self, event: CaseView.Entered) -> None:
        self._open(event.view)

    def _open(self, view: CaseView) -> None:
        # Where there is no room for both rows of the 2 x 2, the one that has the keys is open.
        for other in (self._clean, self._perturbed):
            other.set_class(other is view, "-open")

    def switch_folding(self) -> None:
        """Fold lines that are too long, or let them be scrolled to."""
        for view in (self._clean, self._perturbed):
            view.programs.fold(not view.programs.folds)

    def scroll_programs(self, *, rows: int = 0, columns: int = 0) -> None:
        """Scroll the row that has the keys: by half its height, by some columns."""
        view = self._clean if self._clean.has_class("-open") and self.four else self._perturbed
        pane: CodePane = view.programs.left
        if rows:
            pane.scroll_half(rows)
        if columns:
            pane.scroll_relative(x=columns, animate=False)
