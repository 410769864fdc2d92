"""A case copied or saved: always in a file, since a terminal does not say whether it took a copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qrtui.counting import counted
from qrtui.errors import QrtuiError
from qrtui.paths import cache
from qrtui.tui.case_shown import ShownCase

if TYPE_CHECKING:
    from qrtui.tui.app import QrtuiApp

_LONGEST_SAID = 8


async def take_case(app: QrtuiApp, run: int, shown: ShownCase, sample: int, how: str) -> None:
    """Take the shown case along: `copy` it, or save it as `text` or `picture` in the current folder.

    The texts hold every sample, the picture the one that is shown.
    """
    from qrtui.results.case import case_file_stem, case_markdown
    from qrtui.results.case_svg import case_svg

    try:
        record = await app.reader.ask(lambda store: store.run(str(run)))
    except QrtuiError as error:
        app.report(error)
        return
    task = shown.task.task
    stem = case_file_stem(run, task)
    if how == "picture":
        kinds = dict.fromkeys(case.condition.perturbation for case in shown.cases)
        four = [case for kind in kinds for case in shown.both(kind, sample) if case is not None]
        save(app, case_svg(record, task, four, dark=app.current_theme.dark), f"{stem}.svg")
    elif how == "text":
        save(app, case_markdown(record, task, shown.cases), f"{stem}.md")
    else:
        copy(app, case_markdown(record, task, shown.cases), f"{stem}.md")


def copy(app: QrtuiApp, text: str, name: str) -> None:
    """Copy a text by way of the terminal, keep it in the file `name` of the cache too, and say both."""
    app.copy_to_clipboard(text)
    path = cache("copied", name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        app.notify(f"Copied, if the terminal allows it. {path} cannot be written: {error.strerror}", severity="warning")
        return
    lines = counted(len(text.splitlines()), "line")
    app.notify(f"{lines} copied, if the terminal allows it; saved to {path} too.", timeout=_LONGEST_SAID)


def save(app: QrtuiApp, text: str, name: str) -> None:
    """Save a text under a new name in the current folder and say where; a taken name gets a number."""
    path = unused(Path.cwd() / name)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        app.report(QrtuiError(f"{path} cannot be written: {error.strerror}", "start qrtui in a folder of yours"))
        return
    app.notify(f"Saved to {path}", timeout=_LONGEST_SAID)


def unused(path: Path) -> Path:
    """The path, or the first like it with a number that is not taken."""
    candidates = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, 1000))]
    return next((candidate for candidate in candidates if not candidate.exists()), path)
