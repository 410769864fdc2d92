"""`qrtui judge`, as another program sees it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from qrtui.tasks.datasets import load_tasks

TASKS = load_tasks("demo")
FIRST, SECOND = TASKS[0], TASKS[1]
WRONG = f"def {FIRST.entry_point}(*arguments):\n    return None\n"


def right(task) -> dict[str, str]:
    return {"task_id": task.task_id, "solution": task.reference}


@pytest.fixture
def judge(tmp_path: Path):
    def call(lines: list[Any], *arguments: str, name: str = "samples.jsonl") -> subprocess.CompletedProcess[str]:
        file = tmp_path / name
        content = b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode("utf-8", "surrogatepass")) + b"\n"
            for line in lines
        )
        file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return run(file, *arguments)

    return call


def run(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qrtui", "judge", str(file), *arguments]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        env=environment(file),
    )
    if "cannot be isolated" in result.stderr:
        pytest.skip(result.stderr)
    return result


def environment(file: Path) -> dict[str, str]:
    return {**os.environ, "QRTUI_CACHE": str(file.parent / "cache")}


def test_the_contract_of_the_json(judge) -> None:
    nine = [{"task_id": FIRST.task_id, "completion": FIRST.canonical_solution, "_identifier": "x"}] * 9
    lines = [{"task_id": FIRST.task_id, "solution": WRONG}, *nine, *[right(SECOND)] * 10]
    result = judge(lines, "--dataset", "demo", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert [verdict["task_id"] for verdict in told["verdicts"]] == [line["task_id"] for line in lines]
    assert [verdict["sample"] for verdict in told["verdicts"]] == [*range(10)] * 2
    assert {key: told["verdicts"][0][key] for key in ("status", "base", "plus", "got")} == {
        "status": "failed",
        "base": "failed",
        "plus": "failed",
        "got": "None",
    }
    assert all(verdict["status"] == verdict["plus"] == "passed" for verdict in told["verdicts"][1:])
    assert told["pass_at_k"] == pytest.approx({"1": 0.95, "10": 1.0})
    assert told["level"] in ("L3", "L2")
    assert (told["tasks"], told["tasks_without_samples"]) == (48, 46)


def test_every_bad_sample_is_one_line_and_the_rest_is_judged(judge) -> None:
    task = {"task_id": FIRST.task_id}
    bad: list[tuple[Any, str]] = [
        (b"this is no JSON", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b'{"task_id": "Demo/0", "solution": "\xff"}', "not UTF-8"),
        ({"solution": "x = 1"}, "no task_id"),
        ({"task_id": 7, "solution": "x = 1"}, "task_id is no text"),
        ({"task_id": "Demo/999", "solution": "x = 1"}, "no task 'Demo/999'; did you mean"),
        ({"task_id": "Demo/\x1b[2J", "solution": "x = 1"}, r"no task 'Demo/\x1b[2J'"),
        (task, "neither solution nor completion"),
        ({**task, "solution": ["x"]}, "solution is no text"),
        ({**task, "solution": " \n"}, "solution is empty"),
        ({**task, "completion": ""}, "completion is empty"),
        ({**task, "solution": "x = 1\n" * 1_700_000}, "10,200,000 characters"),
        ({**task, "solution": FIRST.reference + "\0"}, "NUL byte"),
        ({**task, "solution": FIRST.reference + "\ud800"}, "surrogate"),
        (b'"' + b"x" * (33 << 20) + b'"', "longer than 32 MiB"),
    ]
    result = judge([right(FIRST), *[line for line, _ in bad], b"", right(SECOND)], "--dataset", "demo", "--json")
    assert result.returncode == 0
    lines = result.stderr.splitlines()
    for number, (line, (_, words)) in enumerate(zip(lines, bad, strict=True), 2):
        assert line.startswith(f"qrtui: line {number}: ")
        assert words in line
        assert "; " in line
        assert line.isprintable()
    told = json.loads(result.stdout)
    assert [(verdict["task_id"], verdict["status"]) for verdict in told["verdicts"]] == [
        (FIRST.task_id, "passed"),
        (SECOND.task_id, "passed"),
    ]
    assert len(told["skipped"]) == len(bad)
    # The seven that name a task count as samples of it that did not pass.
    assert told["pass_at_k"]["1"] == pytest.approx((1 / 8 + 1) / 2)


def test_the_text_is_one_line_a_sample_and_a_summary(judge) -> None:
    escape = {"task_id": FIRST.task_id, "completion": "    raise ValueError('\x1b[2J')\n"}
    result = judge([right(FIRST), escape, b"nonsense"], "--dataset", "demo", name="samples.jsonl.gz")
    assert (result.returncode, result.stderr.count("\n")) == (0, 1)
    lines = result.stdout.splitlines()
    assert lines[0].startswith(("isolation L3", "isolation L2"))
    assert lines[2].split() == [FIRST.task_id, "0", "passed", "passed"]
    assert r"ValueError: \x1b[2J" in lines[3]
    assert "2 samples judged: 1 passed, 1 failed" in result.stdout
    assert "47 of the 48 tasks of demo have no sample" in result.stdout
    assert "pass@1    base tests 0.500   base and plus tests 0.500" in result.stdout


def test_tasks_of_ones_own_and_the_added_tests(judge, tmp_path: Path) -> None:
    own = {"task_id": "own/1", "prompt": "def add(a, b):\n", "entry_point": "add", "base_input": [[1, 2]]}
    own |= {"canonical_solution": "    return a + b\n", "plus_input": [[3, 3]]}
    (tmp_path / "tasks.jsonl").write_text(json.dumps(own))
    sample = {"task_id": "own/1", "completion": "    return 3\n"}
    told = json.loads(judge([sample], "--tasks", str(tmp_path / "tasks.jsonl"), "--json").stdout)
    (verdict,) = told["verdicts"]
    assert (verdict["status"], verdict["base"], verdict["plus"]) == ("failed", "passed", "failed")
    assert (verdict["failing_input"], verdict["expected"], verdict["got"]) == ("add(3, 3)", "6", "3")
    assert (told["pass_at_k"], told["pass_at_k_base"]) == ({"1": 0.0}, {"1": 1.0})


def test_mbpp_inputs_get_their_types_back(judge, tmp_path: Path) -> None:
    task = {"task_id": "Mbpp/2", "prompt": '"""\nFind shared elements.\n"""\n', "entry_point": "similar_elements"}
    task |= {"canonical_solution": "def similar_elements(a, b):\n    return tuple(set(a) & set(b))\n"}
    (tmp_path / "mbpp.jsonl").write_text(json.dumps(task | {"base_input": [[[3, 4, 5], [5, 7, 4]]]}))
    typed = "def similar_elements(a, b):\n    return [4, 5] if type(a) is tuple else None\n"
    result = judge([{"task_id": "Mbpp/2", "solution": typed}], "--tasks", str(tmp_path / "mbpp.jsonl"), "--json")
    assert json.loads(result.stdout)["verdicts"][0]["status"] == "passed"


def test_one_bad_task_and_odd_names_hinder_no_other(judge, tmp_path: Path) -> None:
    own = {"prompt": "def add(a, b):\n", "entry_point": "add", "canonical_solution": "    return a + b\n"}
    deep = "[" * 250 + "]" * 250
    odd = "own/\x1b[2J\x07\u2028"
    lines = [
        json.dumps({**own, "task_id": "own/deep", "base_input": [["DEEP", 1]]}).replace('"DEEP"', deep),
        json.dumps({**own, "task_id": odd, "base_input": [[1, 2]]}, ensure_ascii=False),
    ]
    (tmp_path / "tasks.jsonl").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    samples = [{"task_id": name, "completion": "    return 3\n"} for name in ("own/deep", odd)]
    many = [b"nonsense"] * 30
    result = judge([*samples, *many], "--tasks", str(tmp_path / "tasks.jsonl"))
    assert result.returncode == 0
    assert "1 sample judged: 1 passed" in result.stdout
    assert all(line.isprintable() for line in result.stdout.split("\n"))
    told = result.stderr.splitlines()
    assert "line 1: the inputs of task own/deep are nested too deeply" in told[0]
    assert (len(told), told[-1]) == (21, "qrtui: and 11 more lines that cannot be judged")


@pytest.mark.parametrize("atol", ["x", [1], -1, float("nan"), 10**400])
def test_a_tolerance_that_is_none_is_told(judge, tmp_path: Path, atol: Any) -> None:
    task = {"task_id": "own/1", "prompt": "def add(a, b):\n", "entry_point": "add", "base_input": [[1, 2]]}
    task |= {"canonical_solution": "    return a + b\n", "atol": atol}
    (tmp_path / "tasks.jsonl").write_text(json.dumps(task))
    result = judge([right(FIRST)], "--tasks", str(tmp_path / "tasks.jsonl"))
    assert (result.returncode, result.stdout) == (1, "")
    assert "tasks.jsonl line 1: 'atol' is not a number" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps(right(FIRST)))
    command = [sys.executable, "-m", "qrtui", "judge", str(file), "--dataset", "demo"]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=environment(file)
        )
    if "cannot be isolated" in result.stderr:
        pytest.skip(result.stderr)
    assert result.returncode == 1
    assert "no space left" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


@pytest.mark.parametrize(
    ("lines", "arguments", "words"),
    [
        ([], ["--dataset", "demo"], "no sample that can be judged"),
        ([b"nonsense"], ["--dataset", "demo"], "no sample that can be judged"),
        ([right(FIRST)], ["--dataset", "dmeo"], "did you mean demo?"),
        ([right(FIRST)], ["--tasks", "absent.jsonl"], "no task file absent.jsonl"),
        ([right(FIRST)], [], "--dataset NAME or --tasks"),
        ([right(FIRST)], ["--dataset", "demo", "--tasks", "x.jsonl"], "--dataset NAME or --tasks"),
    ],
)
def test_errors_of_use(judge, lines: list[Any], arguments: list[str], words: str) -> None:
    result = judge(lines, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "there is no samples file" in run(tmp_path / "absent.jsonl", "--dataset", "demo").stderr
    assert "is a folder" in run(tmp_path, "--dataset", "demo").stderr
    whole = gzip.compress(b"".join(json.dumps(right(task)).encode() + b"\n" for task in TASKS), mtime=0)
    (tmp_path / "broken.jsonl.gz").write_bytes(whole[:-20])
    result = run(tmp_path / "broken.jsonl.gz", "--dataset", "demo", "--json")
    assert result.returncode == 0
    assert "damaged from here on" in result.stderr
    assert len(json.loads(result.stdout)["verdicts"]) > 40


def test_stopping_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps({"task_id": FIRST.task_id, "solution": "while True: pass"}) + "\n")
    command = [sys.executable, "-u", "-m", "qrtui", "judge", str(file), "--dataset", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(file)) as process:
        until = time.monotonic() + 20
        while not children(process.pid) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    mark, until = os.fsencode(environment(file)["QRTUI_CACHE"]), time.monotonic() + 10
    # The last of them may be ending still.
    while left := [entry for entry in Path("/proc").glob("[0-9]*/environ") if mark in _content(entry)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def children(pid: int) -> str:
    return "".join(_content(file).decode() for file in Path(f"/proc/{pid}/task").glob("*/children"))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
