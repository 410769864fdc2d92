"""Setup: what to run, and what it will cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Button, Input, Label, Select, SelectionList, Static

from qrtui.errors import QrtuiError
from qrtui.generate.settings import PromptStyle
from qrtui.models.precisions import PRECISIONS
from qrtui.perturb.attack import Attack
from qrtui.tui.choice import PLAIN, Choice, experiment_of, typed_of
from qrtui.tui.screens import setup_items as items
from qrtui.tui.screens.dialogs import Question
from qrtui.tui.screens.setup_edits import EditsOfSetup
from qrtui.tui.screens.setup_example import ExamplePanel, PlanPanel, example_of
from qrtui.tui.widgets.checklist import CheckList
from qrtui.tui.widgets.cost_line import CostLine, plan_as_table
from qrtui.tui.widgets.panel import Panel
from qrtui.tui.wording import in_bytes

if TYPE_CHECKING:
    from textual.timer import Timer

    from qrtui.plan import Plan
    from qrtui.results.store import Store
    from qrtui.spec import Experiment

_TYPING_PAUSE = 0.25
_FIRST_PAUSE = 1.25

_FIELDS = {
    "max_new_tokens": ("max tokens", "new tokens of a completion at most"),
    "temperature": ("temperature", "0 is greedy, as in the paper"),
    "samples": ("samples", "completions of each prompt; above 1 only with a temperature above 0"),
    "batch_size": ("batch", "prompts decoded together, or auto"),
    "seed": ("seed", "fixes attacks, noise and sampling"),
    "device": ("device", "auto, cpu, cuda or cuda:N"),
}
"""The fields of generation: a preset's key, what the screen calls it, and what it means."""


class SetupScreen(EditsOfSetup):
    """Pick models, precisions, perturbations and tasks; the line at the bottom says what the choice costs."""

    ROOM = "setup"
    CSS_PATH = "setup.tcss"
    BINDINGS = [
        Binding("r", "run", "Run"),
        Binding("ctrl+r", "run", "Run", show=False),
        Binding("ctrl+s", "save", "Save", key_display="^s"),
        Binding("ctrl+o", "load", "Load", key_display="^o"),
        Binding("m", "add_model", "Model"),
        Binding("e", "edit_attack", "Edit attack"),
        Binding("v", "add_variant", "Variant"),
        Binding("t", "pick_tasks", "Tasks"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._base = PLAIN
        self._plan_made: Plan | None = None
        self._replan_timer: Timer | None = None
        self._has_planned = False
        self._painted = False

    def body(self) -> ComposeResult:
        """Preset and name, six panels, and the line that says the cost."""
        with Horizontal(id="preset-line"):
            yield Label("preset", classes="field")
            yield Select[str]([], prompt="choose", id="preset", compact=True)
            yield Label("name", classes="field")
            yield Input(id="name", compact=True, max_length=60)
            yield Static("", id="preset-description", markup=False)
        with Horizontal(id="setup-top"):
            with Panel("Models, and the memory they need", id="models-panel"):
                yield CheckList(id="models")
            with Panel("Precisions", id="precisions-panel"):
                with Horizontal(classes="field-line"):
                    yield Label("original", classes="field")
                    yield Select([(name, name) for name in PRECISIONS], id="baseline", compact=True, allow_blank=False)
                    yield Label("", id="baseline-memory", classes="unit")
                yield CheckList(id="quantized")
        with Horizontal(id="setup-bottom"):
            with Panel("Prompt attacks", id="attacks-panel"):
                yield CheckList(id="attacks")
            with Panel("Weight noise", id="noise-panel"), Horizontal():
                with Panel("", id="noise-levels", classes="bare"):
                    yield CheckList(id="levels")
                    yield Input(placeholder="+ level", id="own-level", compact=True, max_length=8)
                with Panel("", id="noise-kinds", classes="bare"):
                    yield CheckList(id="kinds")
                    yield CheckList(id="protocols")
            with Panel("Tasks", id="tasks-panel"):
                yield CheckList(id="datasets")
                with Horizontal(classes="field-line"):
                    yield Label("first", classes="field")
                    yield Input(placeholder="all", id="limit", compact=True, max_length=6)
                    yield Label("of each", classes="unit", id="of-each")
                    yield Button("Pick", id="pick-tasks", compact=True)
        with Panel("Generation", id="generation-panel"):
            yield from _generation()
        yield Horizontal(id="plan-row")
        with Horizontal(id="cost"):
            yield Button("Run", id="start", compact=True, variant="primary")
            yield CostLine(id="cost-line")

    def on_mount(self) -> None:
        """Fill in what the app was opened with, else the settings' preset."""
        self.fill(self.first_experiment())
        self.query_one("#models").focus()
        self.call_after_refresh(self._look_around)

    @work(exclusive=True, group="models")
    async def _look_around(self) -> None:
        """What needs imports and files waits for the first paint."""
        await self.query_one("#plan-row").mount(PlanPanel(), ExamplePanel())
        self._painted = True
        self.replan()
        self.machine = await asyncio.to_thread(items.look_around)
        self.show_memory()
        self.replan()

    def fill(self, experiment: Experiment) -> None:
        """Show an experiment; what the widgets do not show of it (its description) is kept for the run."""
        self._base = experiment
        self.picked = experiment.tasks.tasks
        self.variants = list(dict.fromkeys([*self.variants, *experiment.attacks]))
        with self.prevent(Select.Changed, Input.Changed):
            self.query_one("#name", Input).value = experiment.name
            self.query_one("#baseline", Select).value = experiment.precisions.baseline
            self.query_one("#prompt-style", Select).value = experiment.generation.prompt
            for key, text in typed_of(experiment).items():
                self.query_one(f"#{key.replace('_', '-')}", Input).value = text
        for name, lines in items.all_items(experiment, self.machine, self.variants):
            self.query_one(f"#{name}", CheckList).show(lines)
        self.query_one("#preset-description", Static).update(experiment.description)
        self.show_picked()
        self.show_memory()
        self.replan()

    # The choice

    def choice(self) -> Choice:
        """What the widgets say."""
        ticked: Any = self.ticked
        return Choice(
            name=self.query_one("#name", Input).value,
            models=ticked("models"),
            baseline=self._baseline,
            quantized=ticked("quantized"),
            attacks=tuple(attack for attack in ticked("attacks") if isinstance(attack, Attack)),
            noise_kinds=ticked("kinds"),
            noise_levels=ticked("levels"),
            noise_protocols=ticked("protocols"),
            datasets=ticked("datasets"),
            tasks=self.picked,
            prompt=str(self.query_one("#prompt-style", Select).value),
            typed={key: self.query_one(f"#{key.replace('_', '-')}", Input).value for key in ("limit", *_FIELDS)},
        )

    def experiment(self) -> Experiment:
        """The experiment that is picked. Raises PresetError."""
        return experiment_of(self.choice(), self._base)

    @property
    def _baseline(self) -> str:
        return str(self.query_one("#baseline", Select).value)

    @on(SelectionList.SelectedChanged)
    @on(Input.Changed)
    @on(Select.Changed, "#prompt-style")
    def _changed(self) -> None:
        self.replan()

    @on(Select.Changed, "#baseline")
    @on(SelectionList.SelectedChanged, "#models, #quantized")
    def _weights_changed(self) -> None:
        self.show_memory()
        self.replan()

    def show_memory(self) -> None:
        """What the models need in the ticked precisions, what these need for the ticked models, and whether it fits."""
        models, quantized = self.query_one("#models", CheckList), self.query_one("#quantized", CheckList)
        baseline, chosen = self._baseline, [name for name in quantized.ticked if name != self._baseline]
        quantized.show(items.precision_items(baseline, chosen, models.ticked, self.machine))
        models.show(items.model_items(models.ticked, (baseline, *chosen), self.machine))
        needs = items.memory_of(baseline, models.ticked, self.machine)
        self.query_one("#baseline-memory", Label).update(in_bytes(needs) if needs else "")

    def replan(self) -> None:
        """Say what the choice costs as soon as it rests."""
        if self._replan_timer is not None:
            self._replan_timer.stop()
        self._plan_made = None
        if self._painted:
            pause = _TYPING_PAUSE if self._has_planned else _FIRST_PAUSE
            self._replan_timer = self.set_timer(pause, self._plan_if_shown)

    def _plan_if_shown(self) -> None:
        # Planning imports language data, which would slow whoever went straight on to the Playground.
        self._has_planned = True
        if self.app.screen is self:
            self._plan()

    def on_screen_resume(self) -> None:
        """Another room was shown meanwhile."""
        super().on_screen_resume()
        if self._has_planned and self._plan_made is None:
            self.replan()

    @work(exclusive=True, group="plan")
    async def _plan(self) -> None:
        """Say what the choice costs, or why it cannot be run."""
        line = self.query_one(CostLine)
        try:
            experiment = self.experiment()
            line.working()
            plan, warnings = await self.app.planner.ask(lambda store: _make_plan(experiment, store))
        except QrtuiError as error:
            line.impossible(error)
        else:
            self._plan_made = plan
            line.show(plan, len(experiment.models), self._to_fetch(), self.machine.memory, own_code=warnings)
            # A plan may come while the app closes, and part of the screen is gone.
            for table in self.query("#plan-table").results(Static):
                table.update(plan_as_table(plan))
            self.show_example()

    @on(SelectionList.SelectionHighlighted, "#attacks")
    def show_example(self) -> None:
        """What the attack under the cursor does to the first task, where there is room to say it."""
        if not self.has_class("-very-tall"):
            return
        for panel in self.query(ExamplePanel):
            panel.show(*example_of(self._plan_made, self.query_one("#attacks", CheckList).at_cursor))

    def _to_fetch(self) -> int:
        """Bytes of the ticked models that are not here; 0 also where nobody knows."""
        models = self.ticked("models")
        return sum(row.fetch_bytes or 0 for row in self.machine.rows if row.name in models)

    # Actions

    @on(Button.Pressed, "#start")
    @work
    async def action_run(self) -> None:
        """Run what is picked."""
        try:
            experiment = self.experiment()
            warnings = await asyncio.to_thread(items.code_warnings, experiment)
        except QrtuiError as error:
            self.report(error)
            return
        plan = self._plan_made
        if await self._is_trusted(warnings) and (plan is None or await self._is_wanted(plan)):
            self.app.start_run(experiment)

    async def _is_trusted(self, warnings: Mapping[str, str]) -> bool:
        """Whether a model's own code may run, now that the person has seen which."""
        if not warnings:
            return True
        question = Question("A model's own code", "\n".join(warnings.values()), run="Run it", back="Back")
        return await self.app.push_screen_wait(question) == "run"

    async def _is_wanted(self, plan: Plan) -> bool:
        """Whether a run that will probably fail is wanted all the same."""
        room = self.machine.memory
        if not room or not plan.memory or plan.memory <= room:
            return True
        needs = f"The largest weights take {in_bytes(plan.memory)}; this machine has {in_bytes(room)}."
        question = Question("It is too large", needs, run="Run it all the same", back="Back")
        return await self.app.push_screen_wait(question) == "run"


def _generation() -> Iterator[Any]:
    for key, (title, meaning) in _FIELDS.items():
        yield Label(title, classes="field")
        entry = Input(id=key.replace("_", "-"), compact=True, max_length=9)
        entry.tooltip = meaning
        yield entry
        if key == "batch_size":
            yield Label("prompt", classes="field")
            styles = [(style, style) for style in get_args(PromptStyle)]
            yield Select(styles, id="prompt-style", compact=True, allow_blank=False)


def _make_plan(experiment: Experiment, store: Store) -> tuple[Plan, dict[str, str]]:
    from qrtui.plan import make_plan

    return make_plan(experiment, store, counting=True), items.code_warnings(experiment)
