"""One task of a run, written down: as text, Markdown, JSON and as a picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrtui.results.case import case_file_stem, case_json, case_markdown, case_text
from qrtui.results.case_svg import case_svg
from qrtui.results.columns import read_cases, read_column, read_columns, read_conditions, tasks_mentioning
from qrtui.results.svg_page import CELL, Line, Run, folded

from .conftest import fill

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "x = '\x1b]0;t\x07'  # ``` | <b>&amp;\u202e\ufffe"


@pytest.fixture
def run(store):
    return store.run(str(fill(store)))


@pytest.fixture
def cases(store, run):
    return store.cases(run.id, "Demo/2")


def changed(cases, **fields):
    return [msgspec.structs.replace(case, **fields) for case in cases]


def words_of(svg: str) -> list[str]:
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_verdicts_stand_in_a_table_before_anything_else(run, cases):
    text = case_text(run, "Demo/2", cases)
    assert text.splitlines()[:5] == [
        "Demo/2 in run 1 (fixed)",
        "",
        "m      fp32 (original)  int8 (quantized)  prompt",
        "clean  ✓ passed         ✓ passed",
        "char   ✗ failed         ✗ failed          changed",
    ]
    assert "Changed: clean → char" in text
    assert "| char | ✗ failed | ✗ failed | changed |" in case_markdown(run, "Demo/2", cases)


def test_json_has_every_case_and_the_words_that_changed(run, cases):
    written = case_json(run, "Demo/2", cases)
    assert written["changed"] == {"clean": [], "char": [["clean", "char"]]}
    assert [case["base"] for case in written["cases"]] == ["passed", "failed", "passed", "failed"]


def test_of_several_samples_the_table_counts_and_the_titles_number(run, cases):
    again = [*cases, *(msgspec.structs.replace(case, sample=1, base="passed") for case in cases)]
    text = case_markdown(run, "Demo/2", again)
    assert "| char | 1 of 2 passed | 1 of 2 passed | changed |" in text
    assert "### m fp32 (original), char, sample 2" in text


@pytest.mark.parametrize("write", [case_text, case_markdown])
def test_what_a_model_wrote_stays_text(run, cases, write):
    written = write(run, "Demo/2", changed(cases, solution=NASTY, failing_input=NASTY, got=NASTY, prompt=NASTY))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", written)
    if write is case_markdown:
        # Each program is closed by a fence longer than any it holds.
        fences = [line for line in written.splitlines() if re.fullmatch("`{3,}(python)?", line)]
        assert fences == ["````python", "````"] * 5


def test_the_picture_shows_the_four_with_what_differs_marked(run, cases):
    svg = case_svg(run, "Demo/2", cases)
    words = words_of(svg)
    for expected in ("clean prompt", "char", "✓ passed", "✗ failed", "fp32 original", "int8 quantized"):
        assert expected in words
    marked = [e.text for e in ElementTree.fromstring(svg).iter(f"{SVG}text") if e.get("class") == "changed"]
    assert marked == ["fp32", "int8", "char", "fp32", "int8"]
    assert case_svg(run, "Demo/2", cases) == svg
    assert case_svg(run, "Demo/2", cases, dark=True) != svg


def test_the_picture_folds_at_words_keeps_looks_and_indents_what_goes_on_below():
    line = Line([Run("the endpoints are "), Run("not included", "changed"), Run(". None of them")], "differs")
    texts = [["".join(run.text for run in piece.runs), piece.ground] for piece in folded(line, 24)]
    assert texts == [["the endpoints are not ", "differs"], ["  included. None of them", "differs"]]
    looks = [[(run.text, run.look) for run in piece.runs] for piece in folded(line, 24)]
    assert looks[1] == [("  ", ""), ("included", "changed"), (". None of them", "")]
    assert [run.text for piece in folded(Line([Run("a " + "x" * 20)]), 10) for run in piece.runs] == [
        "a xxxxxxxx",
        "  ",
        "xxxxxxxx",
        "  ",
        "xxxx",
    ]
    code = [Run("    return "), Run("[word for word in words if word]", "name")]
    assert ["".join(run.text for run in piece.runs) for piece in folded(Line(code), 30)] == [
        "    return [word for word in ",
        "      words if word]",
    ]
    assert len(folded(Line([Run("x" * 10 + "  ")]), 10)) == 1
    assert folded(Line([]), 10) == [Line([])]


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=300))
def test_whatever_a_model_wrote_the_picture_is_well_formed_and_nothing_leaves_its_frame(text):
    run, cases = _made_up(text)
    root = ElementTree.fromstring(case_svg(run, text[:20] or "t", cases).encode())
    width = float(root.get("width"))
    for element in root.iter(f"{SVG}text"):
        assert float(element.get("x")) + float(element.get("textLength")) <= width - CELL
    assert not list(root.iter(f"{SVG}script"))


def _made_up(text: str):
    from qrtui.results.records import Case, ConditionRecord, RunRecord

    run = RunRecord(
        id=1,
        name=text,
        experiment={},
        status="finished",
        started="2026-01-01T00:00:00+00:00",
        finished=None,
        environment={},
        total=1,
        judged=1,
    )
    conditions = [
        ConditionRecord(
            id=number,
            model="m",
            precision=precision,
            is_baseline=precision == "fp32",
            dataset="demo",
            perturbation="clean",
            dose=None,
            memory=None,
        )
        for number, precision in enumerate(("fp32", "int8"))
    ]
    texts = (text, text[::-1])
    return run, [
        Case(
            condition=condition,
            task="t",
            sample=0,
            prompt=text,
            text=one,
            solution=one,
            finish="stop",
            tokens=1,
            seconds=0.1,
            base="failed",
            plus=None,
            failing_input=one,
            expected=one,
            got=None,
            error=one,
            level="L2",
        )
        for condition, one in zip(conditions, texts, strict=True)
    ]


@pytest.mark.parametrize(
    ("base", "plus", "said"),
    [
        ("missing function", "missing function", "✗ missing function, with the added tests too"),
        ("passed", "failed", "✓ passed, with the added tests failed"),
        ("failed", None, "✗ failed"),
    ],
)
def test_a_verdict_is_said_once_where_the_added_tests_do_not_change_it(base, plus, said):
    record, cases = _made_up("x")
    one = msgspec.structs.replace(cases[0], base=base, plus=plus, tokens=9)
    assert f"{said}, 9 tokens" in case_markdown(record, "t", [one])


@given(st.text())
def test_a_file_named_after_a_task_stays_in_its_folder(task):
    stem = case_file_stem(7, task)
    assert re.fullmatch(r"qrtui-run7-[A-Za-z0-9._-]+", stem)
    assert ".." not in stem
    assert len(f"{stem}.svg") < 100


def test_columns_hold_what_the_store_knows_and_say_when_they_are_complete(store, run):
    conditions = read_conditions(store, run.id)
    assert [(c.precision, c.perturbation, c.is_baseline) for c in conditions] == [
        ("fp32", "clean", True),
        ("fp32", "char", True),
        ("int8", "clean", False),
        ("int8", "char", False),
    ]
    columns = read_columns(store, conditions, 10.0)
    assert [sum(bool(cell.passed) for cell in column.cells.values()) for column in columns] == [4, 2, 3, 2]
    assert all(column.complete for column in columns)
    assert len(read_columns(store, conditions, 0.0)) == 1


def test_a_column_of_a_run_under_way_is_not_complete(store):
    run = fill(store, upto=2)
    column = read_column(store, read_conditions(store, run)[0])
    assert [cell.passed for cell in column.cells.values()] == [True, True, None, None]
    assert not column.complete


def test_cases_are_the_stores_own(store, run, cases):
    read = read_cases(store, read_conditions(store, run.id), "Demo/2")
    assert [(case.condition.precision, case.base, case.solution, case.prompt) for case in read] == [
        (case.condition.precision, case.base, case.solution, case.prompt) for case in cases
    ]


def test_prompts_are_searched_as_they_are_written(store, run):
    clean, char, *_ = read_conditions(store, run.id)
    assert tasks_mentioning(store, [clean, char], "DEMO/1 ch") == {("demo", "Demo/1")}
    assert tasks_mentioning(store, [clean], "char") == set()
    assert tasks_mentioning(store, [clean, char], "%") == set()
    assert tasks_mentioning(store, [clean, char], "Demo_1") == set()
