from __future__ import annotations

import json
import shutil

import msgspec
import pytest
from textual.widgets import Input, Label, Select, Static

from qrtui.generate.settings import Generation
from qrtui.models.capacity import capacity
from qrtui.presets import load_preset
from qrtui.spec import ModelChoice
from qrtui.tui.screens.attack_dialog import AttackDialog
from qrtui.tui.screens.dialogs import AskPath, Message, Question
from qrtui.tui.screens.task_picker import TaskList, TaskPicker
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


async def test_a_models_own_code_is_told_before_it_runs_and_runs_only_if_wanted(opened, fake_run, tiny_llama, tmp_path):
    model = shutil.copytree(tiny_llama, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModelForCausalLM": "own.Model"}}))
    choice = ModelChoice(id=str(model), trust_remote_code=True)
    experiment = msgspec.structs.replace(filled.EXPERIMENT, models=(choice,))
    warning = "model runs code of its own (own.py) with all your rights: trust_remote_code is set"
    async with opened(experiment=experiment, size=(80, 24)) as (app, pilot):
        await until(pilot, lambda: cost(app).startswith("! model runs code of its own  1 model, "))
        assert "completions" in cost(app)
        for answer, runs in (("escape", 0), ("left,enter", 1)):
            await pilot.press("r")
            await until(pilot, lambda: isinstance(app.screen, Question))
            assert str(app.screen.query_one(".dialog-text", Label).content) == warning
            await pilot.press(*answer.split(","))
            await until(pilot, lambda runs=runs: len(fake_run.experiments) == runs)
        assert fake_run.experiments[0].models == (choice,)


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


async def test_a_model_that_is_too_large_says_so_on_its_line_and_before_it_runs(opened, fake_run, monkeypatch):
    monkeypatch.setattr("qrtui.models.capacity.main_memory", lambda: 400_000_000)
    capacity.cache_clear()
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        models = app.screen.query_one("#models", CheckList)
        await until(pilot, lambda: models.option_count > 5 and "completions" in cost(app))
        lines = [str(models.get_option_at_index(at).prompt) for at in range(models.option_count)]
        assert "! 538 MB" in lines[0]
        assert "too large" in lines[0]
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("escape")
        assert not fake_run.experiments
    capacity.cache_clear()


async def test_the_baseline_is_not_offered_for_comparison(opened):
    async with opened(experiment=filled.EXPERIMENT) as (app, _):
        quantized = app.screen.query_one("#quantized", CheckList)
        offered = {quantized.get_option_at_index(at).value for at in range(quantized.option_count)}
        assert offered == {"fp16", "bf16", "int8", "nf4", "fp4"}


async def test_a_level_of_ones_own_is_picked_and_nonsense_is_refused(opened):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        app.screen.query_one("#own-level", Input).focus()
        await pilot.press(*"two", "enter")
        assert "noise level: 'two' is not a number above 0" in [*app._notifications][-1].message
        app.screen.query_one("#own-level", Input).value = "2e-3"
        await pilot.press("enter")
        assert app.screen.query_one("#levels", CheckList).ticked == (2e-3, 3e-3)
        assert app.screen.experiment().noise.levels == (2e-3, 3e-3)


async def test_an_attacks_parameters_are_changed_and_a_second_variant_is_added(opened):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        attacks = app.screen.query_one("#attacks", CheckList)
        attacks.focus()
        await pilot.press("g", "e")
        await until(pilot, lambda: isinstance(app.screen, AttackDialog))
        probability, most = app.screen.query(Input)
        probability.value = "1.5"
        says = app.screen.query_one("#attack-says", Static)
        await until(pilot, lambda: "give a number from 0 to 1" in str(says.content))
        await pilot.press("enter")
        assert isinstance(app.screen, AttackDialog), "what will not do is not taken"
        probability.value = "0.3"
        probability.focus()
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, AttackDialog))
        assert [attack.label for attack in app.screen.experiment().attacks] == ["char probability=0.3"]
        attacks.highlighted = 0
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, AttackDialog))
        probability, most = app.screen.query(Input)
        most.value = "9"
        most.focus()
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, AttackDialog))
        labels = [attack.label for attack in app.screen.experiment().attacks]
        assert labels == ["char probability=0.3", "char probability=0.3 max_changes=9"]


async def test_an_attack_without_defaults_asks_for_what_it_needs(opened, tmp_path):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        attacks = app.screen.query_one("#attacks", CheckList)
        attacks.focus()
        attacks.highlighted = next(
            at for at in range(attacks.option_count) if attacks.get_option_at_index(at).value == "recorded"
        )
        await pilot.press("space")
        await until(pilot, lambda: isinstance(app.screen, AttackDialog))
        path, _ = app.screen.query(Input)
        path.value = "mine.jsonl"
        await pilot.press("ctrl+n")
        await until(pilot, lambda: not isinstance(app.screen, AttackDialog))
        assert [attack.label for attack in app.screen.experiment().attacks] == ["char", "recorded mine"]


async def test_tasks_are_found_and_picked_by_hand(opened, fake_run):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, TaskPicker) and app.screen.query_one(TaskList).option_count)
        picker = app.screen
        assert picker.query_one(TaskList).option_count == 48
        await pilot.press("slash", *"letter", "enter")
        await until(pilot, lambda: picker.query_one(TaskList).option_count < 10)
        shown = picker.query_one(TaskList).option_count
        assert shown > 0
        await pilot.press("a")
        await until(pilot, lambda: f"{shown} picked" in str(picker.query_one("#task-count").content))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not picker)
        assert app.screen.query_one("#tasks-panel").border_title == f"Tasks: {shown} picked by hand"
        assert app.screen.query_one("#limit", Input).value == ""
        await until(pilot, lambda: f"× {shown} task" in cost(app))
        assert len(app.screen.experiment().tasks.tasks) == shown
        app.screen.query_one("#datasets", CheckList).deselect("demo")
        app.screen.query_one("#datasets", CheckList).select("humaneval")
        await until(pilot, lambda: not app.screen.picked)


async def test_tasks_picked_of_two_data_sets_stay_in_the_data_sets_order(opened, tmp_path):
    own = tmp_path / "own.jsonl"
    task = {"prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": "    return x\n", "base_input": [[1]]}
    own.write_text("".join(json.dumps({"task_id": id} | task) + "\n" for id in ("A/1", "A/0")))
    async with opened() as (app, pilot):
        picker = TaskPicker(["demo", str(own)], [])
        taken = []
        app.push_screen(picker, taken.append)
        await until(pilot, lambda: picker.is_mounted and picker.query_one(TaskList).option_count == 50)
        await pilot.press("a", "enter")
        await until(pilot, lambda: taken)
        assert taken[0] == (*(f"Demo/{n}" for n in range(48)), "A/1", "A/0")


async def test_every_setting_of_generation_reaches_the_run(opened):
    given = msgspec.structs.replace(filled.EXPERIMENT, generation=Generation(extra_memory=0.5))
    async with opened(experiment=given) as (app, _):
        typed = {"name": "mine", "max-new-tokens": "64", "temperature": "0.8", "samples": "3", "batch-size": "4"}
        for id, text in {**typed, "seed": "7", "device": "cpu"}.items():
            app.screen.query_one(f"#{id}", Input).value = text
        app.screen.query_one("#prompt-style", Select).value = "completion"
        picked = app.screen.experiment()
        assert picked.generation == Generation(
            max_new_tokens=64, temperature=0.8, samples=3, batch_size=4, prompt="completion", extra_memory=0.5
        )
        assert (picked.name, picked.seed, picked.device) == ("mine", 7, "cpu")


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("temperature", "warm", "'warm' is not a number from 0 on"),
        ("batch-size", "0", "'0' is not a whole number above 0 or \"auto\""),
        ("device", "gpu", "there is no device 'gpu'"),
        ("samples", "2", "greedy samples are all the same"),
        ("seed", "1.5", "'1.5' is not a whole number"),
    ],
)
async def test_settings_that_cannot_be_say_what_can(opened, field, typed, says):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        app.screen.query_one(f"#{field}", Input).value = typed
        await until(pilot, lambda: says in cost(app))


async def test_an_absent_data_set_says_so_and_how_to_get_it(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("MBPP_OVERRIDE_PATH", str(tmp_path / "absent.jsonl"))
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        datasets = app.screen.query_one("#datasets", CheckList)
        at = next(at for at in range(datasets.option_count) if datasets.get_option_at_index(at).value == "mbpp+")
        assert "absent" in str(datasets.get_option_at_index(at).prompt)
        datasets.focus()
        datasets.highlighted = at
        await until(pilot, lambda: "MBPP_OVERRIDE_PATH" in str(app.screen.query_one("#tasks-panel").border_subtitle))


async def test_a_preset_of_ones_own_is_in_the_list_the_next_time(opened, tmp_path, monkeypatch):
    monkeypatch.setenv("QRTUI_CONFIG", str(tmp_path / "config.toml"))
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        app.screen.query_one("#name", Input).value = "mine"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "presets" / "mine.toml").exists())
    async with opened() as (app, pilot):
        app.screen.query_one("#preset", Select).value = str(tmp_path / "presets" / "mine.toml")
        await until(pilot, lambda: app.screen.experiment() == load_preset(str(tmp_path / "presets" / "mine.toml")))


@pytest.mark.parametrize("theme", ["qrtui-dark", "qrtui-light", "qrtui-terminal"])
async def test_the_box_under_the_cursor_is_seen_in_every_theme(opened, theme):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        app.theme = theme
        models = app.screen.query_one("#models", CheckList)
        models.focus()
        await pilot.pause()
        box = next(iter(models.render_line(models.highlighted or 0)))
        assert box.text == "[x] "
        assert box.style.color != box.style.bgcolor


async def test_a_preset_loaded_by_its_name_is_the_one_chosen_in_the_list(opened):
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        await pilot.press(*"quick", "minus", *"look", "enter")
        await until(
            pilot, lambda: app.screen.query("#preset") and app.screen.query_one("#preset").value == "quick-look"
        )
        assert app.screen.experiment().name == "quick-look"


async def test_a_preset_can_be_saved_by_its_name_alone(opened, tmp_path, monkeypatch):
    monkeypatch.setenv("QRTUI_CONFIG", str(tmp_path / "config.toml"))
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        app.screen.query_one(Input).value = "night"
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "presets" / "night.toml").exists())
    assert load_preset("night") == filled.EXPERIMENT


@pytest.mark.parametrize(
    ("key", "wrong", "problem", "right", "done"),
    [
        ("ctrl+o", "quick-lok", "there is no preset 'quick-lok'", "quick-look", "quick-look.toml loaded"),
        ("ctrl+s", "file/x.toml", "file/x.toml cannot be written", "mine/x.toml", "mine/x.toml"),
        ("ctrl+s", "n" * 300, "cannot be written: File name too long", "new.toml", "new.toml"),
        ("m", "smollm", "no model is called 'smollm'", "org/model", None),
    ],
)
async def test_what_was_typed_wrong_stays_to_be_mended(opened, tmp_path, key, wrong, problem, right, done):
    (tmp_path / "file").touch()
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        dialog, field = app.screen, app.screen.query_one(Input)
        field.value = wrong
        await pilot.press("enter")
        await until(pilot, lambda: problem in str(dialog.query_one(".dialog-problem", Label).content))
        assert (app.screen, field.value) == (dialog, wrong)
        field.value = right
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not dialog)
        assert done is None or any(done in str(one.message) for one in app._notifications)
        models = app.screen.query_one("#models", CheckList)
        assert ("org/model" in models.ticked) == (done is None)
        assert (models.at_cursor == "org/model") == (done is None)


async def test_a_preset_that_is_there_is_replaced_only_if_wanted(opened, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text("kept")
    async with opened(experiment=filled.EXPERIMENT) as (app, pilot):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        dialog, field = app.screen, app.screen.query_one(Input)
        field.value = "./mine"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is dialog)
        await until(pilot, lambda: "mine.toml is kept" in str(dialog.query_one(".dialog-problem", Label).content))
        assert (field.value, mine.read_text()) == ("./mine", "kept")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("left", "enter")
        await until(pilot, lambda: app.screen not in (dialog,) and not isinstance(app.screen, Question))
    assert load_preset(str(mine)) == filled.EXPERIMENT


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_nothing_of_it_is_outside_the_screen(opened, size):
    async with opened(size=size, experiment=filled.EXPERIMENT) as (app, pilot):
        await pilot.pause()
        for part in app.screen.query("#setup-top, #setup-bottom, #generation-panel, #cost, Input, Select, Button"):
            if part.display and all(parent.display for parent in part.ancestors_with_self):
                assert part.region.height > 0, part
                assert app.screen.region.contains_region(part.region), part
        assert (
            app.screen.query_one("#protocols").region.bottom <= app.screen.query_one("#noise-panel").region.bottom - 1
        )


async def test_at_200_columns_an_attack_is_shown_on_a_prompt(opened):
    async with opened(size=(200, 60), experiment=filled.EXPERIMENT) as (app, pilot):
        await until(pilot, lambda: "completions" in cost(app))
        attacks = app.screen.query_one("#attacks", CheckList)
        attacks.focus()
        attacks.highlighted = 1
        attacks.highlighted = 0
        await until(pilot, lambda: "char on Demo/0" in str(app.screen.query_one("#example-panel").border_title))
