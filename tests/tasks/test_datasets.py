"""Tasks: where they come from, and what identifies them."""

import json
import subprocess
import sys

import msgspec
import pytest

from qrtui.errors import TaskError
from qrtui.tasks.datasets import DATASETS, TASK_COUNTS, find_task, load_tasks, read_tasks
from qrtui.tasks.task import Task

TASK = Task(task_id="X/0", prompt="p", entry_point="f", canonical_solution="s", dataset="x", base_input=[[1]])


def test_the_told_counts_are_true():
    assert set(TASK_COUNTS) == set(DATASETS)
    for dataset in ("demo", "humaneval"):
        assert len(load_tasks(dataset)) == TASK_COUNTS[dataset]


def test_human_eval_comes_with_its_own_check():
    tasks = load_tasks("humaneval")
    assert len(tasks) == 164
    assert all("def check(candidate)" in task.test and not task.is_instruction for task in tasks)
    assert find_task("humaneval/53").entry_point == "add"


@pytest.mark.parametrize(
    "changes",
    [
        {"base_input": [[(1, 2)]]},
        {"base_input": [[[1, 2]]]},
        {"base_input": [[{1, 2}]]},
        {"base_input": [[1.0]]},
        {"base_input": [[True]]},
        {"base_input": [[1 + 2j]]},
        {"plus_input": [[1]]},
        {"atol": 1e-6},
        {"prompt": "q"},
        {"test": "t"},
    ],
)
def test_a_task_that_is_judged_differently_has_another_hash(changes):
    assert msgspec.structs.replace(TASK, **changes).content_hash != TASK.content_hash


def test_the_hash_is_of_the_content_alone():
    assert msgspec.structs.replace(TASK, dataset="y").content_hash == TASK.content_hash
    program = (
        "from qrtui.tasks.task import Task;"
        "print(Task(task_id='a', prompt='', entry_point='f', canonical_solution='', dataset='d',"
        " base_input=[[{'x', 'y', 'zz', 'u'}]]).content_hash)"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(hashes) == 1


GOOD = {"task_id": "A/0", "prompt": "p", "entry_point": "f", "canonical_solution": "c", "base_input": [[1]]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", r"line 1: not JSON .* one JSON object a line"),
        ("[1]", "line 1: not a JSON object"),
        (json.dumps({**GOOD, "prompt": None}), "line 1: no 'prompt'"),
        (json.dumps({**GOOD, "base_input": [1]}), "line 1: 'base_input' is not a list of argument lists"),
        (json.dumps({**GOOD, "base_input": []}), "line 1: no 'base_input'"),
        (json.dumps(GOOD) + "\n" + json.dumps(GOOD), "line 2: task_id 'A/0' is there twice"),
        ("\n", "holds no task"),
    ],
)
def test_a_task_file_that_cannot_be_read_is_told_by_its_line(tmp_path, text, message):
    path = tmp_path / "tasks.jsonl"
    path.write_text(text)
    with pytest.raises(TaskError, match=message) as caught:
        read_tasks(path, "x")
    assert "\n" not in str(caught.value)


def test_a_task_file_in_evalplus_format_is_a_data_set(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({**GOOD, "plus_input": [[2]], "atol": 1e-6}) + "\n")
    (task,) = load_tasks(str(path))
    assert (task.base_input, task.plus_input, task.atol) == ([[1]], [[2]], 1e-6)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: load_tasks("humanevl"), "did you mean humaneval"),
        (lambda: load_tasks("absent.jsonl"), "there is no task file absent.jsonl"),
        (lambda: find_task("Demo/9999"), "did you mean Demo/9"),
        (lambda: find_task("Nope/1"), "ids look like"),
    ],
)
def test_what_does_not_exist_is_said_in_one_line(ask, message):
    with pytest.raises(TaskError, match=message):
        ask()
