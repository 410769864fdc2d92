"""What models, files and libraries said comes out of every writer unable to drive a terminal or break a format."""

import csv
import io
import json
import xml.dom.minidom

import pytest

from qrtui.judge.verdict import Verdict
from qrtui.results.records import Completion, PlannedCondition, PlannedResult
from qrtui.results.store import Store
from tests.hostile_texts import NASTY, TWO_LINES, harmless

from .conftest import determinants

PRECISIONS = {"fp32": ("passed", "passed"), "int8": ("passed", "failed")}
KINDS = ["clean", f"recorded {NASTY}", "gaussian 0.001 published", "gaussian 0.003 published"]
TASK = f"../../{TWO_LINES}"


def hostile(store):
    """A run with hostile text in every place that holds text."""
    conditions = []
    for precision in PRECISIONS:
        for kind in KINDS:
            fixed = determinants(precision, kind, TWO_LINES)
            result = PlannedResult(TASK, 0, f"hash {precision} {kind}", fixed.prompt, fixed.key())
            conditions.append(
                PlannedCondition(
                    model=TWO_LINES,
                    precision=precision,
                    is_baseline=precision == "fp32",
                    dataset=f"/{NASTY}.jsonl",
                    perturbation=kind,
                    results=[result],
                )
            )
            store_one(store, precision, kind, result)
    return store.begin_run(TWO_LINES, {"name": TWO_LINES, "seed": 0}, conditions, {"device": NASTY, "level": "L2"})


def store_one(store, precision, kind, result):
    solution = f"# {precision} {kind}\n{TWO_LINES}"
    store.add_completion(
        Completion(
            determinants=determinants(precision, kind, TWO_LINES),
            text=solution,
            solution=solution,
            finish="stop",
            tokens=10,
            seconds=0.5,
        )
    )
    status = PRECISIONS[precision][kind != "clean"]
    said = {"failing_input": TWO_LINES, "expected": TWO_LINES, "got": TWO_LINES} if status == "failed" else {}
    store.add_verdict(solution, result.task_hash, Verdict(base=status, **said))


@pytest.fixture(autouse=True)
def database(tmp_path, monkeypatch):
    with Store(tmp_path / "hostile.db") as store:
        store.end_run(hostile(store), "finished")
        hostile(store)
    monkeypatch.setenv("QRTUI_DB", str(tmp_path / "hostile.db"))
    monkeypatch.chdir(tmp_path)


SHOWN = [
    ["runs"],
    ["report"],
    ["report", "--format", "md", "--cases"],
    ["report", "--format", "latex"],
    ["report", "--layout", "table1"],
    ["report", "1", "--against", "2", "--format", "md"],
    ["compare", "1", TASK],
    ["compare", "1", TASK, "--format", "md"],
    ["chart", "rrs"],
    ["chart", "noise"],
    ["chart", "heatmap"],
    ["chart", "table1"],
]


@pytest.mark.parametrize("arguments", SHOWN, ids=" ".join)
def test_what_is_printed_is_printable(command, arguments):
    status, out, err = command(*arguments)
    assert (status, err) == (0, "")
    harmless(out)
    assert "[red]b[/red]" in out
    if "latex" in arguments:
        assert all(line.startswith("%") for line in out.splitlines() if "\\end{document}" in line)
    if "md" in arguments and "--against" in arguments:
        rows = [line.replace("\\|", "") for line in out.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1


@pytest.mark.parametrize("arguments", [["report", "x"], ["compare", "1", NASTY], ["plan", f"{NASTY}.toml"], [NASTY]])
def test_an_error_is_one_printable_line(command, arguments):
    status, out, err = command(*(argument.replace("\0", "") for argument in arguments))
    assert (status, out, err.count("\n")) == (1, "", 1)
    harmless(err)


@pytest.mark.parametrize(
    "arguments",
    [["runs", "--json"], ["compare", "1", TASK, "--format", "json"], ["report", "--cases", "--format", "json"]],
    ids=" ".join,
)
def test_json_is_printable_and_loses_nothing(command, arguments):
    status, out, _ = command(*arguments)
    assert status == 0
    harmless(out)
    assert TWO_LINES in list(texts(json.loads(out)))


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


@pytest.mark.parametrize("kind", ["rrs", "noise", "heatmap", "table1"])
def test_charts_are_written_where_they_were_asked_to_be(command, tmp_path, kind):
    folder = tmp_path / "charts"
    folder.mkdir()
    for suffix in ("svg", "csv"):
        assert command("chart", kind, "-o", folder / f"chart.{suffix}")[0] == 0
    xml.dom.minidom.parse(str(folder / "chart.svg"))
    lines = list(csv.reader(io.StringIO(harmless((folder / "chart.csv").read_text()))))
    assert len({len(line) for line in lines}) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["chart.csv", "chart.svg"]


def test_files_are_printable_too(command, tmp_path):
    for suffix in ("md", "csv"):
        assert command("report", "-o", f"report.{suffix}")[0] == 0
        harmless((tmp_path / f"report.{suffix}").read_text())
