from __future__ import annotations

from textual.widgets import Select

from qrtui.tui.widgets.completion_pane import SideBySide
from qrtui.tui.widgets.task_table import TaskTable
from qrtui.tui.widgets.verdict_badge import VerdictBadge

from . import filled
from .conftest import until


def chosen(app) -> str:
    task = app.screen.query_one(TaskTable).chosen
    return task.task if task else ""


def words(app, selector: str) -> str:
    return str(app.screen.query_one(selector).content)


async def compare(app, pilot) -> None:
    await pilot.press("5")
    await until(pilot, lambda: app.screen.query_one("#runs").row_count == 1)
    await pilot.press("enter")
    await until(pilot, lambda: app.current_mode == "compare" and words(app, "#prompt"))


async def test_it_opens_at_the_first_divergence_with_both_programs(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        assert chosen(app) == "Demo/15"
        assert app.screen.query_one("#tasks").border_title == "Tasks: 2 of 20 diverge"
        await until(pilot, lambda: "for letter in text.lower():" in words(app, "#right"))
        assert "fp32 original ✗ failed" in words(app, "#original")
        assert "count_vowels('Apple')" in words(app, "#original")
        assert "expected 2" in words(app, "#original")
        assert "int8 quantized ✓ passed 41 tok 0.6 s" in words(app, "#quantized")
        left, right = (words(app, side).splitlines() for side in ("#left", "#right"))
        assert len(left) == len(right)
        differing = [line for line in right if line.startswith("▌")]
        assert [line.split()[1] for line in differing] == ["#", "for", "return"]
        prompt = app.screen.query_one("#prompt").content
        assert [prompt.plain[span.start : span.end] for span in prompt.spans] == ["functIon", "voweLs"]


async def test_divergences_perturbations_and_precisions_have_keys(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        await pilot.press("n")
        assert chosen(app) == "Demo/16"
        await pilot.press("n")
        assert chosen(app) == "Demo/15"
        await pilot.press("p")
        assert chosen(app) == "Demo/16"
        await pilot.press("b")
        assert app.screen.query_one("#tasks").border_title == "Tasks: 5 of 20 diverge"
        await until(pilot, lambda: "nf4 quantized" in words(app, "#quantized"))
        assert chosen(app) == "Demo/16"
        await pilot.press("a")
        await until(pilot, lambda: "gaussian" in app.screen.query_one("#pair").border_title)
        prompt = app.screen.query_one("#prompt-panel")
        await until(pilot, lambda: "unchanged; noise reaches 100%" in prompt.border_title)
        await pilot.press("A", "A")
        await until(pilot, lambda: "clean" in app.screen.query_one("#pair").border_title)


async def test_filters_and_search_narrow_the_list(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        table = app.screen.query_one(TaskTable)
        await pilot.press("f")
        await until(pilot, lambda: [task.task for task in table.listed] == ["Demo/15", "Demo/16"])
        await pilot.press("f", "f")
        await until(pilot, lambda: table.listed == [])
        assert app.screen.query_one("#no-task").display
        await pilot.press("f")
        await until(pilot, lambda: len(table.listed) == 20)
        assert app.screen.query_one("#filter", Select).value == "all"
        await pilot.press("slash", "1", "9", "enter")
        await until(pilot, lambda: [task.task for task in table.listed] == ["Demo/19"])
        await until(pilot, lambda: "◷ timeout" in words(app, "#original"))


async def test_raw_text_and_export(opened, database, tmp_path):
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        await pilot.press("t")
        await until(pilot, lambda: "Here is the function" in words(app, "#left"))
        await pilot.press("e", "e")
        await until(pilot, lambda: (tmp_path / "qrtui-run1-Demo-15-2.md").exists())
        assert "# Demo/15 in run 1 (demo)" in (tmp_path / "qrtui-run1-Demo-15.md").read_text()
        await pilot.press("y")
        assert "# Demo/15 in run 1 (demo)" in app.clipboard


async def test_everything_is_there_on_the_smallest_screen(opened, database):
    filled.fill(database)
    async with opened(size=(80, 24)) as (app, pilot):
        await compare(app, pilot)
        await until(pilot, lambda: "def count_vowels" in words(app, "#left"))
        assert app.screen.query_one(SideBySide).size.height >= 3
        assert app.screen.query_one(VerdictBadge).region.bottom < 24
        await pilot.press("z")
        await pilot.pause()
        assert app.screen.query_one(SideBySide).size.height >= 12


async def test_an_empty_database_says_what_to_do(opened):
    async with opened() as (app, pilot):
        for key, place in (("2", "#no-run"), ("3", "#no-comparison"), ("5", "#no-history")):
            await pilot.press(key)
            await until(pilot, lambda place=place: app.screen.query(place) and app.screen.query_one(place).display)
            assert "Setup" in words(app, place)


async def test_an_empty_list_shows_no_programs(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await pilot.press("3")
        await until(pilot, lambda: app.screen.query("#pair") and app.screen.query_one("#pair").display)
        await until(pilot, lambda: "Demo/" in str(app.screen.query_one("#pair").border_title))
        await pilot.press("slash", *"zzz")
        await until(pilot, lambda: not app.screen.query_one("#pair").display)
        await pilot.press(*["backspace"] * 3)
        await until(pilot, lambda: app.screen.query_one("#pair").display)
