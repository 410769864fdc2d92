"""Setup's dialogs: another model, an attack's parameters, a noise level of one's own, tasks picked by hand."""

from __future__ import annotations

from textual import on, work
from textual.widgets import Button, Input, SelectionList

from qrtui.errors import QrtuiError
from qrtui.perturb.attack import Attack
from qrtui.perturb.naming import level_name
from qrtui.tui.choice import number
from qrtui.tui.screens import setup_items as items
from qrtui.tui.screens.dialogs import AskPath
from qrtui.tui.screens.setup_presets import PresetsOfSetup
from qrtui.tui.widgets.checklist import CheckList


class EditsOfSetup(PresetsOfSetup):
    """The part of Setup in which lists get other lines than the shipped ones."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = items.Machine()
        self.variants: list[Attack] = []
        """Attacks that are offered beside the defaults, picked or not."""
        self.picked: tuple[str, ...] = ()
        """Ids of the tasks picked by hand; empty for whole data sets."""

    def ticked(self, name: str) -> tuple[object, ...]:
        """The ticked values of a list, by its id."""
        return self.query_one(f"#{name}", CheckList).ticked

    def show_memory(self) -> None:
        """Bring the lines that depend on other lists up to date."""
        raise NotImplementedError

    def replan(self) -> None:
        """The choice has changed."""
        raise NotImplementedError

    @work
    async def action_add_model(self) -> None:
        """Add a model that is not in the catalog."""
        from qrtui.models.catalog import resolve

        async def attempt(typed: str) -> None:
            name = resolve(typed).name
            models = self.query_one("#models", CheckList)
            models.show(items.model_items((*models.ticked, typed), (), self.machine))
            self.show_memory()
            # Where it may be out of sight, below all that the catalog has.
            models.go_to(typed, name)
            models.focus()
            self.replan()

        await self.app.push_screen_wait(AskPath("Other model", "A hub id, a folder, or a .gguf file", "", attempt))

    # Attacks

    def action_edit_attack(self) -> None:
        """Change the parameters of the attack under the cursor."""
        self._edit_attack(adding=False)

    def action_add_variant(self) -> None:
        """Add another variant of the attack under the cursor."""
        self._edit_attack(adding=True)

    @on(SelectionList.SelectionToggled, "#attacks")
    def _is_toggled(self, event: SelectionList.SelectionToggled) -> None:
        if isinstance(event.selection.value, str):
            # A kind without defaults cannot be ticked before its parameters are known.
            with self.prevent(SelectionList.SelectedChanged):
                event.selection_list.deselect(event.selection.value)
            self._edit_attack(adding=False)

    @work
    async def _edit_attack(self, *, adding: bool) -> None:
        from qrtui.tui.screens.attack_dialog import AttackDialog

        attacks = self.query_one("#attacks", CheckList)
        at = attacks.at_cursor
        chosen = [attack for attack in attacks.ticked if isinstance(attack, Attack)]
        given = at if isinstance(at, Attack) else None
        kind = given.kind() if given else str(at)
        changed = await self.app.push_screen_wait(AttackDialog(kind, given, [*chosen, *self.variants], adding=adding))
        if changed is None:
            return
        if changed.way != "add":
            chosen = [attack for attack in chosen if attack != given]
            self.variants = [attack for attack in self.variants if attack != given]
        if changed.way != "remove":
            chosen.append(changed.attack)
            self.variants.append(changed.attack)
        attacks.show(items.attack_items(chosen, self.variants))
        attacks.focus()
        self.replan()

    # Noise

    @on(Input.Submitted, "#own-level")
    def _level_typed(self, event: Input.Submitted) -> None:
        try:
            level = number(event.value, "noise level")
        except QrtuiError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        levels = self.query_one("#levels", CheckList)
        offered = [levels.get_option_at_index(at).value for at in range(levels.option_count)]
        levels.show(items.level_items(offered, (*levels.ticked, level)))
        event.input.value = ""
        self.notify(f"Level {level_name(level)} is picked", timeout=2)
        self.replan()

    # Tasks

    @on(Button.Pressed, "#pick-tasks")
    @work
    async def action_pick_tasks(self) -> None:
        """Pick tasks by hand, with a search."""
        from qrtui.tui.screens.task_picker import TaskPicker

        datasets = self._datasets()
        if not datasets:
            self.notify("Tick a data set first", severity="warning")
            return
        picked = await self.app.push_screen_wait(TaskPicker(datasets, self.picked))
        if picked is not None:
            self.picked = picked
            if picked:
                # Who picked 30 tasks does not want the first 20 of them.
                self.query_one("#limit", Input).value = ""
            self.show_picked()
            self.replan()

    def _datasets(self) -> list[str]:
        from qrtui.tasks.datasets import dataset_of

        datasets = [str(name) for name in self.ticked("datasets")]
        return datasets or list(dict.fromkeys(dataset_of(task) for task in self.picked))

    @on(SelectionList.SelectedChanged, "#datasets")
    def _datasets_changed(self) -> None:
        """Tasks picked in a data set go with it."""
        names = {str(name).removesuffix("+") for name in self.ticked("datasets")}
        if names and not any(name.endswith(".jsonl") for name in names):
            self.picked = tuple(task for task in self.picked if task.partition("/")[0].lower() in names)
        self.show_picked()

    def show_picked(self) -> None:
        """Say in the panel's title how many tasks are picked by hand."""
        title = f"Tasks: {len(self.picked):,} picked by hand" if self.picked else "Tasks"
        self.query_one("#tasks-panel").border_title = title
