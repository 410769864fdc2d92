from __future__ import annotations

from textual.widgets import Input, Select

from qrtui.presets import load_preset
from qrtui.tui.screens.dialogs import Message
from qrtui.tui.widgets.checklist import CheckList
from qrtui.tui.widgets.cost_line import CostLine

from . import filled
from .conftest import until


def cost(app) -> str:
    return str(app.screen.query_one(CostLine).content)


async def test_it_opens_with_the_demo_preset_and_says_what_it_costs(opened):
    async with opened() as (app, pilot):
        await until(pilot, lambda: "completions" in cost(app))
        assert cost(app).startswith("1 model, 15 conditions × 20 tasks: 300 completions, ")
        assert "538 MB" in cost(app)
        assert app.screen.query_one("#quantized", CheckList).ticked == ("int8", "nf4")


async def test_an_impossible_choice_says_why_and_the_way_out(opened):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        await until(pilot, lambda: "completions" in cost(app))
        quantized = app.screen.query_one("#quantized", CheckList)
        quantized.focus()
        quantized.deselect_all()
        await until(pilot, lambda: cost(app).startswith("!"))
        assert "nothing to compare with the baseline" in cost(app)
        await pilot.press("r")
        assert isinstance(app.screen, Message)
        await pilot.press("escape")
        quantized.select("nf4")
        await until(pilot, lambda: "6 conditions" in cost(app))


async def test_words_in_a_number_field_are_refused(opened):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        app.screen.query_one("#limit", Input).value = "few"
        await until(pilot, lambda: "'few' is not a whole number" in cost(app))


async def test_keys_are_text_in_a_field_and_commands_elsewhere(opened, fake_run):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        app.screen.query_one("#limit", Input).focus()
        await pilot.press("end", "2")
        assert app.current_mode == "setup"
        assert app.screen.query_one("#limit", Input).value == "202"


async def test_the_picked_experiment_is_the_one_that_runs(opened, fake_run):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        app.screen.query_one("#quantized", CheckList).deselect("nf4")
        app.screen.query_one("#limit", Input).value = "7"
        await pilot.press("r")
        await until(pilot, lambda: fake_run.experiments)
        (experiment,) = fake_run.experiments
        assert experiment.precisions.quantized == ("int8",)
        assert experiment.tasks.limit == 7
        assert experiment.attacks == filled.EXPERIMENT.attacks
        assert app.current_mode == "run"


async def test_the_baseline_cannot_be_compared_with_itself(opened):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        app.screen.query_one("#baseline", Select).value = "int8"
        quantized = app.screen.query_one("#quantized", CheckList)
        await until(pilot, lambda: quantized.ticked == ("nf4",))


async def test_a_saved_preset_loads_as_the_same_experiment(opened, tmp_path):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen.query(Input))
        app.screen.query_one(Input).value = str(tmp_path / "mine.toml")
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "mine.toml").exists())
    assert load_preset(str(tmp_path / "mine.toml")) == filled.EXPERIMENT
