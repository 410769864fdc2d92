"""From verdicts to the table: worked by hand in conftest's four tasks."""

import pytest

from qrtui.results.published import published_table
from qrtui.results.report import make_report
from qrtui.results.table import table

from .conftest import fill


def rows_of(store, run):
    return {
        (row.condition.precision, row.condition.perturbation): row
        for row in table(store.conditions(run), store.outcomes(run))
    }


def test_a_finished_run_in_numbers(store):
    rows = rows_of(store, fill(store))
    assert rows["fp32", "clean"].pass_at_1 == 1.0
    assert (rows["fp32", "char"].drop, rows["fp32", "char"].delta) == (0.5, 0.5)
    assert (rows["int8", "char"].drop, rows["int8", "char"].delta) == (0.25, pytest.approx(1 / 3))
    assert (rows["int8", "char"].rrs, rows["int8", "char"].more_robust) == (2.0, "quantized")
    assert rows["fp32", "char"].rrs is None
    assert rows["int8", "clean"].more_robust is None
    assert rows["int8", "char"].tokens_per_second == pytest.approx(20)


def test_a_run_under_way_compares_only_tasks_judged_in_all_four_cells(store):
    run = fill(store, upto=3)
    rows = rows_of(store, run)
    assert (rows["fp32", "char"].n, rows["fp32", "char"].total) == (3, 4)
    # Of the first three tasks each model loses one: 1/3 against 1/3.
    assert (rows["int8", "char"].rrs, rows["int8", "char"].more_robust) == (1.0, "equal")


def test_a_cell_that_lags_behind_takes_the_other_three_back_to_its_tasks(store):
    run = fill(store, fewer={("int8", "char"): 3})
    rows = rows_of(store, run)
    assert [rows[cell].n for cell in (("fp32", "clean"), ("fp32", "char"), ("int8", "clean"), ("int8", "char"))] == [
        4, 4, 4, 3,
    ]  # fmt: skip
    # The original loses two of its four tasks, and one of the three that all have; so does the quantized model.
    assert (rows["fp32", "char"].drop, rows["int8", "char"].drop) == (0.5, pytest.approx(1 / 3))
    assert (rows["int8", "char"].rrs, rows["int8", "char"].more_robust) == (1.0, "equal")
    compared = make_report(store, store.run(str(run))).conditions[-1]
    assert (compared.n_compared, compared.drop_difference) == (3, 0)


def test_nothing_judged_gives_no_numbers(store):
    rows = rows_of(store, fill(store, upto=0))
    assert all(row.pass_at_1 is None and row.rrs is None and row.more_robust is None for row in rows.values())


def test_the_published_table_has_the_papers_headline():
    summary = published_table().summary
    assert (summary.quantized, summary.original, summary.equal) == (65, 54, 7)
    assert summary.sign_test_p == pytest.approx(0.359, abs=5e-4)
