"""A store filled by the real writing calls: two precisions, clean and attacked, four tasks."""

import pytest

from qrtui.judge.verdict import Verdict
from qrtui.results.records import Completion, Determinants, PlannedCondition, PlannedResult
from qrtui.results.store import Store

TASKS = ["Demo/0", "Demo/1", "Demo/2", "Demo/3"]

# Passed tasks: the original loses two of four to the attack, the quantized model one of three.
PASSES = {
    ("fp32", "clean"): {0, 1, 2, 3},
    ("fp32", "char"): {0, 1},
    ("int8", "clean"): {0, 1, 2},
    ("int8", "char"): {0, 1},
}


def determinants(precision, perturbation, task, **changes):
    values = {
        "revision": "r1",
        "precision": precision,
        "dtype": "float32",
        "noise": None,
        "prompt": f"{task} {perturbation}",
        "style": "chat",
        "settings": {"max_new_tokens": 8, "temperature": 0.0},
        "seed": 0,
        "sample": 0,
        "device": "cpu",
        "versions": {"torch": "1"},
    }
    return Determinants(**{**values, **changes})


def planned_result(precision, perturbation, task):
    key = determinants(precision, perturbation, task).key()
    return PlannedResult(task, 0, f"hash of {task}", f"{task} {perturbation}", key)


def planned():
    return [
        PlannedCondition(
            model="m",
            precision=precision,
            is_baseline=precision == "fp32",
            dataset="demo",
            perturbation=perturbation,
            results=[planned_result(precision, perturbation, task) for task in TASKS],
        )
        for precision, perturbation in PASSES
    ]


def fill(store, upto=4, fewer=None):
    """A run of which `upto` tasks are judged; `fewer` says of single cells how many."""
    run = store.begin_run("fixed", {"name": "fixed"}, planned(), {"device": "cpu"})
    for (precision, perturbation), passed in PASSES.items():
        for at, task in enumerate(TASKS[: (fewer or {}).get((precision, perturbation), upto)]):
            # Whatever differs in the verdict must differ in the program.
            solution = f"# {precision} {perturbation} {task}"
            store.add_completion(
                Completion(
                    determinants=determinants(precision, perturbation, task),
                    text=solution,
                    solution=solution,
                    finish="stop",
                    tokens=10,
                    seconds=0.5,
                )
            )
            store.add_verdict(solution, f"hash of {task}", Verdict(base="passed" if at in passed else "failed"))
    return run


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "results.db") as opened:
        yield opened
