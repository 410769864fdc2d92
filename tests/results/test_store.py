"""The database: what is kept, what is found again, what is refused."""

import sqlite3
import stat

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
