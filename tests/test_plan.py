"""What determines a completion, and what does not: its key in the store is made of it."""

import msgspec
import pytest

from qrtui import plan as plan_module
from qrtui.generate.settings import Generation
from qrtui.perturb.noise import Noise
from qrtui.plan import determinants_of, make_plan
from qrtui.results.store import Store
from qrtui.spec import read_experiment

NOISE = Noise(kind="gaussian", level=0.01)


def key(precision="int8", settings=None, device="cpu", **given):
    found = determinants_of("r1", precision, "chat", settings or Generation(), device, prompt="p", **given)
    return found.key()


def test_a_seed_matters_where_something_is_drawn_and_nowhere_else():
    sampled = Generation(temperature=0.8, samples=2)
    assert key(seed=1) == key(seed=2)
    assert key(settings=sampled, seed=1) != key(settings=sampled, seed=2)


def test_speed_is_no_determinant_but_for_a_batch_of_one_in_a_precision_that_sees_it():
    many, one = Generation(batch_size=8), Generation(batch_size=1)
    assert key("fp32", many) == key("fp32", one) == key("fp32")
    assert key("nf4", one) == key("nf4")
    assert key("int8", many) == key("int8")
    assert key("int8", one) != key("int8")


def test_what_prompts_and_noise_mean_is_a_determinant(monkeypatch):
    clean, noisy = key(), key(noise=NOISE)
    monkeypatch.setattr(plan_module, "NOISE_VERSION", "another")
    assert (key() == clean, key(noise=NOISE) == noisy) == (True, False)
    monkeypatch.setattr(plan_module, "PROMPT_VERSION", "another")
    assert key() != clean


@pytest.mark.parametrize(("precision", "is_one"), [("fp32", True), ("bf16", True), ("int8", False), ("nf4", False)])
def test_protocols_are_one_where_nothing_is_quantized(precision, is_one):
    keys = {
        key(precision, noise=msgspec.structs.replace(NOISE, protocol=name)) for name in ("published", "before", "after")
    }
    assert len(keys) == (1 if is_one else 3)


def test_every_sample_of_a_task_is_drawn_by_itself_and_alike_in_every_precision(tmp_path, own_cache, tiny_llama):
    experiment = read_experiment(
        {
            "name": "sampled",
            "models": [{"id": str(tiny_llama)}],
            "precisions": {"baseline": "fp32", "quantized": ["nf4"]},
            "tasks": {"datasets": ["demo"], "limit": 3},
            "generation": {"temperature": 0.8, "samples": 4},
        },
        "test",
    )
    with Store(tmp_path / "a.db") as store:
        groups = make_plan(experiment, store).groups
    by_precision = [{(job.task.task_id, job.determinants.sample): job.seed for job in group.jobs} for group in groups]
    assert len(by_precision) == 2
    assert by_precision[0] == by_precision[1]
    assert len(set(by_precision[0].values())) == len(by_precision[0]) == 12
