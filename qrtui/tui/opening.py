"""Opens the app on a terminal, and closes it cleanly."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qrtui.spec import Experiment

_SWITCH_SECONDS = 0.001


def open_app(
    database: Path, experiment: Experiment | None = None, *, start: bool = False, allow_unsafe_judge: bool = False
) -> int:
    """Open the app on this terminal and return the exit code when it is closed.

    While it is open, nothing else reaches the terminal; afterwards two lines there say what became of the last run.
    """
    from qrtui.paths import log_file
    from qrtui.tui.app import QrtuiApp
    from qrtui.tui.screen_guard import guarded_screen

    # How long the engine's Python may keep the interpreter when the screen wants it; the default is five times that.
    sys.setswitchinterval(_SWITCH_SECONDS)
    app = QrtuiApp(database, experiment, start, allow_unsafe_judge)
    with guarded_screen(log_file()):
        app.run()
    for line in app.state.summary():
        print(line)
    if app.return_code:
        print(f"qrtui ended by an error; the whole of it is in {log_file()}", file=sys.stderr)
    if app.engine.busy:
        # The engine is inside a library that does not return; all that it judged is committed.
        sys.stdout.flush()
        os._exit(app.return_code or 0)
    return app.return_code or 0
