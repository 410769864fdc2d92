"""Setup: what to run, and what it will cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Input, Label, Select, SelectionList, Static

from qrtui.errors import QrtuiError
from qrtui.generate.settings import PromptStyle
from qrtui.models.precisions import PRECISIONS
from qrtui.presets import find_preset, load_preset, preset_names, save_preset
from qrtui.spec import Experiment
from qrtui.tui.choice import PLAIN, Choice, experiment_of
from qrtui.tui.screens import setup_items as items
from qrtui.tui.screens.dialogs import AskPath, Question
from qrtui.tui.screens.framed import FramedScreen
from qrtui.tui.widgets.checklist import CheckList
from qrtui.tui.widgets.cost_line import CostLine, plan_as_table
from qrtui.tui.widgets.panel import Panel

_TYPING_PAUSE = 0.25


class SetupScreen(FramedScreen):
    """Pick models, precisions, perturbations and tasks; the line at the bottom says what the choice costs."""

    ROOM = "setup"
    CSS_PATH = "setup.tcss"
    BINDINGS = [
        Binding("r", "run", "Run"),
        Binding("ctrl+r", "run", "Run", show=False),
        Binding("ctrl+s", "save", "Save preset", key_display="^s"),
        Binding("ctrl+o", "load", "Load preset", key_display="^o"),
        Binding("m", "add_model", "Other model"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._base = PLAIN
        self._rows: list[Any] = []
        self._experiment: Experiment | None = None
        self._expected_seconds: float | None = None
        self._replan_timer: Any = None
        self._painted = False

    def body(self) -> ComposeResult:
        """Preset, six panels, and the line that says the cost."""
        with Horizontal(id="preset-line"):
            yield Label("preset", classes="field")
            yield Select[str]([], prompt="choose", id="preset", compact=True)
            yield Static("", id="preset-description", markup=False)
        with Horizontal(id="setup-top"):
            with Panel("Models", id="models-panel"):
                yield CheckList(id="models")
            with Panel("Precisions", id="precisions-panel"):
                with Horizontal(classes="field-line"):
                    yield Label("original", classes="field")
                    yield Select([(name, name) for name in PRECISIONS], id="baseline", compact=True, allow_blank=False)
                yield CheckList(id="quantized")
        with Horizontal(id="setup-bottom"):
            with Panel("Prompt attacks", id="attacks-panel"):
                yield CheckList(id="attacks")
            with Panel("Weight noise", id="noise-panel"), Horizontal():
                yield CheckList(id="levels")
                with Panel("", id="noise-kinds"):
                    yield CheckList(id="kinds")
                    yield CheckList(id="protocols")
            with Panel("Tasks", id="tasks-panel"):
                yield CheckList(id="datasets")
                yield from _field("first", "limit", "all", "of each")
            with Panel("Generation", id="generation-panel"):
                yield from _field("up to", "max-new-tokens", "512", "tokens")
                with Horizontal(classes="field-line"):
                    yield Label("prompt", classes="field")
                    yield Select(
                        [(s, s) for s in get_args(PromptStyle)], id="prompt-style", compact=True, allow_blank=False
                    )
        with Panel("Completions", id="plan-panel"), VerticalScroll(can_focus=False):
            yield Static("", id="plan-table", markup=False)
        with Horizontal(id="cost"):
            yield Button("Run", id="start", compact=True, variant="primary")
            yield CostLine(id="cost-line")

    def on_mount(self) -> None:
        """Fill in what the app was opened with, else the demo preset."""
        names = preset_names()
        preset = self.query_one("#preset", Select)
        with self.prevent(Select.Changed):
            preset.set_options([(name, name) for name in names])
            if self.app.given is None and "demo" in names:
                preset.value = "demo"
        self.fill(self.app.given or self._demo(names))
        self.query_one("#models").focus()
        self.call_after_refresh(self._look_around)

    def _look_around(self) -> None:
        """What needs imports and files waits for the first paint."""
        self._painted = True
        self._look_for_models()
        self._replan()

    def _demo(self, names: list[str]) -> Experiment:
        try:
            return load_preset("demo") if "demo" in names else PLAIN
        except QrtuiError as error:
            self.call_after_refresh(self.report, error)
            return PLAIN

    def fill(self, experiment: Experiment) -> None:
        """Show an experiment; what the widgets do not show of it (seed, device, ...) is kept for the run."""
        self._base = experiment
        with self.prevent(Select.Changed, Input.Changed):
            self.query_one("#baseline", Select).value = experiment.precisions.baseline
            self.query_one("#prompt-style", Select).value = experiment.generation.prompt
            self.query_one("#limit", Input).value = str(experiment.tasks.limit or "")
            self.query_one("#max-new-tokens", Input).value = str(experiment.generation.max_new_tokens)
        for name, lines in items.all_items(experiment, self._rows):
            self.query_one(f"#{name}", CheckList).show(lines)
        self.query_one("#preset-description", Static).update(experiment.description)
        self._replan()

    @work(exclusive=True, group="models")
    async def _look_for_models(self) -> None:
        """Learn which models are here and what they need; reads files, so not before the first paint."""
        import asyncio

        self._rows = await asyncio.to_thread(items.model_rows)
        chosen = self.query_one("#models", CheckList).ticked
        self.query_one("#models", CheckList).show(items.model_items(chosen, self._rows))
        self._show_memory()

    # The choice

    def choice(self) -> Choice:
        """What the widgets say."""

        def ticked(name: str) -> tuple[Any, ...]:
            return self.query_one(f"#{name}", CheckList).ticked

        return Choice(
            models=ticked("models"),
            baseline=str(self.query_one("#baseline", Select).value),
            quantized=ticked("quantized"),
            attacks=ticked("attacks"),
            noise_kinds=ticked("kinds"),
            noise_levels=ticked("levels"),
            noise_protocols=ticked("protocols"),
            datasets=ticked("datasets"),
            limit=self.query_one("#limit", Input).value,
            max_new_tokens=self.query_one("#max-new-tokens", Input).value,
            prompt=str(self.query_one("#prompt-style", Select).value),
        )

    @on(SelectionList.SelectedChanged)
    @on(Input.Changed)
    def _changed(self) -> None:
        self._replan()

    @on(Select.Changed, "#prompt-style")
    def _style_changed(self) -> None:
        self._replan()

    @on(Select.Changed, "#baseline")
    def _baseline_changed(self) -> None:
        self._show_memory()
        self._replan()

    @on(SelectionList.SelectedChanged, "#models")
    def _models_changed(self) -> None:
        self._show_memory()

    def _show_memory(self) -> None:
        """The list of precisions says what they need for the ticked models, and cannot take the baseline."""
        chosen = self.query_one("#quantized", CheckList).ticked
        baseline = str(self.query_one("#baseline", Select).value)
        models = self.query_one("#models", CheckList).ticked
        self.query_one("#quantized", CheckList).show(items.precision_items(baseline, chosen, models, self._rows))

    def _replan(self) -> None:
        if self._replan_timer is not None:
            self._replan_timer.stop()
        self._experiment = None
        if self._painted:
            self._replan_timer = self.set_timer(_TYPING_PAUSE, self._plan)

    @work(exclusive=True, group="plan")
    async def _plan(self) -> None:
        """Say what the choice costs, or why it cannot be run."""
        line = self.query_one(CostLine)
        try:
            experiment = experiment_of(self.choice(), self._base)
            self._experiment = experiment
            line.working()
            plan = await self.app.planner.ask(lambda store: _make_plan(experiment, store))
        except QrtuiError as error:
            self._experiment = None
            line.impossible(error)
        else:
            self._expected_seconds = plan.seconds
            line.show(plan, len(experiment.models), self._to_fetch())
            self.query_one("#plan-table", Static).update(plan_as_table(plan))

    def _to_fetch(self) -> int:
        """Bytes of the ticked models that are not here; 0 also where nobody knows."""
        ticked = self.query_one("#models", CheckList).ticked
        return sum(row.fetch_bytes or 0 for row in self._rows if row.name in ticked)

    # Actions

    @on(Button.Pressed, "#start")
    def action_run(self) -> None:
        """Run what is picked."""
        try:
            experiment = experiment_of(self.choice(), self._base)
        except QrtuiError as error:
            self.report(error)
            return
        self.app.start_run(experiment, self._expected_seconds)

    @on(Select.Changed, "#preset")
    def _preset_chosen(self, event: Select.Changed) -> None:
        if event.value is not Select.NULL:
            self._load(str(event.value))

    @work
    async def action_load(self) -> None:
        """Load a preset from a file."""
        path = await self.app.push_screen_wait(
            AskPath("Load preset", "A preset's file (.toml), or the name of a shipped one", "")
        )
        if path:
            self._load(path)

    def _load(self, preset: str) -> None:
        try:
            experiment = load_preset(preset)
        except QrtuiError as error:
            self.report(error)
            return
        self.fill(experiment)
        self.notify(f"{find_preset(preset).name} loaded")

    @work
    async def action_save(self) -> None:
        """Save the choice as a preset."""
        try:
            experiment = experiment_of(self.choice(), self._base)
        except QrtuiError as error:
            self.report(error)
            return
        question = AskPath(
            "Save preset", "Where to? A preset is run again with: qrtui run FILE", f"{experiment.name}.toml"
        )
        typed = await self.app.push_screen_wait(question)
        if typed:
            path = Path(typed).expanduser()
            if path.exists():
                replace = Question("Replace the file?", f"{path} is there already.", replace="Replace", keep="Keep it")
                if await self.app.push_screen_wait(replace) != "replace":
                    return
            try:
                save_preset(experiment, path)
            except QrtuiError as error:
                self.report(error)
                return
            self.notify(f"Saved to {path.resolve()}")

    @work
    async def action_add_model(self) -> None:
        """Add a model that is not in the catalog."""
        typed = await self.app.push_screen_wait(AskPath("Other model", "A hub id, a folder, or a .gguf file", ""))
        if typed:
            models = self.query_one("#models", CheckList)
            models.show(items.model_items((*models.ticked, typed), self._rows))
            self._show_memory()
            self._replan()


def _field(label: str, id: str, placeholder: str, unit: str) -> Iterator[Any]:
    with Horizontal(classes="field-line"):
        yield Label(label, classes="field")
        yield Input(placeholder=placeholder, id=id, compact=True, max_length=7)
        yield Label(unit, classes="unit")


def _make_plan(experiment: Experiment, store: Any) -> Any:
    from qrtui.plan import make_plan

    return make_plan(experiment, store)
