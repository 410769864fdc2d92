"""Setup's presets: those that ship, those that a person saved, and files anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.widgets import Select

from qrtui.errors import PresetError, QrtuiError
from qrtui.paths import is_file
from qrtui.presets import (
    file_to_save,
    find_preset,
    load_preset,
    own_presets,
    own_presets_folder,
    preset_names,
    save_preset,
)
from qrtui.tui.choice import PLAIN
from qrtui.tui.screens.dialogs import AskPath, Question
from qrtui.tui.screens.framed import FramedScreen

if TYPE_CHECKING:
    from qrtui.spec import Experiment


class PresetsOfSetup(FramedScreen):
    """The part of Setup that loads and saves presets."""

    def list_presets(self, chosen: str = "") -> None:
        """Fill the list of presets: the shipped ones by name, then the person's own; `chosen` is a name or a path."""
        names, own = preset_names(), own_presets()
        preset = self.query_one("#preset", Select)
        with self.prevent(Select.Changed):
            mine = [(f"{name} (yours)" if name in names else name, str(path)) for name, path in own.items()]
            preset.set_options([*((name, name) for name in names), *mine])
            value = str(own[chosen]) if chosen in own and chosen not in names else chosen
            if value in (*names, *(path for _, path in mine)):
                preset.value = value

    def first_experiment(self) -> Experiment:
        """What Setup opens with: what the app was given, else the settings' preset."""
        if self.app.given is not None:
            self.list_presets()
            return self.app.given
        wanted = self.app.settings.preset
        self.list_presets(wanted)
        try:
            return load_preset(wanted)
        except QrtuiError as error:
            self.call_after_refresh(self.report, error)
            return PLAIN

    def fill(self, experiment: Experiment) -> None:
        """Show an experiment."""
        raise NotImplementedError

    def experiment(self) -> Experiment:
        """The experiment that is picked. Raises PresetError."""
        raise NotImplementedError

    @on(Select.Changed, "#preset")
    def _preset_chosen(self, event: Select.Changed) -> None:
        if event.value is not Select.NULL:
            try:
                self._load(str(event.value))
            except QrtuiError as error:
                self.report(error)

    @work
    async def action_load(self) -> None:
        """Load a preset from a file."""

        async def attempt(typed: str) -> None:
            self._load(typed)
            self.list_presets(typed)

        await self.app.push_screen_wait(
            AskPath("Load preset", "A preset's file (.toml), or a preset's name", "", attempt)
        )

    def _load(self, preset: str) -> None:
        self.fill(load_preset(preset))
        self.notify(f"{find_preset(preset).name} loaded", markup=False)

    @work
    async def action_save(self) -> None:
        """Save the choice as a preset."""
        try:
            experiment = self.experiment()
        except QrtuiError as error:
            self.report(error)
            return
        words = "A name, or a path. Those in this folder are listed in Setup and run by name: qrtui run NAME"
        name = experiment.name.replace("/", "-")
        # The name of a shipped one goes on to mean that one.
        file = own_presets_folder() / f"{f'my-{name}' if name in preset_names() else name}.toml"

        async def attempt(typed: str) -> None:
            path = file_to_save(typed)
            await self._refuse_to_replace(path)
            save_preset(experiment, path)
            self.list_presets(str(path))
            self.notify(f"Saved to {path.resolve()}", markup=False)

        await self.app.push_screen_wait(AskPath("Save preset", words, str(file), attempt))

    async def _refuse_to_replace(self, path: Path) -> None:
        """Raise PresetError where the file is there and the person wants to keep it."""
        if is_file(path):
            replace = Question("Replace the file?", f"{path} is there already.", replace="Replace", keep="Keep it")
            if await self.app.push_screen_wait(replace) != "replace":
                raise PresetError(f"{path} is kept as it is", "give another name")
