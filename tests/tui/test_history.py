from __future__ import annotations

import pytest
from textual.widgets import Input

from qrtui.results.exchange.importing import import_run
from qrtui.results.store import Store
from qrtui.tui.screens.ask_words import AskWords
from qrtui.tui.screens.dialogs import AskPath, Question
from qrtui.tui.screens.help import HelpScreen
from qrtui.tui.screens.two_runs import TwoRuns
from qrtui.tui.widgets.header import RoomTab

from . import filled
from .conftest import until


async def listed(app, pilot, runs: int) -> None:
    await until(pilot, lambda: app.screen.query("#runs") and app.screen.query_one("#runs").row_count == runs)


async def test_deleting_asks_first_and_can_be_undone(opened, database):
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
        await pilot.press("u")
        await listed(app, pilot, 2)
        await pilot.press("u")
    with Store(database) as store:
        assert [(run.id, run.name, run.judged) for run in store.runs()] == [(2, "second", 180), (1, "demo", 180)]


async def test_the_cursor_is_on_the_run_that_undo_brought_back(opened, database):
    for name in ("first", "second", "third"):
        filled.fill(database, name=name)
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 3)
        await pilot.press("j", "d")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("left", "enter")
        await listed(app, pilot, 2)
        await pilot.press("G")
        assert app.screen.chosen.name == "first"
        await pilot.press("u")
        await listed(app, pilot, 3)
        await until(pilot, lambda: app.screen.chosen.name == "second")
        await until(pilot, lambda: "second" in str(app.screen.query_one("#chosen-panel").border_title))


async def test_a_stopped_run_is_resumed_with_its_own_experiment(opened, database, fake_run):
    filled.fill(database, judged=50, status="stopped")
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 1)
        await pilot.press("r")
        await until(pilot, lambda: fake_run.experiments)
        assert fake_run.experiments == [filled.EXPERIMENT]
        assert app.current_mode == "run"


def offered(app) -> dict[str, str]:
    return {key: active.binding.description for key, active in app.screen.active_bindings.items()}


def in_the_palette(app) -> set[str]:
    return {command.title for command in app.get_system_commands(app.screen)}


RESUME, RERUN = "Resume an unfinished run", "Run a finished run's experiment again: nothing that is known is made again"


async def test_the_footer_says_whether_the_chosen_run_is_resumed_or_run_again(opened, database, fake_run):
    filled.fill(database)
    filled.fill(database, name="second", status="stopped")
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 2)
        await until(pilot, lambda: offered(app)["r"] == "Resume")
        await pilot.press("j")
        await until(pilot, lambda: offered(app)["r"] == "Rerun")
        assert {RESUME, RERUN} & in_the_palette(app) == {RERUN}
        await pilot.press("k")
        await until(pilot, lambda: offered(app)["r"] == "Resume")
        assert {RESUME, RERUN} & in_the_palette(app) == {RESUME}
        await pilot.press("j")
        await pilot.press("r")
        await until(pilot, lambda: fake_run.experiments)


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
            assert "go to Setup, Run, Compare, Charts, History" in text
            await pilot.press("escape")


async def test_the_mouse_goes_from_room_to_room_and_the_palette_knows_every_action(opened):
    async with opened() as (app, pilot):
        await pilot.click(list(app.screen.query(RoomTab))[2])
        await until(pilot, lambda: app.current_mode == "compare")
        assert {
            "Go to the next task where the two diverge",
            "Copy the case as Markdown",
            "Go to Setup",
            "Quit",
        } <= in_the_palette(app)


async def test_compare_and_run_show_the_latest_run_unasked(opened, database):
    run = filled.fill(database)
    async with opened() as (app, pilot):
        await pilot.press("3")
        await until(pilot, lambda: app.shown_run == run)
        await pilot.press("2")
        await until(pilot, lambda: app.opened is not None and app.opened.id == run)


def cells(app, column: str) -> list[str]:
    return [cell.plain for cell in app.screen.query_one("#runs").get_column(column)]


async def typed(app, pilot, dialog: type, words: str) -> None:
    """Answer a dialog that asks for a line."""
    await until(pilot, lambda: isinstance(app.screen, dialog))
    app.screen.query_one(Input).value = words
    await pilot.press("enter")
    await until(pilot, lambda: not isinstance(app.screen, dialog))


async def test_runs_get_names_and_tags_and_are_found_by_them(opened, database):
    for name in ("demo", "night", "paper"):
        filled.fill(database, name=name)
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 3)
        await pilot.press("t")
        await typed(app, pilot, AskWords, "gpu, long  gpu")
        await until(pilot, lambda: cells(app, "tags")[0] == "gpu long")
        await pilot.press("j", "n")
        await typed(app, pilot, AskWords, "equal dose")
        await until(pilot, lambda: cells(app, "name") == ["paper", "equal dose", "demo"])
        await pilot.press("slash", *"gpu")
        await listed(app, pilot, 1)
        assert "1 of 3" in str(app.screen.query_one("#runs-panel").border_title)
        await pilot.press(*" none")
        await until(pilot, lambda: app.screen.query_one("#no-match").display)
        await pilot.press("escape", "escape")
        await listed(app, pilot, 3)
        await pilot.press("t")
        await typed(app, pilot, AskWords, "")
    with Store(database) as store:
        assert [run.tags for run in store.runs()].count(()) >= 2


@pytest.mark.parametrize("room", "123456")
async def test_no_part_of_a_room_has_taken_a_name_that_textual_needs(opened, database, room):
    """A widget that overwrites Textual's own note of whether it runs is drawn only when the next key comes."""
    filled.fill(database)
    async with opened() as (app, pilot):
        await pilot.press(room)
        await until(pilot, lambda: app.screen.query("*"))
        await pilot.pause()
        assert [widget for widget in app.screen.query("*") if widget.is_running is not True] == []


async def test_two_marked_runs_stand_side_by_side(opened, database):
    filled.fill(database)
    filled.fill(database, name="second")
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 2)
        await pilot.press("c")
        assert not isinstance(app.screen, TwoRuns)
        await pilot.press("space", "j", "space")
        await until(pilot, lambda: cells(app, "mark") == ["●", "●"])
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, TwoRuns))
        await until(pilot, lambda: app.screen.query_one("#two-runs-table").row_count == 9)
        rows = [
            [cell.plain.strip() for cell in app.screen.query_one("#two-runs-table").get_row_at(row)] for row in range(9)
        ]
        assert ["int8", "char", ".500", ".500", ".000", "1.333 ↓", "1.333 ↓", ".000", "✓ same"] in rows
        await pilot.press("x")
        await until(pilot, lambda: "Run 1" in str(app.screen.query_one("#two-runs").border_title))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, TwoRuns))


async def test_a_run_is_exported_into_a_folder_that_another_database_takes(opened, database, tmp_path):
    filled.fill(database, judged=50, status=None)
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 1)
        assert cells(app, "status") == ["✗ interrupted"]
        await pilot.press("e")
        await typed(app, pilot, AskPath, "taken/along")
        await until(pilot, lambda: (tmp_path / "taken" / "along").exists())
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        dialog, field = app.screen, app.screen.query_one(Input)
        field.value = "taken/along"
        await pilot.press("enter")
        await until(pilot, lambda: "is there already" in str(dialog.query_one(".dialog-problem").content))
        assert (app.screen, field.value) == (dialog, "taken/along")
        field.value += "-too"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not dialog)
        assert (tmp_path / "taken" / "along-too").exists()
    with Store(tmp_path / "other.db") as other:
        assert import_run(other, tmp_path / "taken" / "along").completions == 50


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_many_runs_are_read_in_pages(opened, database, size):
    filled.fill(database)
    with Store(database) as store, store.writing() as db:
        columns = "experiment, fingerprint, status, started, environment, total"
        db.executemany(
            f"INSERT INTO runs (name, {columns}) SELECT ?, {columns} FROM runs WHERE id = 1",
            [(f"run {number}",) for number in range(2, 1102)],
        )
    async with opened(size=size) as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 500)
        assert "1,101" in str(app.screen.query_one("#runs-panel").border_title)
        await pilot.press("G")
        await listed(app, pilot, 1000)
        assert app.screen.query_one("#runs").cursor_row == 499
        await pilot.press("G")
        await listed(app, pilot, 1101)
        await pilot.press("G")
        assert app.screen.query_one("#runs").chosen.id == 1
        await until(pilot, lambda: app.screen.query_one("#chosen-conditions").row_count == 9)


async def test_a_run_that_comes_in_does_not_move_the_cursor(opened, database):
    filled.fill(database)
    filled.fill(database, name="second")
    async with opened() as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 2)
        await pilot.press("j")
        filled.fill(database, name="third")
        await pilot.press("1", "5")
        await listed(app, pilot, 3)
        assert app.screen.chosen.name == "demo"


async def test_what_a_run_was_about_is_cut_with_a_sign_where_there_is_no_room(opened, database):
    filled.fill(database)
    async with opened(size=(80, 24)) as (app, pilot):
        await pilot.press("5")
        await listed(app, pilot, 1)
        table = app.screen.query_one("#runs")

        def first_line() -> str:
            return "".join(segment.text for segment in table.render_line(1)).rstrip()

        await until(pilot, lambda: first_line().endswith("…"))
        assert table.virtual_size.width <= table.size.width
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: first_line().endswith("20 tasks"))
