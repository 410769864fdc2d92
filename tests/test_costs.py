"""What a plan says generating will take, before anything of the machine is known and after."""

from __future__ import annotations

import pytest

from qrtui.plan import make_plan
from qrtui.presets import load_preset
from qrtui.results.store import Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "new.db") as opened:
        yield opened


def by_precision(plan) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for group, seconds in zip(plan.groups, plan.expected, strict=True):
        found.setdefault(group.precision, []).append(seconds)
    return found


def test_precisions_are_not_expected_to_cost_alike(store):
    plan = make_plan(load_preset("demo", ("device=cpu",)), store)
    clean = {precision: seconds[0] for precision, seconds in by_precision(plan).items()}
    assert clean["int8"] < clean["fp32"]
    assert plan.seconds == pytest.approx(sum(sum(seconds) for seconds in by_precision(plan).values()), abs=0.1)


def test_shorter_completions_and_fewer_tasks_are_expected_to_cost_less(store):
    seconds = [
        make_plan(load_preset("demo", ("device=cpu", *more)), store).seconds
        for more in ((), ("generation.max_new_tokens=16",), ("generation.max_new_tokens=16", "tasks.limit=4"))
    ]
    assert seconds[0] > seconds[1] > seconds[2] > 0


def test_a_plan_with_nothing_to_make_takes_no_time(store, monkeypatch):
    monkeypatch.setattr(Store, "known", lambda self, keys: set(keys))
    plan = make_plan(load_preset("demo", ("device=cpu",)), store)
    assert (plan.to_generate, plan.seconds) == (0, 0.0)
