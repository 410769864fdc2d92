from __future__ import annotations

from qrtui.results.store import Store
from qrtui.tui.screens.dialogs import Question
from qrtui.tui.screens.help import HelpScreen
from qrtui.tui.widgets.header import RoomTab

from . import filled
from .conftest import until


async def listed(app, pilot, runs: int) -> None:
    await until(pilot, lambda: app.screen.query("#runs") and app.screen.query_one("#runs").row_count == runs)


async def test_deleting_asks_first(opened, database):
    filled.fill(database)
    filled.fill(database, name="second")
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 2)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Question))
        await listed(app, pilot, 2)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("left", "enter")
        await listed(app, pilot, 1)
    with Store(database) as store:
        assert [run.name for run in store.runs()] == ["demo"]


async def test_a_stopped_run_is_resumed_with_its_own_experiment(opened, database, fake_run):
    filled.fill(database, judged=50, status="stopped")
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 1)
        await pilot.press("r")
        await until(pilot, lambda: fake_run.experiments)
        assert fake_run.experiments == [filled.EXPERIMENT]
        assert app.current_mode == "run"


async def test_the_chosen_run_shows_its_table(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 1)
        await until(pilot, lambda: app.screen.query_one("#chosen-conditions").row_count == 9)


async def test_help_explains_keys_and_words_of_every_room(opened):
    async with opened() as (app, pilot):
        for key in "1234":
            await pilot.press(key, "question_mark")
            await until(pilot, lambda: isinstance(app.screen, HelpScreen))
            text = "\n".join(str(part.content) for part in app.screen.query("#help Static"))
            assert "pass@1" in text
            assert "the quantized model is more robust" in text
            assert "go to Setup, Run, Compare, History" in text
            await pilot.press("escape")


async def test_the_mouse_goes_from_room_to_room_and_the_palette_knows_every_action(opened):
    async with opened() as (app, pilot):
        await pilot.click(list(app.screen.query(RoomTab))[2])
        await until(pilot, lambda: app.current_mode == "compare")
        offered = {command.title for command in app.get_system_commands(app.screen)}
        assert {
            "Go to the next task where the two diverge",
            "Copy the case as Markdown",
            "Go to Setup",
            "Quit",
        } <= offered


async def test_compare_and_run_show_the_latest_run_unasked(opened, database):
    run = filled.fill(database)
    async with opened() as (app, pilot):
        await pilot.press("3")
        await until(pilot, lambda: app.shown_run == run)
        await pilot.press("2")
        await until(pilot, lambda: app.opened is not None and app.opened.id == run)
