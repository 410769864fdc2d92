"""`qrtui run` as another program sees it, on a tiny random model: output, exit status, signals, a second run."""

import json
import os
import signal
import subprocess
import sys

import pytest

from .test_run import TASKS


@pytest.fixture
def preset(tmp_path, tiny_llama):
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, TASKS)))
    path = tmp_path / "tiny.toml"
    path.write_text(
        f"""
        [[models]]
        id = "{tiny_llama}"
        [precisions]
        quantized = ["bf16"]
        [tasks]
        datasets = ["own.jsonl"]
        [[attacks]]
        kind = "char"
        [generation]
        max_new_tokens = 6
        """
    )
    return path


@pytest.fixture
def started(preset, tmp_path):
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "qrtui", "run", str(preset), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "QRTUI_DB": str(tmp_path / "run.db"),
                "QRTUI_CACHE": str(tmp_path / "cache"),
                "OMP_NUM_THREADS": "1",
            },
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_finished_run_exits_0_and_a_second_one_generates_nothing(started):
    first = started("--json")
    out, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    report = json.loads(out)
    assert (report["status"], len(report["conditions"])) == ("finished", 4)
    assert all(condition["n"] == 4 for condition in report["conditions"])
    assert "16 to make" in err

    second = started()
    out, err = second.communicate(timeout=120)
    assert (second.returncode, err) == (0, "")
    assert "every completion is known" in out
    assert "Run 2, finished" in out
    assert "qrtui report 2" in out.splitlines()[-1]


def test_an_interrupt_stops_cleanly_with_130_and_the_same_command_resumes(started):
    # Long enough to be caught in the middle: a random model seldom ends by itself.
    slow = ["--set", "generation.max_new_tokens=1500", "--set", "generation.batch_size=1"]
    process = started(*slow)
    for line in process.stdout:
        if "judged" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "stopped: resume it by running the same experiment again" in out
    assert "Run 1, stopped" in out
    assert "To repeat it" not in out
    assert "The same command goes on" in out.splitlines()[-1]

    again = started(*slow, "--limit", "1")
    for line in again.stdout:
        if "run 2" in line:
            # Another selection is another run, but what the first one made is known.
            assert " 0 known" not in line
            break
    again.send_signal(signal.SIGTERM)
    assert again.wait(timeout=60) == 130
