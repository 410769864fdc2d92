"""The app's side of the settings: themes, remapped keys, and what Ctrl+C does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual.app import App
from textual.screen import ModalScreen

from qrtui.errors import QrtuiError
from qrtui.tui.screens.dialogs import Dialog
from qrtui.tui.themes import OURS, filters_for, first_theme, variables_of

if TYPE_CHECKING:
    from textual.theme import Theme

    from qrtui.settings import Settings

    _App = App[None]
else:
    _App = object

_LONG_ENOUGH_TO_READ = 15


class Personal(_App):
    """For the app: what a person settled is used, and a theme that is chosen is remembered."""

    def settle(self, settings: Settings | None) -> None:
        """Take the settings; without any (in tests) nothing is remembered either."""
        from qrtui.settings import Settings

        self._remembers = settings is not None
        self.settings = settings or Settings()
        self._set_theme()
        self.keymap: dict[str, str] = {}
        """The keys that the settings give to actions, by id, as far as they can be used."""

    def _set_theme(self) -> None:
        """Use the settings' theme, else the one that suits the terminal.

        Before the app runs: a theme changed later has the stylesheet parsed again, which delays the first paint.
        """
        for theme in OURS:
            self.register_theme(theme)
        wanted = os.environ.get("QRTUI_THEME") or self.settings.theme
        colours = self.console.color_system
        name, self._theme_problem = first_theme(wanted, self.available_themes, colours, no_color=self.no_color)
        self._remembered = name
        self.set_reactive(App.theme, name)
        self.stylesheet.set_variables(self.get_css_variables())
        self._refresh_truecolor_filter(self.ansi_theme)
        for mode in ("dark", "light"):
            self.set_class(self.current_theme.dark is (mode == "dark"), f"-{mode}-mode", update=False)
        self._filters = filters_for(self._filters, no_color=self.no_color)

    def follow_theme(self) -> None:
        """Remember themes from now on, and say what was wrong with the first one."""
        self.theme_changed_signal.subscribe(self, self._remember)
        if self._theme_problem:
            self._warn(self._theme_problem)

    def _remember(self, theme: Theme) -> None:
        if not self._remembers or theme.name == self._remembered:
            return
        self._remembered = theme.name
        from qrtui.settings import remember_theme

        try:
            remember_theme(theme.name)
        except QrtuiError as error:
            self._warn(str(error))

    def set_keys(self) -> None:
        """Use the settings' keys; after the first paint, since telling whether they are right imports every room."""
        if not self.settings.keys:
            return
        from qrtui.tui.keys import usable_keys

        self.keymap, lines = usable_keys(self.settings.keys)
        self.set_keymap(self.keymap)
        for line in lines:
            self._warn(line)

    def _warn(self, line: str) -> None:
        self.notify(line, title="Settings", severity="warning", timeout=_LONG_ENOUGH_TO_READ, markup=False)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The app's own colours beside the theme's."""
        return variables_of(self.current_theme)

    def action_next_theme(self) -> None:
        """Take the next of the app's own themes."""
        names = [theme.name for theme in OURS]
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]
        self.notify(f"{self.theme}; Ctrl+P, Theme has more", title="Theme", timeout=2)

    async def action_interrupt(self) -> None:
        """Ctrl+C: leave a dialog or a text field; copy what is selected; else quit, which asks during a run."""
        field = self.focused
        # A field that is entered has all of its line selected: that is no wish to copy it.
        selected = getattr(field, "selected_text", "")
        if isinstance(self.screen, ModalScreen):
            await self.screen.run_action("harmless" if isinstance(self.screen, Dialog) else "dismiss")
        elif selected and selected != getattr(field, "value", None):
            self.copy_to_clipboard(selected)
        elif hasattr(field, "selected_text"):
            self.screen.set_focus(None)
        elif words := self.screen.get_selected_text():
            self.copy_to_clipboard(words)
        else:
            await self.run_action("quit")
