from __future__ import annotations

import threading

from textual.app import App
from textual.worker import WorkerState

from qrtui.errors import ModelError
from qrtui.events import RunEnded, RunStarted
from qrtui.paths import database_option
from qrtui.results.measured import Intervals
from qrtui.results.store import Store
from qrtui.settings import Settings
from qrtui.tui.run_state import RunState
from qrtui.tui.run_words import stage_in_words
from qrtui.tui.screens.dialogs import Message, Question
from qrtui.tui.widgets.chart import ChartView
from qrtui.tui.widgets.conditions_table import ConditionsTable
from qrtui.tui.widgets.run_charts import RunCharts

from . import filled
from .conftest import until


def cell(app, condition: int, column: str) -> str:
    """A cell of the condition that stands at this place in the plan."""
    table = app.screen.query_one(ConditionsTable)
    key = sorted(table.rows, key=lambda key: int(key.value))[condition]
    return table.get_cell(key, column).plain.strip()


def rows(app) -> int:
    return app.screen.query_one(ConditionsTable).row_count


async def test_rows_fill_while_the_engine_works(opened, fake_run):
    async with opened(experiment=filled.EXPERIMENT, start=True) as (app, pilot):
        assert app.current_mode == "run"
        fake_run.let(30)
        await until(pilot, lambda: rows(app) == 9 and cell(app, 1, "done") == "10/20")
        assert cell(app, 0, "pass@1") == ".600"
        assert cell(app, 0, "state") == "✓"
        assert cell(app, 1, "state") == "▸"
        await until(pilot, lambda: app.headline().state == "run 1 running 30/180")
        fake_run.let(200)
        await until(pilot, lambda: app.state.phase == "finished" and cell(app, 8, "done") == "20/20")
        assert cell(app, 4, "RRS") == "1.333 ↓"
        assert cell(app, 5, "RRS") == "↓"


async def test_the_table_says_how_much_of_each_precision_the_noise_reached(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await pilot.press("2")
        await until(pilot, lambda: "int8" in str(app.screen.query_one("#conditions-panel").border_title))
        title = str(app.screen.query_one("#conditions-panel").border_title)
        assert title == "Conditions, published noise on 100% of fp32, 21% of int8 and nf4"


async def test_the_chart_draws_no_bar_where_there_is_no_ratio(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        await pilot.press("5")
        await until(pilot, lambda: app.screen.query_one("#runs").row_count == 1)
        await pilot.press("o")
        chart = app.screen.query_one("#rrs-chart", ChartView)
        await until(pilot, lambda: "1.00 to 5.00" in chart.render().plain or "┤" in chart.render().plain)
        with_ratio, _, without = chart.render().plain.splitlines()[:3]
        assert with_ratio.split()[:2] == ["char", "int8"]
        assert "━" in with_ratio
        assert "1.33 ↓" in with_ratio
        assert without.split()[:3] == ["gaussian", "3e-3", "int8"]
        assert "━" not in without
        assert "↓ no ratio" in without


async def test_stopping_ends_the_run_and_r_resumes_it(opened, fake_run):
    async with opened(experiment=filled.EXPERIMENT, start=True) as (app, pilot):
        fake_run.let(5)
        await until(pilot, lambda: app.state.judged == 5)
        await pilot.press("x")
        await until(pilot, lambda: app.state.phase == "stopped")
        assert offered(app, "r") == ["Resume"]
        fake_run.let(200)
        await pilot.press("r")
        await until(pilot, lambda: app.state.phase == "finished")
        assert len(fake_run.experiments) == 2
        assert offered(app, "r") == ["Again"]


def offered(app, key: str) -> list[str]:
    """What a key is said to do in the present room."""
    return [one.binding.description for one in app.screen.active_bindings.values() if one.binding.key == key]


async def test_a_pause_that_has_not_begun_can_be_taken_back(opened, fake_run):
    async with opened(experiment=filled.EXPERIMENT, start=True) as (app, pilot):
        fake_run.let(1)
        await until(pilot, lambda: app.state.judged == 1)
        # The run of these tests never comes to the token at which it would pause.
        await pilot.press("p")
        assert (app.engine.held, app.state.phase) == (True, "running")
        await pilot.press("p")
        assert not app.engine.held


def test_a_stopped_run_says_its_key_and_not_what_to_type_elsewhere():
    state = RunState()
    state.fold(RunStarted(3, "demo", 8, 0, 8, "cpu", "L2", False), 0)
    state.fold(RunEnded(3, "stopped", "resume it by running the same experiment again"), 5)
    assert stage_in_words(state) == "stopped   r resumes it"
    state.fold(RunEnded(3, "interrupted", "the GPU failed"), 5)
    assert stage_in_words(state) == "interrupted: the GPU failed   r resumes it"


async def test_quitting_a_run_asks_and_can_be_taken_back(opened, fake_run, database):
    async with opened(experiment=filled.EXPERIMENT, start=True) as (app, pilot):
        fake_run.let(3)
        await until(pilot, lambda: app.state.judged == 3)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("escape")
        assert app.state.phase == "running"
        await pilot.press("ctrl+c")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.click("#stop")
        await until(pilot, lambda: not app.is_running)
    with Store(database) as store:
        assert store.run().status == "stopped"
        assert store.run().judged == 3


async def test_an_error_nobody_foresaw_ends_in_a_dialog(opened, fake_run):
    fake_run.error = ZeroDivisionError("a library\ndivided by zero")
    async with opened(experiment=filled.EXPERIMENT, start=True) as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, Message))
        assert app.state.phase == "failed"
        assert app.state.reason == "ZeroDivisionError: a library divided by zero"
        await pilot.press("escape")
        fake_run.error = None
        fake_run.let(200)
        await pilot.press("r")
        await until(pilot, lambda: app.state.phase == "finished")


async def test_a_run_that_cannot_go_on_says_why_and_the_way_out(opened, fake_run):
    fake_run.error = ModelError("the model is gated", "ask for access at its page")
    async with opened(experiment=filled.EXPERIMENT, start=True) as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, Message))
        words = [str(label.content) for label in app.screen.query("Label")]
        assert words == ["the model is gated", "ask for access at its page"]
        assert app.state.phase == "failed"


async def test_charts_are_left_out_where_the_settings_say_so_until_they_are_asked_for(opened, database):
    filled.fill(database)
    async with opened() as (app, pilot):
        app.settings = Settings(charts=False)
        await pilot.press("2")
        await until(pilot, lambda: rows(app) == 9)
        charts, chart = app.screen.query_one("#chart-panel"), app.screen.query_one("#rrs-chart", ChartView)
        assert not charts.display
        assert chart.chart is None
        await pilot.press("c")
        await until(pilot, lambda: charts.display and chart.chart is not None)


def test_once_the_app_is_closed_it_says_how_to_find_the_run_in_its_database(tmp_path, monkeypatch):
    monkeypatch.setenv("QRTUI_DB", str(tmp_path / "mine.db"))
    state = RunState()
    state.fold(RunStarted(3, "demo", 8, 0, 8, "cpu", "L2", False), 0)
    state.fold(RunEnded(3, "stopped"), 5)
    assert (
        state.summary(database_option(tmp_path / "mine.db"))[1] == "See it: qrtui report 3   go on: qrtui, 5 History, r"
    )
    other = f" --db '{tmp_path / 'another one.db'}'"
    assert state.summary(database_option(tmp_path / "another one.db"))[1] == (
        f"See it: qrtui report 3{other}   go on: qrtui{other}, 5 History, r"
    )


async def test_intervals_that_come_when_the_charts_are_gone_are_let_go(monkeypatch):
    may_go = threading.Event()
    monkeypatch.setattr(Intervals, "of", lambda *given: {} if may_go.wait(20) else None)
    charts = RunCharts(id="charts")

    class Alone(App[None]):
        def compose(self):
            yield charts

    async with Alone().run_test():
        worker = charts._add_intervals([], [])
        await charts.remove_children()
        may_go.set()
        await worker.wait()
    assert worker.state is WorkerState.SUCCESS
