from __future__ import annotations

import time

import pytest

from qrtui.results.store import Store
from qrtui.tui.screens.dialogs import AskPath
from qrtui.tui.widgets.chart import ChartView
from qrtui.tui.widgets.chart_choice import ChartChoice
from qrtui.tui.widgets.checklist import CheckList

from . import filled
from .conftest import until


def drawn(app) -> str:
    return app.screen.query_one("#chart", ChartView).render().plain


def title(app) -> str:
    return str(app.screen.query_one("#chart-main").border_title)


async def charts(app, pilot) -> None:
    await pilot.press("4")
    await until(pilot, lambda: app.current_mode == "charts" and app.screen.query("#chart") and drawn(app).strip())


async def test_it_opens_with_the_rrs_of_the_latest_run_and_its_intervals(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await charts(app, pilot)
        assert title(app) == "RRS: smollm2-135m, demo"
        await until(pilot, lambda: "0.12 to 2.50" in drawn(app))
        assert "Unequal dose" in drawn(app)
        assert app.screen.query_one(CheckList).ticked == ("1",)


async def test_each_chart_has_its_turn_and_says_what_it_lacks(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await charts(app, pilot)
        await pilot.press("c")
        assert "two noise levels" in str(app.screen.query_one("#no-chart").content)
        await pilot.press("c")
        await until(pilot, lambda: title(app) == "pass@1: demo" and ".650" in drawn(app))
        await pilot.press("v")
        await until(pilot, lambda: title(app) == "drop of pass@1: demo")
        await pilot.press("c")
        await until(pilot, lambda: title(app) == "Table I: run 1 (demo)" and "SmolLM2" in drawn(app))
        await pilot.press("C", "C", "C")
        await until(pilot, lambda: title(app) == "RRS: smollm2-135m, demo")
        await pilot.click("#tab-heatmap")
        await until(pilot, lambda: title(app) == "drop of pass@1: demo")


async def test_choices_narrow_the_chart(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await charts(app, pilot)
        await pilot.press("a")
        await until(pilot, lambda: "gaussian" not in drawn(app))
        await pilot.press("b", "b")
        await until(pilot, lambda: "int8" not in drawn(app) and "nf4" in drawn(app))
        assert app.screen.query_one(ChartChoice).selection.kinds == ("char",)
        # One model and one data set leave nothing to choose.
        assert not app.screen.query_one("#line-models").display
        assert app.screen.check_action("choose", ("models",)) is False


async def test_runs_are_ticked_together_with_the_paper(opened, database):
    filled.fill(database)
    filled.fill(database, name="again")
    async with opened(size=(160, 50)) as (app, pilot):
        await charts(app, pilot)
        await pilot.press("r", "j", "space")
        await until(pilot, lambda: app.screen.query_one(CheckList).ticked == ("2", "1"))
        await until(pilot, lambda: "smollm2-135m, run 1" in drawn(app))
        await pilot.press("j", "space")
        await until(pilot, lambda: "LLaMA 1B, mbpp" in drawn(app))
        await pilot.press("k", "space", "k", "space")
        await until(pilot, lambda: title(app) == "RRS: quantized")
        await pilot.press("j", "j", "space")
        await until(pilot, lambda: "Tick a run" in str(app.screen.query_one("#no-chart").content))


async def test_without_a_run_the_paper_is_shown_and_setup_named(opened):
    async with opened() as (app, pilot):
        await charts(app, pilot)
        assert title(app).startswith("No run yet; start one in Setup (1).")
        assert "LLaMA 8B" in drawn(app)


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<?xml"), ("csv", b"run,model")])
async def test_a_chart_is_saved_and_the_path_told(opened, database, tmp_path, ending, begins):
    filled.fill(database)
    async with opened() as (app, pilot):
        await charts(app, pilot)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        field = app.screen.query_one("Input")
        assert field.value == "qrtui-rrs-run1.svg"
        field.value = f"mine.{ending}"
        await pilot.press("enter")
        path = tmp_path / f"mine.{ending}"
        await until(pilot, lambda: path.exists() and any(str(path) in str(one.message) for one in app._notifications))
        assert path.read_bytes().startswith(begins)


async def test_a_chart_that_cannot_be_saved_leaves_the_path_to_be_mended(opened, database, tmp_path):
    filled.fill(database)
    async with opened() as (app, pilot):
        await charts(app, pilot)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        dialog, field = app.screen, app.screen.query_one("Input")
        problem = dialog.query_one(".dialog-problem")
        assert not problem.region.height
        field.value = "nowhere/mine.csv"
        await pilot.press("enter")
        await until(pilot, lambda: problem.region.height == 2)
        assert str(problem.content).startswith("nowhere/mine.csv cannot be written: No such file")
        assert (app.screen, field.value) == (dialog, "nowhere/mine.csv")
        (tmp_path / "nowhere").mkdir()
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not dialog)
        assert (tmp_path / "nowhere" / "mine.csv").exists()


async def test_all_is_reached_on_the_smallest_screen(opened, database):
    filled.fill(database)
    async with opened(size=(80, 24)) as (app, pilot):
        await charts(app, pilot)
        assert max(map(len, drawn(app).splitlines())) <= 76
        assert not app.screen.query_one("#chart-side").display
        await pilot.press("r")
        assert app.screen.query_one(CheckList).has_focus
        assert app.screen.query_one("#chart-runs").region.height == 2
        await pilot.press("escape")
        assert app.screen.query_one("#chart-main").display


async def test_a_run_under_way_moves_and_its_levels_become_curves(opened, database, monkeypatch):
    weaker = "gaussian 0.001 published"
    monkeypatch.setattr(filled, "PERTURBATIONS", (*filled.PERTURBATIONS, weaker))
    for precision in filled.PRECISIONS:
        monkeypatch.setitem(filled._PASSING, (precision, weaker), 9)
    filled.fill(database)
    with Store(database) as store:
        assert len(store.conditions(1)) == 12
    async with opened() as (app, pilot):
        await pilot.press("2")
        await until(pilot, lambda: app.screen.query("#noise-chart"))
        curves = app.screen.query_one("#noise-chart", ChartView)
        await until(pilot, lambda: "● fp32 original 100%" in curves.render().plain)
        assert "noise level (0: clean)" in curves.render().plain
        bars = app.screen.query_one("#rrs-chart", ChartView).render().plain
        assert "gaussian" not in bars
        await until(pilot, lambda: "┤" in app.screen.query_one("#rrs-chart", ChartView).render().plain)
        assert "gaussian 1e-3" in app.screen.query_one("#levels-chart", ChartView).render().plain


async def test_an_unchanged_chart_is_not_drawn_again(opened, database, monkeypatch):
    filled.fill(database)
    async with opened() as (app, pilot):
        await charts(app, pilot)
        await until(pilot, lambda: "0.12 to 2.50" in drawn(app))
        view = app.screen.query_one("#chart", ChartView)
        monkeypatch.setattr("qrtui.charts.terminal.draw", lambda *_: pytest.fail("drawn again"))
        began = time.monotonic()
        for _ in range(100):
            view.render()
        assert time.monotonic() - began < 1
        app.screen.action_zoom()
