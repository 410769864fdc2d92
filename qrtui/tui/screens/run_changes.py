"""What can be done to a run in History: a name, tags, a copy in a folder, deleting it and bringing it back."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work

from qrtui.errors import QrtuiError
from qrtui.paths import expanded
from qrtui.printable import printable
from qrtui.tui.screens.ask_words import AskWords
from qrtui.tui.screens.dialogs import AskPath, Question

if TYPE_CHECKING:
    from qrtui.results.planned import RunRows
    from qrtui.results.records import RunRecord

_KEPT_DELETIONS = 5


class RunChanges:
    """The actions of a screen that says which run is `chosen`, and shows the runs anew on `read_again`."""

    app: Any
    notify: Any
    report: Any
    refresh_bindings: Any
    chosen: RunRecord | None

    def __init__(self) -> None:
        super().__init__()
        self._deleted: deque[RunRows] = deque(maxlen=_KEPT_DELETIONS)

    def read_again(self) -> None:
        """A run was changed."""
        raise NotImplementedError

    def forget(self, run: int) -> None:
        """A run was deleted."""

    def restored(self, run: int) -> None:
        """A deleted run is back; it will be in what is read next."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Undo is offered only where something was deleted."""
        return bool(self._deleted) if action == "undo" else True

    @work
    async def action_rename(self) -> None:
        """Give the chosen run another name."""
        run = self.chosen
        if run is None:
            return
        name = await self.app.push_screen_wait(AskWords(f"The name of run {run.id}", "One line.", run.name))
        if name:
            await self._change(lambda store: store.rename_run(run.id, name))

    @work
    async def action_tag(self) -> None:
        """Give the chosen run tags: words to find it by."""
        run = self.chosen
        if run is None:
            return
        text = "Words to find it by, with spaces between them."
        tags = await self.app.push_screen_wait(AskWords(f"Tags of run {run.id}", text, " ".join(run.tags)))
        if tags is not None:
            await self._change(lambda store: store.tag_run(run.id, tags.replace(",", " ").split()))

    @work
    async def action_export(self) -> None:
        """Write all of the chosen run into a folder, for another machine."""
        run = self.chosen
        if run is None:
            return
        text = "A folder that is not there yet. On another machine: qrtui import FOLDER"

        async def attempt(typed: str) -> None:
            folder = expanded(typed).absolute()
            await asyncio.to_thread(_export, self.app.database, run.id, folder)
            self.notify(f"Run {run.id} is in {folder}", markup=False)

        await self.app.push_screen_wait(AskPath(f"Export run {run.id}", text, f"qrtui-run-{run.id}", attempt))

    @work
    async def action_delete(self) -> None:
        """Forget the chosen run, after asking."""
        run = self.chosen
        if run is None:
            return
        if run.id == self.app.state.run and self.app.state.under_way:
            self.notify("This run is under way. Stop it first: 2, then x.", severity="warning")
            return
        text = "Its completions and verdicts stay in the database: the same experiment, run again, finds them."
        question = Question(f"Delete run {run.id}, {printable(run.name)}?", text, delete="Delete", keep="Keep")
        if await self.app.push_screen_wait(question) != "delete":
            return
        rows = await self._change(lambda store: store.delete_run(run.id))
        if rows is not None:
            self._deleted.append(rows)
            self.forget(run.id)
            self.app.forget(run.id)
            self.refresh_bindings()
            self.notify(f"Run {run.id} deleted; u brings it back")

    @work
    async def action_undo(self) -> None:
        """Bring back the run that was deleted last."""
        if not self._deleted:
            return
        rows = self._deleted.pop()
        self.refresh_bindings()
        number = await self._change(lambda store: store.restore_run(rows))
        if number is not None:
            self.restored(number)
            again = "" if number == rows.id else f", now as run {number}"
            self.notify(f"Run {rows.id} is back{again}")

    async def _change(self, change: Any) -> Any:
        """What `change` returns for the store; the list is read again. None where it failed, which is then shown."""
        try:
            return await self.app.reader.ask(change)
        except QrtuiError as error:
            self.report(error)
            return None
        finally:
            self.read_again()


def _export(database: Path, run: int, folder: Path) -> None:
    from qrtui.results.exchange.exporting import export_run
    from qrtui.results.store import Store

    with Store(database) as store:
        export_run(store, store.run(str(run)), folder)
