"""`qrtui export` and `qrtui import`, as a person and as EvalPlus see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qrtui.results.records import Completion, Determinants, PlannedCondition, PlannedResult
from qrtui.results.store import Store
from qrtui.tasks.datasets import load_tasks
from qrtui.tasks.task import Task


def qrtui(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qrtui", *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def determinants(task: Task, precision: str, sample: int) -> Determinants:
    return Determinants(
        revision="r",
        precision=precision,
        dtype="float32",
        noise=None,
        prompt=task.prompt,
        style="chat",
        settings={},
        seed=0,
        sample=sample,
        device="cpu",
        versions={},
    )


def fill(path: Path, tasks: list[Task], *, made: int, samples: int = 1, model: str = "../org/model 1") -> None:
    """A run of two precisions, of which the references of the first `made` tasks are the completions."""
    with Store(path) as store:
        cells = [
            PlannedCondition(
                model=model,
                precision=precision,
                is_baseline=precision == "fp32",
                dataset=tasks[0].dataset,
                perturbation="clean",
                results=[
                    PlannedResult(
                        task.task_id, n, task.content_hash, task.prompt, determinants(task, precision, n).key()
                    )
                    for task in tasks
                    for n in range(samples)
                ],
            )
            for precision in ("fp32", "int8")
        ]
        store.begin_run("study", {"name": "study"}, cells, {"device": "cpu"})
        for task in tasks[:made]:
            for precision in ("fp32", "int8"):
                for sample in range(samples):
                    key = determinants(task, precision, sample)
                    text = f"{task.reference}\n# {precision} {sample} ü\u2028"
                    store.add_completion(
                        Completion(determinants=key, text=text, solution=text, finish="stop", tokens=1, seconds=0.1)
                    )


def test_a_run_goes_to_another_machine_and_is_not_doubled_there(tmp_path):
    fill(tmp_path / "a.db", load_tasks("demo")[:4], made=3)
    said = qrtui("export", "latest", tmp_path / "run", "--db", tmp_path / "a.db")
    assert (said.returncode, said.stderr) == (0, "")
    assert "run 1 (study, 0 of 8 judged)" in said.stdout
    first = qrtui("import", tmp_path / "run", "--db", tmp_path / "b.db")
    assert first.stdout == "run 1 is new: of its 8 results 6 completions and 0 verdicts are new\n"
    again = qrtui("import", tmp_path / "run", QRTUI_DB=str(tmp_path / "b.db"))
    assert again.stdout.startswith("run 1 was here already: of its 8 results 0 completions")
    refused = qrtui("export", "1", tmp_path / "run", "--db", tmp_path / "a.db")
    assert refused.returncode == 1
    assert "is there already" in refused.stderr
    (tmp_path / "run" / "results.jsonl").write_text("{]\n")
    broken = qrtui("import", tmp_path / "run", "--db", tmp_path / "c.db")
    assert broken.returncode == 1
    assert broken.stderr.count("\n") == 1
    assert "results.jsonl, line 1" in broken.stderr


def test_samples_of_the_demo_are_judged_by_our_own_judge_and_say_so(tmp_path):
    fill(tmp_path / "a.db", load_tasks("demo")[:3], made=2, samples=2)
    said = qrtui("export", "study", tmp_path / "samples", "--db", tmp_path / "a.db", "--format", "evalplus")
    files = sorted(file.name for file in (tmp_path / "samples").iterdir())
    assert files == ["01_..-org-model-1_demo_fp32_clean.jsonl", "02_..-org-model-1_demo_int8_clean.jsonl"]
    assert "4 samples, 2 not generated yet" in said.stdout
    assert "qrtui judge FILE --dataset demo   (demo is none of EvalPlus' data sets)" in said.stdout
    judged = qrtui(
        "judge", tmp_path / "samples" / files[0], "--dataset", "demo", "--json", QRTUI_CACHE=str(tmp_path / "cache")
    )
    if "cannot be isolated" in judged.stderr:
        pytest.skip(judged.stderr)
    verdicts = json.loads(judged.stdout)["verdicts"]
    assert [(verdict["sample"], verdict["status"]) for verdict in verdicts] == [(0, "passed"), (1, "passed")] * 2


def test_a_samples_file_holds_one_condition(tmp_path):
    fill(tmp_path / "a.db", load_tasks("demo")[:3], made=2)
    export = ("export", "study", tmp_path / "one.jsonl", "--db", tmp_path / "a.db", "--format", "evalplus")
    which = qrtui(*export)
    assert which.returncode == 1
    assert "pick one with --condition N" in which.stderr
    assert "no condition 3" in qrtui(*export, "--condition", 3).stderr
    assert qrtui(*export, "--condition", 2).returncode == 0
    assert "int8" in (tmp_path / "one.jsonl").read_text().splitlines()[0]


# A thread of EvalPlus' sleeps 20 s after all is done.
EVALUATE = """
import os, sys
from evalplus.evaluate import evaluate
evaluate(dataset="humaneval", samples=sys.argv[1], parallel=1, i_just_wanna_run=True)
os._exit(0)
"""


def test_evalplus_takes_the_samples(tmp_path):
    """EvalPlus' own program, on a data set of two tasks of its format."""
    tasks = load_tasks("humaneval")[:2]
    problems = [
        {
            "task_id": task.task_id,
            "prompt": task.prompt,
            "entry_point": task.entry_point,
            "canonical_solution": task.canonical_solution,
            "base_input": given,
            "plus_input": given,
            "contract": "",
            "atol": 0,
        }
        for task, given in zip(tasks, ([[[1.0, 2.0], 0.5]], [["( ) (())"]]), strict=True)
    ]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in problems))
    fill(tmp_path / "a.db", tasks, made=2)
    said = qrtui("export", "1", tmp_path / "samples", "--db", tmp_path / "a.db", "--format", "evalplus")
    assert "qrtui judge FILE --dataset humaneval   (evalplus.evaluate wants every task, and here are 2 of 164)" in (
        said.stdout
    )
    file = next((tmp_path / "samples").iterdir())
    environment = {
        **os.environ,
        "HUMANEVAL_OVERRIDE_PATH": str(tmp_path / "tasks.jsonl"),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    command = [sys.executable, "-c", EVALUATE, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    results = json.loads(file.with_name(f"{file.stem}_eval_results.json").read_text())["eval"]
    assert {task: [one["base_status"] for one in found] for task, found in results.items()} == {
        task.task_id: ["pass"] for task in tasks
    }
