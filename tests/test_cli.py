"""The commands, as another program sees them: output, exit status, one line for an error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .results.conftest import fill


@pytest.fixture
def qrtui(tmp_path):
    def call(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "qrtui", *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "QRTUI_DB": str(tmp_path / "cli.db"), **environment},
            check=False,
        )

    return call


@pytest.fixture
def filled(tmp_path):
    from qrtui.results.store import Store

    with Store(tmp_path / "cli.db") as store:
        return fill(store)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "dmeo"], ["did you mean demo?"]),
        (["run", "absent.toml"], ["no preset file absent.toml"]),
        (["plan", "demo", "--set", "precisions.quantized=['nf5']"], ["demo.toml", "precisions.quantized", "nf4"]),
        (["plan", "demo", "--limit", "0"], ["--limit"]),
        (["plan"], ["PRESET", "--help"]),
        (["report"], ["no run", "qrtui demo"]),
        (["compare", "latest", "Demo/0"], ["no run"]),
        (["pull", "smolm2-135m"], ["smollm2-135m"]),
        (["raport"], ["raport"]),
        (["plan", "demo", "--db", "/dev/null/x.db"], ["/dev/null/x.db", "--db"]),
        ([], ["terminal", "qrtui run"]),
    ],
)
def test_an_error_is_one_line_on_stderr_and_exit_status_1(qrtui, arguments, words):
    result = qrtui(*arguments)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["report", "paper"], ["models", "--json"], ["--help"]])
def test_output_that_finds_no_room_is_told_in_one_line(arguments):
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "qrtui", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1
    assert "no space left; make room" in result.stderr
    assert result.stderr.count("\n") == 1


def test_debug_shows_where_it_came_from(qrtui):
    assert "Traceback" in qrtui("--debug", "run", "absent.toml").stderr


def test_plan_keeps_its_contract_and_loads_no_model(qrtui):
    result = qrtui("plan", "demo", "--json", "--limit", "5")
    plan = json.loads(result.stdout)
    assert set(plan) == {
        "conditions",
        "completions",
        "to_do",
        "known",
        "seconds",
        "bytes",
        "to_fetch",
        "to_translate",
        "absent",
    }
    assert (plan["conditions"], plan["completions"]) == (15, 75)
    assert plan["to_do"] + plan["known"] == plan["completions"]
    # The weights alone where the model is not here yet, else all that generating needs.
    assert 530e6 < plan["bytes"] < 3.0e9


def test_runs_report_and_compare_of_a_finished_run(qrtui, filled):
    (run,) = json.loads(qrtui("runs", "--json").stdout)
    assert (run["id"], run["name"], run["judged"], run["total"]) == (filled, "fixed", 16, 16)
    report = json.loads(qrtui("report", "latest", "--format", "json").stdout)
    assert report["conditions"][3]["rrs"] == 2.0
    assert "2.000 ↓" in qrtui("report").stdout
    case = json.loads(qrtui("compare", filled, "demo/2", "--format", "json").stdout)
    assert [entry["base"] for entry in case["cases"]] == ["passed", "failed", "passed", "failed"]
    assert "# Demo/2 in run" in qrtui("compare", "latest", "Demo/2", "--format", "md").stdout
    assert "int8 (quantized)" in qrtui("compare", "latest", "Demo/2").stdout
    assert "did you mean Demo/2?" in qrtui("compare", "latest", "Demo/22").stderr


def test_the_published_table_prints_in_every_format(qrtui):
    assert "65, the original (↑) in 54, neither (=) in 7 (sign test p = 0.359)" in qrtui("report", "paper").stdout
    assert len(json.loads(qrtui("report", "paper", "--format", "json").stdout)["conditions"]) == 126


def test_models_lists_size_licence_presence_and_memory(qrtui):
    listed = json.loads(qrtui("models", "--json").stdout)
    assert len(listed) == 13
    assert all(model["licence"] and model["memory"]["nf4"] < model["memory"]["fp32"] for model in listed)
    assert "smollm2-135m" in qrtui("models").stdout


def test_doctor_tries_the_judge_and_says_its_level(qrtui):
    checks = {check["name"]: check for check in json.loads(qrtui("doctor", "--json").stdout)["checks"]}
    assert checks["judge"]["found"][:2] in ("L3", "L2")
    assert checks["libraries"]["ok"]


HEAVY = ("torch", "transformers", "bitsandbytes", "evalplus", "nltk", "textual", "plotext", "scipy")


@pytest.mark.parametrize("module", ["cli", "spec", "plan", "run", "results.report", "plain"])
def test_no_heavy_library_is_imported_before_it_is_needed(module):
    code = f"import sys, qrtui.{module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
