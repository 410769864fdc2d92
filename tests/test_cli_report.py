"""`qrtui report` as a person calls it: several runs, Table I's layout, another run or the paper beside it, files."""

import csv
import io
import json
import subprocess
import sys

import msgspec
import pytest
from click.testing import CliRunner

from qrtui.cli import cli
from qrtui.errors import QrtuiError
from qrtui.results.store import Store

from .results.conftest import fill, planned


@pytest.fixture
def database(tmp_path):
    """Run 1 of model m on demo, and run 2, the same passes under the name of one of the paper's models on MBPP."""
    path = tmp_path / "cli.db"
    with Store(path) as store:
        store.end_run(fill(store), "finished")
        renamed = [msgspec.structs.replace(one, model="Llama-3.2-1B", dataset="mbpp") for one in planned()]
        store.end_run(store.begin_run("llama", {"name": "llama"}, renamed, {"device": "cpu"}), "finished")
    return path


@pytest.fixture
def report(database):
    def call(*arguments):
        result = CliRunner().invoke(cli, ["--db", str(database), "report", *map(str, arguments)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


def test_table_one_of_ones_own_runs_stands_above_the_papers_headline(report):
    text = report(1, 2, "--layout", "table1")
    assert "run 1 (fixed), run 2 (llama)" in text
    grid = [" ".join(line.split()) for line in text.splitlines()]
    # A column each of MBPP and the demo: either model has results on one of them.
    assert "LLaMA 1B int8 2.000 ↓ —" in grid
    assert "m int8 — 2.000 ↓" in grid
    assert "all cells 2 2 100.00 % 0 0.00 % 0 0.00 % 0.500" in grid
    assert "the paper's Table I 126 65 51.59 % 54 42.86 % 7 5.56 % 0.359" in grid
    assert "Mean clean loss of int8, as a share of the original's pass@1: 25.00 % (the paper: 0.36 %)" in text


def test_the_papers_table_needs_no_database(tmp_path):
    result = CliRunner().invoke(cli, ["--db", str(tmp_path / "none.db"), "report", "paper", "--layout", "table1"])
    assert "51.59 %" in result.stdout
    assert not (tmp_path / "none.db").exists()


def test_several_runs_are_one_report_and_a_repeated_one_counts_once(report):
    read = json.loads(report("fixed", 1, "latest", "--format", "json"))
    assert read["run"] == "1, 2"
    assert len(read["conditions"]) == 8
    assert read["summary"]["quantized"] == 2
    assert json.loads(report(1, 1, "--format", "json"))["run"] == 1
    assert json.loads(report("--format", "json"))["run"] == 2


def test_what_several_runs_hold_is_told_where_there_is_room(database, report):
    with Store(database) as store:
        fill(store)
    text = report(1, 3)
    assert "the latest run that has results counts; left out are 4 of run 1 (fixed)" in text
    assert json.loads(report(1, 3, "--format", "json"))["merged"]["replaced"] == {"run 1 (fixed)": 4}
    assert report(1, 3, "--format", "latex").startswith("% Where runs hold the same cell")
    assert len(list(csv.DictReader(io.StringIO(report(1, 3, "--format", "csv"))))) == 4


def test_a_run_stands_beside_the_paper_cell_by_cell(report):
    read = json.loads(report("llama", "--against", "paper", "--format", "json"))
    (cell,) = read["cells"]
    assert (cell["family"], cell["size"], cell["precision"]) == ("LLaMA", "1B", "int8")
    assert (cell["first"]["rrs"], cell["second"]["rrs"], cell["agree"]) == (2.0, 1.092, True)
    assert "The arrows agree in 1 of 1 cell" in report("llama", "--against", "paper")
    turned = json.loads(report("paper", "--against", "llama", "--format", "json"))
    assert turned["cells"][0]["second"]["rrs"] == 2.0


def test_cases_follow_the_report_all_or_the_first(report):
    text = report(1, "--cases")
    before, after = text.split("Where original and quantized part ways: run 1 (fixed)")
    assert "RRS" in before
    # The original alone passes task 3 unperturbed; under attack both pass the same.
    assert "Demo/3 in run 1 (fixed)" in after
    read = json.loads(report(1, 2, "--cases", "1", "--format", "json"))
    assert [(case["run"], case["task"], case["wins"]) for case in read["cases"]] == [
        (1, "Demo/3", "original"),
        (2, "Demo/3", "original"),
    ]
    assert read["run"] == "1, 2"
    assert json.loads(report(1, "--layout", "table1", "--cases", "--format", "json"))["cases"][0]["run"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cases", "latest"], "no number of cases"),
        (["--cases", "0"], "no number of cases"),
        (["1", "--cases", "--format", "csv"], "no place in csv"),
        (["1", "--cases", "--against", "2"], "leave --against out"),
        (["1", "--layout", "table1", "--against", "2"], "leave --layout out"),
    ],
)
def test_what_does_not_go_together_says_what_does(database, arguments, words):
    result = CliRunner().invoke(cli, ["--db", str(database), "report", *arguments])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nine"], "there is no run 'nine'"),
        (["1", "--against", "nine"], "there is no run 'nine'"),
        (["1", "--against", "fixed"], "run 1 would be compared with itself"),
        (["1", "--against", "2"], "have no cell in common"),
        (["1", "--against", "paper"], "the paper's are CodeGen"),
        (["paper", "--cases"], "so there are no cases"),
        (["1", "-o", "/nowhere/at/all.txt"], "/nowhere/at/all.txt cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_one_line(report, arguments, words):
    with pytest.raises(QrtuiError, match=words) as caught:
        report(*arguments)
    assert "\n" not in str(caught.value)


def test_nothing_is_compared_before_anything_is_judged(database, report):
    with Store(database) as store:
        renamed = [msgspec.structs.replace(one, model="other", results=[]) for one in planned()]
        store.begin_run("empty", {"name": "empty"}, renamed, {"device": "cpu"})
    with pytest.raises(QrtuiError, match="no quantized model to compare"):
        report("empty", "--layout", "table1")


def test_output_replaces_a_file_and_its_suffix_names_the_format(report, tmp_path, database):
    file = tmp_path / "table.tex"
    file.write_text("old")
    assert report("paper", "--layout", "table1", "-o", file) == ""
    assert r"\begin{tabular}" in file.read_text(encoding="utf-8")
    assert "old" not in file.read_text(encoding="utf-8")
    report("paper", "-o", tmp_path / "paper.csv")
    assert len(list(csv.DictReader((tmp_path / "paper.csv").open(encoding="utf-8")))) == 126
    report("paper", "--format", "md", "-o", tmp_path / "paper.csv")
    assert "| LLaMA 1B |" in (tmp_path / "paper.csv").read_text(encoding="utf-8")
    assert report("paper", "--format", "csv", "-o", "-").startswith("model,")
    with pytest.raises(QrtuiError, match="is the database"):
        report("1", "-o", database)


def test_a_wrong_combination_is_one_line_and_exit_status_1(database):
    result = subprocess.run(
        [sys.executable, "-m", "qrtui", "--db", database, "report", "1", "--against", "2", "--layout", "table1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "leave --layout out" in result.stderr
