"""The database: what is kept, what is found again, what is refused."""

import sqlite3
import stat

import msgspec
import pytest

from qrtui.errors import StoreError
from qrtui.judge.verdict import Verdict
from qrtui.results.records import Completion
from qrtui.results.store import Store

from .conftest import TASKS, determinants, fill, planned


def test_a_completion_is_found_by_what_determines_it_and_by_nothing_else(store):
    same = determinants("int8", "char", "Demo/0")
    store.add_completion(Completion(determinants=same, text="a", solution="b", finish="stop", tokens=1, seconds=0.1))
    variants = [
        determinants("int8", "char", "Demo/0", revision="r2"),
        determinants("nf4", "char", "Demo/0", prompt="Demo/0 char"),
        determinants("int8", "char", "Demo/0", noise={"kind": "gaussian", "level": 0.001}),
        determinants("int8", "char", "Demo/0", prompt="other"),
        determinants("int8", "char", "Demo/0", settings={"max_new_tokens": 9, "temperature": 0.0}),
        determinants("int8", "char", "Demo/0", versions={"torch": "2"}),
        determinants("int8", "char", "Demo/0", device="cuda"),
        determinants("int8", "char", "Demo/0", dtype="float16"),
        determinants("int8", "char", "Demo/0", style="completion"),
        determinants("int8", "char", "Demo/0", seed=1),
        determinants("int8", "char", "Demo/0", sample=1),
    ]
    assert store.known([same.key(), *(variant.key() for variant in variants)]) == {same.key()}
    assert store.solution(same.key()) == "b"


def test_every_write_is_there_for_another_process_at_once(store):
    run = fill(store, upto=2)
    with sqlite3.connect(store.path) as other:
        assert other.execute("SELECT count(*) FROM verdicts").fetchone() == (8,)
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert [record.judged for record in store.runs()] == [8]
    assert store.run(str(run)).total == 16


def test_an_unfinished_run_is_taken_up_and_a_finished_one_is_not(store):
    first = fill(store, upto=2)
    assert store.begin_run("fixed", {}, planned(), {}) == first
    store.end_run(first, "stopped")
    assert store.begin_run("fixed", {}, planned(), {}) == first
    store.end_run(first, "finished")
    second = store.begin_run("fixed", {}, planned(), {})
    assert second != first
    assert store.run("latest").id == second


def test_deleting_a_run_keeps_what_was_generated(store):
    run = fill(store)
    store.delete_run(run)
    assert store.runs() == []
    assert store.conditions(run) == []
    again = store.begin_run("fixed", {}, planned(), {})
    assert all(outcome.base for outcome in store.outcomes(again))


def test_a_case_holds_everything_of_one_task(store):
    run = fill(store)
    cases = store.cases(run, "Demo/2")
    assert [(case.condition.precision, case.condition.perturbation, case.base) for case in cases] == [
        ("fp32", "clean", "passed"),
        ("fp32", "char", "failed"),
        ("int8", "clean", "passed"),
        ("int8", "char", "failed"),
    ]
    assert cases[1].prompt == "Demo/2 char"


def test_text_that_sqlite_cannot_hold_is_kept_as_its_escape(store):
    odd = "a\udc80b"
    key = determinants("fp32", "clean", TASKS[0])
    store.add_completion(Completion(determinants=key, text=odd, solution=odd, finish="stop", tokens=1, seconds=0.1))
    store.add_verdict(odd, "h", Verdict(base="failed", got=odd))
    assert store.solution(key.key()) == "a\\udc80b"
    assert store.verdict(odd, "h").got == "a\\udc80b"


def test_the_file_is_for_its_owner_only(store):
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"this is no database at all, just a text file of some length", b""])
def test_a_file_that_is_no_database_is_refused_and_an_empty_one_used(tmp_path, content):
    path = tmp_path / "x.db"
    path.write_bytes(content)
    if content:
        with pytest.raises(StoreError, match=r"cannot be used.*--db"):
            Store(path)
        assert path.read_bytes() == content
    else:
        Store(path).close()


def test_a_newer_database_is_refused(store):
    with sqlite3.connect(store.path) as newer:
        insert = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('qrtui', 'm999', 'later')"
        newer.execute(insert)
    with pytest.raises(StoreError, match="newer qrtui"):
        Store(store.path)


def test_no_run_yet_says_how_to_start_one(store):
    with pytest.raises(StoreError, match="qrtui demo"):
        store.run()


def test_judged_results_are_counted_whatever_comes_first(store):
    first = fill(store, upto=2)
    second = store.begin_run("again", {}, [*planned()[:2]], {})
    assert [(run.total, run.judged) for run in store.runs()] == [(8, 4), (16, 8)]
    fill_the_rest = fill(store)
    assert fill_the_rest == first
    assert [(run.id, run.judged) for run in store.runs()] == [(second, 8), (first, 16)]
    for run in (first, second):
        assert store.run(str(run)).judged == sum(outcome.base is not None for outcome in store.outcomes(run))


def test_a_verdict_known_before_its_completion_counts_when_that_comes(store):
    run = store.begin_run("fixed", {}, planned(), {})
    store.add_verdict("same", "hash of Demo/0", Verdict(base="passed"))
    assert store.run().judged == 0
    for precision in ("fp32", "int8"):
        key = determinants(precision, "clean", "Demo/0")
        store.add_completion(
            Completion(determinants=key, text="", solution="same", finish="stop", tokens=1, seconds=0.1)
        )
    assert store.run(str(run)).judged == 2


def test_a_deleted_run_comes_back_as_it_was(store):
    run = fill(store)
    store.tag_run(run, ["paper", "gpu"])
    before = store.run(), store.outcomes(run), store.prompts(run), store.cases(run, "Demo/1")
    rows = store.delete_run(run)
    assert store.runs() == []
    assert store.restore_run(rows) == run
    assert (store.run(), store.outcomes(run), store.prompts(run), store.cases(run, "Demo/1")) == before
    store.delete_run(run)
    other = store.begin_run("other", {}, planned()[:1], {})
    assert store.restore_run(rows) != other
    assert [(record.name, record.judged) for record in store.runs()] == [("fixed", 16), ("other", 4)]


def test_runs_are_found_by_name_tag_status_and_what_is_in_their_experiment(store):
    for number in range(5):
        cells = [msgspec.structs.replace(planned()[0], dataset=f"set {number}")]
        store.begin_run(f"night {number}", {"models": [{"id": f"org/model_{number}"}], "limit": 3}, cells, {})
    store.end_run(2, "finished")
    store.tag_run(3, ["paper", "50%"])
    store.rename_run(4, "Café")

    def found(search):
        assert store.count_runs(search) == len(store.runs(search))
        return [run.id for run in store.runs(search)]

    assert found("") == [5, 4, 3, 2, 1]
    assert found("NIGHT") == [5, 3, 2, 1]
    assert found("night unfinished") == [5, 3, 1]
    assert found("paper") == found("50%") == found("model_2") == [3]
    assert found("models") == []
    assert found("2") == [3, 2]
    assert found("_") == found("model_") == [5, 4, 3, 2, 1]
    assert found("' OR 1 --") == found("caf\\") == []
    assert [run.id for run in store.runs(limit=2, offset=1)] == [4, 3]
    assert store.run("3").tags == ("50%", "paper")
    assert store.run("Café").id == 4


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 1000, "\x1b[31m"])
def test_a_name_that_is_no_line_is_refused(store, name):
    run = fill(store, upto=0)
    with pytest.raises(StoreError):
        store.rename_run(run, name)
    with pytest.raises(StoreError):
        store.tag_run(run, [name])
    assert store.run().name == "fixed"


def test_a_verdict_of_another_version_of_the_judge_is_none(store, monkeypatch):
    store.add_verdict("program", "task", Verdict(base="passed"))
    assert store.verdict("program", "task") == Verdict(base="passed")
    monkeypatch.setattr("qrtui.results.store.JUDGE_VERSION", "another")
    assert store.verdict("program", "task") is None
    store.add_verdict("program", "task", Verdict(base="failed"))
    assert store.verdict("program", "task") == Verdict(base="failed")


def test_what_a_completion_costs_is_told_by_its_like(store):
    def add(seconds, precision="int8", **changes):
        made = determinants(precision, "clean", f"Demo/{seconds}", **changes)
        store.add_completion(
            Completion(determinants=made, text="", solution="", finish="stop", tokens=1, seconds=seconds)
        )

    add(2.0)
    add(4.0)
    add(50.0, device="cuda")
    add(60.0, revision="r2")
    add(70.0, precision="nf4")
    assert store.seconds_per_completion("r1", "int8", "cpu") == 3.0
    assert store.seconds_per_completion("r1", "int8", "cuda") == 50.0
    assert store.seconds_per_completion("r1", "fp32", "cpu") is None
