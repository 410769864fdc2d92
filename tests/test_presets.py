"""Presets: what is right is read and written back; what is wrong gets one line that names file, key and remedy."""

import re
import tomllib
from pathlib import Path

import pytest

from qrtui.errors import AbsentDataSetError, PresetError
from qrtui.plan import make_plan
from qrtui.presets import (
    attack_of,
    file_to_save,
    find_preset,
    load_preset,
    own_presets_folder,
    preset_names,
    save_preset,
)
from qrtui.results.store import Store
from qrtui.spec import read_experiment, to_toml
from qrtui.tasks import datasets

WHOLE = """
name = "whole"
seed = 7
device = "cpu"
[[models]]
id = "smollm2-135m"
[precisions]
baseline = "fp32"
quantized = ["int8", "nf4"]
[tasks]
datasets = ["demo", "humaneval"]
limit = 20
[[attacks]]
kind = "char"
max_changes = 15
[noise]
kinds = ["gaussian", "uniform"]
levels = [1e-4, 3e-3]
protocols = ["published"]
[generation]
max_new_tokens = 256
batch_size = 4
prompt = "completion"
"""


def preset(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


def test_an_experiment_survives_being_written_and_read(tmp_path):
    experiment = load_preset(preset(tmp_path, WHOLE))
    assert read_experiment(tomllib.loads(to_toml(experiment)), "again") == experiment
    save_preset(experiment, tmp_path / "new" / "copy.toml")
    assert load_preset(str(tmp_path / "new" / "copy.toml")) == experiment


def test_perturbations_read_like_the_reports(tmp_path):
    labels = [perturbation.label for perturbation in load_preset(preset(tmp_path, WHOLE)).perturbations()]
    assert labels == [
        "clean",
        "char max_changes=15",
        "gaussian 0.0001 published",
        "gaussian 0.003 published",
        "uniform 0.0001 published",
        "uniform 0.003 published",
    ]


@pytest.fixture
def offline(monkeypatch):
    """A machine without EvalPlus' data."""

    def nothing(getter, dataset, override):
        raise AbsentDataSetError(f"{dataset} is not here", f"set {override}")

    monkeypatch.setattr(datasets, "_from_evalplus", nothing)
    datasets._load_named.cache_clear()
    yield
    datasets._load_named.cache_clear()


# Conditions as the paper counts them, and how many results that is with two tasks of each data set (or with all that
# the preset names).
STUDIES = {
    "case-study": (1 * 2 * 4, 8 * 8),
    "demo": (1 * 3 * (1 + 3 + 1), 15 * 2),
    "equal-dose": (1 * 3 * (1 + 2 * 5 * 3), 93 * 2),
    "quick-look": (1 * 2 * (1 + 1 + 2), 8 * 2),
    "rq1-table1": (12 * 2 * (1 + 3) * 4, 384 * 2),
    "rq2-noise": (12 * 2 * (1 + 2 * 5), 264 * 2),
    "rq3-tradeoff": (4 * 3 * 3 * 7, 252 * 2),
}


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_can_be_planned_without_its_data_sets_or_models(name, tmp_path, offline):
    experiment = load_preset(name, limit=None if name == "case-study" else 2)
    with Store(tmp_path / "results.db") as store:
        plan = make_plan(experiment, store, counting=True)
    assert experiment.name == name
    assert (len(plan.conditions), plan.total) == STUDIES[name]
    said = re.search(r"(\d+) (conditions|configurations)", find_preset(name).read_text())
    assert said is None or int(said[1]) == len(plan.conditions)
    wanted = {dataset for dataset in experiment.tasks.datasets if dataset not in ("demo", "humaneval")}
    assert set(plan.absent) == wanted
    assert ("get mbpp" in " ".join(plan.first)) == bool(wanted)


def test_a_data_set_that_is_not_here_counts_as_many_tasks_as_it_has(tmp_path, offline):
    changes = ('models=[{id="codegen-350m"}]', 'tasks.datasets=["mbpp", "mbpp+"]')
    experiment = load_preset("rq1-table1", changes)
    with Store(tmp_path / "results.db") as store:
        plan = make_plan(experiment, store, counting=True)
        # MBPP+ puts MBPP's prompts to the model again: they are generated once.
        assert (plan.total, plan.to_generate) == (2 * 2 * 4 * 378, 2 * 4 * 378)
        assert plan.first[0] == "get mbpp, mbpp+ (set MBPP_OVERRIDE_PATH)"
        with pytest.raises(AbsentDataSetError, match="mbpp is not here"):
            make_plan(experiment, store)
        picked = load_preset("rq1-table1", (*changes, 'tasks.tasks=["Mbpp/11"]'))
        with pytest.raises(AbsentDataSetError, match="mbpp is not here"):
            make_plan(picked, store, counting=True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed = 7", "sede = 7", ["unknown key sede", "did you mean seed?"]),
        ("limit = 20", "limits = 20", ["unknown key tasks.limits", "did you mean limit?", "allowed are"]),
        ("limit = 20", "limit = 0", ["tasks.limit", ">= 1"]),
        ("limit = 20", 'limit = "x"', ["tasks.limit", "int", "str"]),
        (
            '"nf4"]',
            '"nf5"]',
            ["precisions.quantized", "'nf5'", "did you mean nf4?", "fp32, fp16, bf16, int8, nf4, fp4"],
        ),
        ('"nf4"]', '"fp32"]', ["precisions", "'fp32'", "twice"]),
        ('quantized = ["int8", "nf4"]', "quantized = []", ["precisions.quantized", "pick from"]),
        ("levels = [1e-4, 3e-3]", "levels = [-0.1]", ["noise.levels", "> 0"]),
        ("levels = [1e-4, 3e-3]", "levels = []", ["noise.levels", "empty"]),
        ("levels = [1e-4, 3e-3]", "levels = [inf]", ["noise.levels", "finite"]),
        ('"uniform"', '"unifrom"', ["noise.kinds", "unifrom", "did you mean uniform?"]),
        ('protocols = ["published"]', 'protocols = ["sideways"]', ["noise.protocols", "sideways", "published"]),
        ('prompt = "completion"', 'prompt = "chatt"', ["generation.prompt", "did you mean chat?"]),
        ('device = "cpu"', 'device = "gpu"', ["device", "'gpu'", "auto, cpu, cuda"]),
        ('"humaneval"]', '"humanevl"]', ["tasks.datasets", "did you mean humaneval?"]),
        ('kind = "char"', 'kind = ["char"]', ["attacks[0].kind"]),
        ('kind = "char"', 'knd = "char"', ["attacks[0] has no kind", "did you mean kind?"]),
        ('kind = "char"', 'kind = "chr"', ["attacks[0].kind", "'chr'", "did you mean char?"]),
        ("max_changes = 15", "max_chnages = 15", ["attacks[0].max_chnages", "did you mean max_changes?"]),
        ("max_changes = 15", "max_changes = 0", ["attacks[0].max_changes", ">= 1"]),
        ("max_changes = 15", "probability = 1.5", ["attacks[0].probability", "<= 1"]),
        ('datasets = ["demo", "humaneval"]', "datasets = []", ["tasks", "no task is picked"]),
        ('[[models]]\nid = "smollm2-135m"', "models = []", ["models", "no model is picked"]),
        ("batch_size = 4", "extra_memory = inf", ["generation.extra_memory", "finite"]),
        ("batch_size = 4", "extra_memory = -1", ["generation.extra_memory"]),
        ("batch_size = 4", "samples = 5", ["generation.samples", "temperature"]),
        ('kind = "char"', "", ["attacks[0]", "allowed are kind, char"]),
    ],
)
def test_a_wrong_preset_gets_one_line(tmp_path, old, new, words):
    assert old in WHOLE
    with pytest.raises(PresetError) as caught:
        load_preset(preset(tmp_path, WHOLE.replace(old, new)))
    message = str(caught.value)
    assert message.startswith("mine.toml: ")
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("text", "words"),
    [("a = ", ["mine.toml is not TOML"]), ("", ["mine.toml", "models"]), ("models = 3", ["models"])],
)
def test_a_file_that_is_no_preset(tmp_path, text, words):
    with pytest.raises(PresetError) as caught:
        load_preset(preset(tmp_path, text))
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("name", "words"), [("dmeo", ["did you mean demo?"]), ("absent.toml", ["no preset file absent.toml"])]
)
def test_a_preset_that_is_not_there(name, words):
    with pytest.raises(PresetError) as caught:
        load_preset(name)
    assert all(word in str(caught.value) for word in words)


def test_a_preset_of_ones_own_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("QRTUI_CONFIG", str(tmp_path / "config.toml"))
    experiment = load_preset(preset(tmp_path, WHOLE))
    for name in ("mine", "demo"):
        save_preset(experiment, tmp_path / "presets" / f"{name}.toml")
    assert load_preset("mine") == experiment
    assert load_preset("demo") != experiment, "the name of a shipped one means that one"
    for absent in ("mien", "absent.toml"):
        with pytest.raises(PresetError, match="rq3-tradeoff, your own mine"):
            load_preset(absent)


def test_overrides_reach_every_level_and_say_what_is_wrong():
    changed = load_preset("demo", ("tasks.limit=3", "precisions.quantized=['nf4']", "attacks.0.max_changes=9"), limit=2)
    assert (changed.tasks.limit, changed.precisions.quantized) == (2, ("nf4",))
    assert changed.attacks[0].parameters()["max_changes"] == 9
    for override, word in [("x", "a.b=c"), ("models.7.id=a", "no entry '7'"), ("name.x=1", "not a table")]:
        with pytest.raises(PresetError, match=word):
            load_preset("demo", (override,))


def test_a_preset_names_files_beside_itself(tmp_path):
    (tmp_path / "own.jsonl").write_text("")
    text = WHOLE.replace('["demo", "humaneval"]', '["own.jsonl"]')
    assert load_preset(preset(tmp_path, text)).tasks.datasets == (str(tmp_path / "own.jsonl"),)


def test_an_attack_from_a_command_line():
    assert attack_of("char", ("probability=0.1",)).parameters() == {"probability": 0.1, "max_changes": 5}
    with pytest.raises(PresetError, match="did you mean char"):
        attack_of("cher")


def test_what_is_saved_is_found_again_by_what_was_typed(tmp_path, monkeypatch):
    monkeypatch.setenv("QRTUI_CONFIG", str(tmp_path / "config.toml"))
    own = own_presets_folder()
    assert file_to_save("night") == own / "night.toml"
    assert file_to_save("v1.2") == own / "v1.2.toml"
    assert file_to_save("night.toml") == Path("night.toml")
    assert file_to_save(f"{tmp_path}/night") == tmp_path / "night.toml"
