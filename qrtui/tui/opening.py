"""Opens the app on a terminal, and closes it cleanly."""

from __future__ import annotations

import faulthandler
import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qrtui.spec import Experiment

_SWITCH_SECONDS = 0.001
_CLOSING_SECONDS = 2.0
_TICKS_PER_SECOND = "120"


def open_app(
    database: Path, experiment: Experiment | None = None, *, start: bool = False, allow_unsafe_judge: bool = False
) -> int:
    """Open the app on this terminal and return the exit code when it is closed.

    While it is open, nothing else reaches the terminal; afterwards two lines there say what became of the last run.
    However it ends, the terminal is as it was. Raises SettingsError before anything is drawn.
    """
    from qrtui.paths import database_option, log_file
    from qrtui.settings import read_settings
    from qrtui.tui.guardian import ended_under_guard, tell_guardian_all_is_well

    settings = read_settings()
    ended = ended_under_guard()
    if ended is not None:
        return ended
    # Nothing made before the first paint is garbage; the app turns the collector on again.
    gc.disable()
    # What a key changed is drawn at the next tick, often the one after it; at Textual's 60 a second that is felt.
    os.environ.setdefault("TEXTUAL_FPS", _TICKS_PER_SECOND)
    # After the fork, which copies what is in memory as it is written to.
    from qrtui.tui.app import QrtuiApp
    from qrtui.tui.screen_guard import guarded_screen

    # How long the engine's Python may keep the interpreter when the screen wants it; the default is five times that.
    sys.setswitchinterval(_SWITCH_SECONDS)
    app = QrtuiApp(database, experiment, start, allow_unsafe_judge)
    app.settle(settings)
    with guarded_screen(log_file()):
        # Descriptor 2 leads to the log now: a native crash leaves its traceback there.
        faulthandler.enable(file=2)
        app.run(mouse=settings.mouse)
        faulthandler.disable()
    tell_guardian_all_is_well()
    for line in app.state.summary(database_option(database)):
        print(line)
    if app.return_code:
        print(f"qrtui ended by an error; the whole of it is in {log_file()}", file=sys.stderr)
    if app.engine.busy or not app.engine.close(_CLOSING_SECONDS):
        # The engine is inside a library that does not return; all that it judged is committed.
        sys.stdout.flush()
        os._exit(app.return_code or 0)
    return app.return_code or 0
