from __future__ import annotations

import msgspec
import pytest
from textual.widgets import Input, Select

from qrtui.judge.verdict import Verdict
from qrtui.results.records import Completion, PlannedResult
from qrtui.results.store import Store
from qrtui.tui.widgets.case_view import CaseView
from qrtui.tui.widgets.code_pane import CodePane
from qrtui.tui.widgets.completion_pane import SideBySide
from qrtui.tui.widgets.task_table import TaskTable

from . import filled
from .conftest import until

CASE = "#case "


def chosen(app) -> str:
    task = app.screen.query_one(TaskTable).chosen
    return task.task if task else ""


def listed(app) -> list[str]:
    return [task.task for task in app.screen.query_one(TaskTable).listed]


def words(app, selector: str) -> str:
    widget = app.screen.query_one(selector)
    return widget.text if isinstance(widget, CodePane) else str(widget.content)


def title(app, selector: str) -> str:
    return str(app.screen.query_one(selector).border_title)


async def compare(app, pilot) -> None:
    await pilot.press("3")
    await until(pilot, lambda: app.current_mode == "compare" and app.screen.query(TaskTable))
    await until(pilot, lambda: words(app, CASE + "#prompt") and words(app, CASE + "#right"))


async def test_it_opens_at_the_first_divergence_with_both_programs(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        assert chosen(app) == "Demo/15"
        assert title(app, "#tasks") == "Tasks: 2 of 20 diverge"
        await until(pilot, lambda: "for letter in text.lower():" in words(app, CASE + "#right"))
        assert "fp32 original ✗ failed 41 tok 0.6 s, cut off" in words(app, CASE + "#original")
        assert "count_vowels('Apple')" in words(app, CASE + "#original")
        assert "expected 2" in words(app, CASE + "#original")
        assert "int8 quantized ✓ passed 41 tok 0.6 s" in words(app, CASE + "#quantized")
        left, right = (words(app, CASE + side).splitlines() for side in ("#left", "#right"))
        assert len(left) == len(right)
        assert [line.split()[1] for line in right if line.startswith("▌")] == ["#", "for", "return"]
        prompt = app.screen.query_one(CASE + "#prompt").content
        assert [prompt.plain[span.start : span.end] for span in prompt.spans] == ["functIon", "voweLs"]
        assert title(app, CASE + "#prompt-panel") == "Demo/15: prompt, char: 2 words changed"


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
        assert title(app, "#tasks") == "Tasks: 5 of 20 diverge"
        await until(pilot, lambda: "nf4 quantized" in words(app, CASE + "#quantized"))
        assert chosen(app) == "Demo/16"
        await pilot.press("a")
        await until(pilot, lambda: "gaussian" in title(app, CASE + "#pair"))
        await until(pilot, lambda: "unchanged; noise reaches 21%" in title(app, CASE + "#prompt-panel"))
        await pilot.press("A", "A")
        await until(pilot, lambda: "clean" in title(app, CASE + "#pair"))


async def test_moving_as_in_vi_goes_through_the_tasks(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        for key, task in (("g", 0), ("j", 1), ("k", 0), ("ctrl+d", 13), ("ctrl+u", 0), ("G", 19), ("up", 18)):
            await pilot.press(key)
            assert (key, chosen(app)) == (key, f"Demo/{task}")


async def test_filters_leave_what_they_say_and_count_it(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        found = {}
        for _ in range(6):
            await pilot.press("f")
            await pilot.pause()
            found[app.screen.query_one("#filter", Select).value] = listed(app)
        assert found == {
            "diverging": ["Demo/15", "Demo/16"],
            "quantized wins": ["Demo/15", "Demo/16"],
            "original wins": [],
            "errors": ["Demo/19"],
            "unchanged prompts": [],
            "all": filled.TASKS,
        }
        await pilot.press("F", "F", "F")
        await until(pilot, lambda: not listed(app))
        assert app.screen.query_one("#no-task").display
        await until(pilot, lambda: not app.screen.query_one(CASE + "#pair").display)
        await pilot.press("f")
        await until(pilot, lambda: title(app, "#tasks") == "Tasks: 1 of 20 listed")
        await until(pilot, lambda: "◷ timeout" in words(app, CASE + "#original"))


async def test_the_search_reads_ids_and_prompts(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        await pilot.press("slash", *"/19", "enter")
        await until(pilot, lambda: listed(app) == ["Demo/19"])
        assert app.screen.focused is app.screen.query_one(TaskTable)
        await pilot.press("escape")
        await until(pilot, lambda: len(listed(app)) == 20)
        # Only in the attacked prompt, in other capitals; a percent sign stands for itself.
        await pilot.press("slash", *"VOWELS in", "enter")
        await until(pilot, lambda: app.screen.query_one("#find", Input).value == "VOWELS in" and len(listed(app)) == 20)
        await pilot.press("slash", *"%", "enter")
        await until(pilot, lambda: listed(app) == [])


@pytest.mark.parametrize("typed", [list("3jnfa"), ["3", *"jjjjj"]])
async def test_keys_typed_before_the_list_is_there_do_not_land_in_the_search(opened, database, typed):
    filled.fill(database)
    async with opened() as (app, pilot):
        await pilot.press(*typed)
        await until(pilot, lambda: app.current_mode == "compare" and app.screen.query(TaskTable))
        await until(pilot, lambda: listed(app) or app.screen.query_one("#filter", Select).value != "all")
        assert app.screen.query_one("#find", Input).value == ""
        await pilot.press("tab", "tab", "tab", "tab", "x", "j")
        assert app.screen.query_one("#find", Input).value == ""
        await pilot.click("#find")
        await pilot.press("x")
        assert app.screen.query_one("#find", Input).value == "x"


async def test_the_mouse_chooses_tasks_perturbations_and_precisions(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        table = app.screen.query_one(TaskTable)
        head = table.render_line(0).text
        letters = table.render_line(1).text
        await pilot.click(TaskTable, offset=(3, 2))
        assert chosen(app) == "Demo/0"
        await pilot.click(TaskTable, offset=(head.index("3e-3"), 0))
        await until(pilot, lambda: "gaussian" in title(app, CASE + "#pair"))
        await pilot.click(TaskTable, offset=(letters.index("n", head.index("char")), 5))
        await until(pilot, lambda: title(app, CASE + "#pair") == "Demo/3, char: fp32 beside nf4")


async def test_both_programs_always_scroll_together(opened, database):
    filled.fill(database)
    async with opened(size=(80, 24)) as (app, pilot):
        await compare(app, pilot)
        programs = app.screen.query_one(CASE + "#programs", SideBySide)
        left, right = programs.left, programs.right
        right.scroll_relative(y=4, animate=False)
        await until(pilot, lambda: left.scroll_y == right.scroll_y == 4)
        left.scroll_home(animate=False)
        await until(pilot, lambda: left.scroll_y == right.scroll_y == 0)
        await pilot.press("o", "l")
        await until(pilot, lambda: left.scroll_x == right.scroll_x > 0)
        await pilot.press("o")
        await until(pilot, lambda: left.scroll_x == right.scroll_x == 0)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_the_four_stand_together_at_every_size(opened, database, size):
    filled.fill(database)
    async with opened(size=size) as (app, pilot):
        await compare(app, pilot)
        await pilot.press("w")
        await until(pilot, lambda: "int8 kept it: ✓ → ✓" in words(app, "#story"))
        assert "fp32 failed both: ✗ → ✗" in words(app, "#story")
        clean, perturbed = app.screen.query(CaseView)
        assert (clean.border_title, perturbed.border_title) == ("clean prompt", "char prompt: 2 words changed")
        for view in (clean, perturbed):
            for badge in ("#original", "#quantized"):
                region = view.query_one(badge).region
                assert 0 <= region.x < region.right <= size[0]
                assert 0 < region.bottom < size[1]
        panes = [view.programs for view in (clean, perturbed)]
        assert [pane.size.height >= 3 for pane in panes] == ([False, True] if size == (80, 24) else [True, True])
        await pilot.press("tab")
        if size == (80, 24):
            clean.focus()
            await until(pilot, lambda: panes[0].size.height >= 3 > panes[1].size.height)
        await pilot.press("a")
        await until(pilot, lambda: "the same" in perturbed.border_title or "unchanged" in perturbed.border_title)
        await pilot.press("a")
        await until(pilot, lambda: perturbed.border_title.startswith("char"))
        await pilot.press("w")
        await until(pilot, lambda: not clean.display)


async def test_raw_text_copy_and_save(opened, database, tmp_path, monkeypatch):
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path / "cache"))
    filled.fill(database)
    async with opened() as (app, pilot):
        await compare(app, pilot)
        await pilot.press("t")
        await until(pilot, lambda: "Here is the function" in words(app, CASE + "#left"))
        await pilot.press("e", "E")
        saved = tmp_path / "qrtui-run1-Demo-15.md"
        await until(pilot, lambda: saved.exists() and saved.with_suffix(".svg").exists())
        assert saved.read_text().startswith("# Demo/15 in run 1 (demo)")
        assert "clean prompt" in saved.with_suffix(".svg").read_text()
        await pilot.press("e")
        await until(pilot, lambda: (tmp_path / "qrtui-run1-Demo-15-2.md").exists())
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard == saved.read_text())
        assert (tmp_path / "cache/copied/qrtui-run1-Demo-15.md").read_text() == app.clipboard


async def test_of_several_samples_one_is_shown_and_all_are_counted(opened, database):
    fill_with_samples(database, passed={"fp32": (True, False, False), "int8": (True, True, False)})
    async with opened() as (app, pilot):
        await compare(app, pilot)
        assert title(app, "#tasks") == "Tasks: 1 of 1 diverge"
        assert "sample 1 of 3, 1 passed" in words(app, CASE + "#original")
        assert "sample 1 of 3, 2 passed" in words(app, CASE + "#quantized")
        assert "1 2" in app.screen.query_one(TaskTable).render_line(2).text
        await pilot.press("s")
        await until(pilot, lambda: "sample 2 of 3, 1 passed" in words(app, CASE + "#original"))
        assert "✓ passed" in words(app, CASE + "#quantized")
        await pilot.press("S", "S")
        await until(pilot, lambda: "sample 3 of 3" in words(app, CASE + "#quantized"))


async def test_everything_is_there_on_the_smallest_screen(opened, database):
    filled.fill(database)
    async with opened(size=(80, 24)) as (app, pilot):
        await compare(app, pilot)
        await until(pilot, lambda: "def count_vowels" in words(app, CASE + "#left"))
        assert app.screen.query_one(CASE + "#programs").size.height >= 3
        assert app.screen.query_one(CASE + "#original").region.bottom < 24
        await pilot.press("z")
        await pilot.pause()
        assert app.screen.query_one(CASE + "#programs").size.height >= 12


async def test_an_empty_database_says_what_to_do(opened):
    async with opened() as (app, pilot):
        for key, place in (("2", "#no-run"), ("3", "#no-comparison"), ("5", "#no-history")):
            await pilot.press(key)
            await until(pilot, lambda place=place: app.screen.query(place) and app.screen.query_one(place).display)
            assert "Setup" in words(app, place)


async def test_verdicts_of_a_run_under_way_come_in(opened, database, fake_run):
    async with opened(experiment=filled.EXPERIMENT, start=True) as (app, pilot):
        fake_run.let(20 * 3 + 17)
        await until(pilot, lambda: app.state.judged == 77)
        await pilot.press("3")
        await until(pilot, lambda: app.current_mode == "compare" and app.screen.query(TaskTable) and listed(app))
        table = app.screen.query_one(TaskTable)
        await until(pilot, lambda: "·" in table.render_line(5).text)
        fake_run.let(200)
        await until(pilot, lambda: app.state.judged == 180 and "·" not in table.render_line(5).text)
        assert title(app, "#tasks") == "Tasks: 2 of 20 diverge"


def fill_with_samples(database, passed) -> None:
    """One task, clean, with a completion for each of `passed`."""
    planned = []
    with Store(database) as store:
        for precision, verdicts in passed.items():
            condition = filled.condition(precision, "clean")
            results = []
            for sample, good in enumerate(verdicts):
                program = f"# {precision} {sample}\n"
                determinants = msgspec.structs.replace(
                    filled._determinants(precision, "clean", "Demo/0"), sample=sample
                )
                results.append(
                    PlannedResult("Demo/0", sample, "hash", filled.prompt("Demo/0", "clean"), determinants.key())
                )
                store.add_completion(
                    Completion(
                        determinants=determinants,
                        text=program,
                        solution=program,
                        finish="stop",
                        tokens=5,
                        seconds=0.1,
                    )
                )
                store.add_verdict(program, "hash", Verdict(base="passed" if good else "failed"))
            planned.append(msgspec.structs.replace(condition, results=results))
        run = store.begin_run("samples", {"name": "samples"}, planned, {})
        store.end_run(run, "finished")
