"""A database with a run in it whose every verdict is known, for the app's tests."""

from __future__ import annotations

from pathlib import Path

from qrtui.judge.verdict import Verdict
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.dose import Dose
from qrtui.results.records import Completion, Determinants, PlannedCondition, PlannedResult
from qrtui.results.store import Store
from qrtui.spec import Experiment, ModelChoice, NoiseGrid, Precisions, TaskSelection, to_table

PRECISIONS = ("fp32", "int8", "nf4")
NOISE = "gaussian 0.003 published"
PERTURBATIONS = ("clean", "char", NOISE)
TASKS = [f"Demo/{number}" for number in range(20)]

EXPERIMENT = Experiment(
    name="demo",
    description="a run made for tests",
    models=(ModelChoice(id="smollm2-135m"),),
    precisions=Precisions(baseline="fp32", quantized=("int8", "nf4")),
    tasks=TaskSelection(datasets=("demo",), limit=20),
    attacks=(ATTACKS["char"](),),
    noise=NoiseGrid(kinds=("gaussian",), levels=(3e-3,)),
)

# How many of the first tasks pass under each condition; tasks 15 and 16 are turned round for int8.
_PASSING = {
    ("fp32", "clean"): 12,
    ("fp32", "char"): 8,
    ("fp32", NOISE): 10,
    ("int8", "clean"): 11,
    ("int8", "char"): 8,
    ("int8", NOISE): 11,
    ("nf4", "clean"): 9,
    ("nf4", "char"): 3,
    ("nf4", NOISE): 6,
}
_ONLY_INT8 = ("Demo/15", "Demo/16")


def passes(task: str, precision: str, perturbation: str) -> bool:
    """What the fixed data says of a task."""
    number = TASKS.index(task)
    if precision == "int8" and task in _ONLY_INT8:
        return True
    return number < _PASSING[precision, perturbation]


def prompt(task: str, perturbation: str) -> str:
    """The task's prompt; the attack turns three letters into capitals."""
    sentence = f"Write a function to count the vowels in a given string, variant {task}."
    text = f'"""\n{sentence}\nassert count_vowels("banana") == 3\n"""\n'
    return text.replace("function", "functIon").replace("vowels in", "voweLs in") if perturbation == "char" else text


def solution(task: str, precision: str, passed: bool) -> str:
    """A program; those that pass and those that fail differ in two lines, and each precision in a comment."""
    body = [
        "def count_vowels(text):",
        '    """Count the vowels of a text."""',
        f"    # {precision}",
        "    count = 0",
        "    for letter in text.lower():" if passed else "    for letter in text:",
        '        if letter in "aeiou":',
        "            count += 1",
        "    return count" if passed else "    return count - 1",
    ]
    return "\n".join(body) + f"\n\n\nassert count_vowels('{task}') is not None\n"


def fill(path: Path, *, name: str = "demo", judged: int | None = None, status: str | None = "finished") -> int:
    """Put a run into the database at `path`; returns its number. `judged` results at most get a verdict."""
    with Store(path) as store:
        conditions = [condition(precision, perturbation) for precision in PRECISIONS for perturbation in PERTURBATIONS]
        environment = {"device": "cpu", "judge_level": "L2"}
        run = store.begin_run(name, to_table(EXPERIMENT), conditions, environment)
        left = judged if judged is not None else 10_000
        for planned in conditions:
            for result in planned.results:
                if left > 0:
                    judge(store, planned, result)
                left -= 1
        if status:
            store.end_run(run, status)  # type: ignore[arg-type]
    return run


def _determinants(precision: str, perturbation: str, task: str) -> Determinants:
    noise = {"kind": "gaussian", "level": 3e-3, "protocol": "published", "seed": 0} if perturbation == NOISE else None
    return Determinants(
        revision="fixed",
        precision=precision,
        dtype="float32",
        noise=noise,
        prompt=prompt(task, perturbation),
        style="chat",
        settings={"max_new_tokens": 128, "temperature": 0.0},
        seed=0,
        sample=0,
        device="cpu",
        versions={},
    )


def condition(precision: str, perturbation: str) -> PlannedCondition:
    return PlannedCondition(
        model="smollm2-135m",
        precision=precision,
        is_baseline=precision == "fp32",
        dataset="demo",
        perturbation=perturbation,
        results=[
            PlannedResult(
                task,
                0,
                f"hash of {task}",
                prompt(task, perturbation),
                _determinants(precision, perturbation, task).key(),
            )
            for task in TASKS
        ],
    )


def judge(store: Store, planned: PlannedCondition, result: PlannedResult) -> None:
    passed = passes(result.task, planned.precision, planned.perturbation)
    share = 1.0 if planned.precision == "fp32" else 0.21
    program = solution(result.task, planned.precision, passed)
    store.add_completion(
        Completion(
            determinants=_determinants(planned.precision, planned.perturbation, result.task),
            text=f"Here is the function:\n```python\n{program}```",
            solution=program,
            finish="stop" if passed else "length",
            tokens=41,
            seconds=0.6,
            memory=538_000_000,
            dose=Dose(share=share, noise=0.025, moved=0.025) if planned.perturbation == NOISE else None,
        )
    )
    timeout = result.task == "Demo/19" and not passed
    verdict = (
        Verdict(base="passed", seconds=0.01)
        if passed
        else Verdict(base="timeout", seconds=1.0)
        if timeout
        else Verdict(base="failed", failing_input="count_vowels('Apple')", expected="2", got="0", seconds=0.01)
    )
    store.add_verdict(program, result.task_hash, verdict)
