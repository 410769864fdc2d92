"""Charts as data: what stands where, from fixed measurements, from a store and from the paper."""

import msgspec
import pytest
from scipy.stats import binomtest

from qrtui.errors import QrtuiError
from qrtui.results.chart_kinds import make_chart
from qrtui.results.figures import heat_map, noise_curves, pass_bars, rrs_bars
from qrtui.results.measured import Intervals, Selection, measured_report, noise_of, read_measured, unequal_dose
from qrtui.results.published import published_table
from qrtui.results.statistics import wilson
from qrtui.results.store import Store

from ..charts.measured import measured
from .conftest import fill


def test_rrs_bars_group_the_precisions_of_a_perturbation():
    (panel,) = rrs_bars(measured()).panels
    assert [group.label for group in panel.groups] == ["char", "gaussian 1e-3", "gaussian 1e-2"]
    assert [[bar.series for bar in group.bars] for group in panel.groups] == [["int8", "nf4"]] * 3
    int8, nf4 = panel.groups[0].bars
    assert (round(int8.value, 3), int8.more_robust, int8.low, int8.high) == (1.333, "quantized", 0.5, None)
    assert nf4.more_robust == "original"
    # int8 lost nothing to the weaker noise: an arrow, no ratio.
    assert (panel.groups[1].bars[0].value, panel.groups[1].bars[0].more_robust) == (None, "quantized")


def test_the_number_of_tasks_is_said_in_the_singular_too():
    one, *_ = measured()
    more = [msgspec.structs.replace(other, n=one.n + 1) for other in measured()]
    assert rrs_bars(measured()).notes[0].startswith(f"n = {one.n} tasks.")
    assert f"n = {one.n} to {one.n + 1} tasks." in rrs_bars([*measured(), *more]).notes
    single = [msgspec.structs.replace(other, n=1) for other in measured()]
    assert "n = 1 task." in rrs_bars(single).notes


def test_table_one_is_drawn_model_by_model():
    chart = rrs_bars(measured_report(published_table()))
    assert [panel.title for panel in chart.panels] == ["mbpp", "mbpp+", "humaneval", "humaneval+"]
    assert [len(panel.groups) for panel in chart.panels] == [12, 12, 9, 9]
    assert chart.series == ("char", "word", "sentence")
    assert sum(len(group.bars) for panel in chart.panels for group in panel.groups) == 126
    assert chart.notes[0] == "Published values: the paper's Table I."


def test_curves_begin_at_clean_and_say_the_dose():
    chart = noise_curves(measured())
    (panel,) = chart.panels
    assert chart.title == "pass@1 against noise: smollm2-135m, demo, gaussian noise, published"
    assert panel.levels == [0.0, 0.001, 0.01]
    assert [(curve.series, curve.is_baseline, curve.share) for curve in panel.curves] == [
        ("fp32", True, 1.0),
        ("int8", False, 0.21),
        ("nf4", False, 0.21),
    ]
    assert [point.value for point in panel.curves[0].points] == [0.6, 0.5, 0.1]
    assert "Unequal dose: published noise reaches 100% of the weights in fp32, 21% in int8 and nf4." in chart.notes


def test_the_dose_is_told_for_all_models_and_not_for_the_last():
    larger = [
        msgspec.structs.replace(
            one, model="larger", weights_perturbed=one.noise and min(1.0, one.weights_perturbed * 2)
        )
        for one in measured()
    ]
    assert unequal_dose([*measured(), *larger]) == (
        "Unequal dose: published noise reaches 100% of the weights in fp32, 21% to 42% in int8 and nf4."
    )


def test_one_level_is_no_curve():
    weak = [one for one in measured() if one.perturbation != "gaussian 0.01 published"]
    assert noise_curves(weak).panels == ()
    with pytest.raises(QrtuiError, match="two noise levels"):
        make_chart("noise", weak, {})


def test_a_heat_map_of_drops_leaves_clean_out_and_is_even_about_zero():
    (panel,) = heat_map(measured()).panels
    assert [column.label for column in panel.columns] == ["clean", "char", "1e-3", "1e-2"]
    assert [row.precision for row in panel.rows] == ["fp32", "int8", "nf4"]
    drops = heat_map(measured(), "drop")
    assert [column.label for column in drops.panels[0].columns] == ["char", "1e-3", "1e-2"]
    assert (drops.low, drops.high) == (-0.5, 0.5)


def test_two_runs_of_one_model_are_told_apart():
    both = [*measured("1"), *measured("2")]
    assert [panel.title for panel in rrs_bars(both).panels] == ["smollm2-135m, run 1", "smollm2-135m, run 2"]
    assert [panel.title for panel in noise_curves(both).panels] == ["smollm2-135m, run 1", "smollm2-135m, run 2"]


def test_a_selection_keeps_what_there_is_to_compare_with():
    kept = Selection(precisions=("nf4",), kinds=("gaussian",), protocols=("published",)).of(measured())
    assert {one.precision for one in kept} == {"fp32", "nf4"}
    assert {one.kind for one in kept} == {"clean", "gaussian"}
    assert Selection(protocols=("after",)).of(measured()) == [one for one in measured() if one.noise is None]


def test_half_a_run_says_so():
    half = [msgspec.structs.replace(one, planned=40) for one in measured()]
    assert "Not finished: 50% of what is shown is judged." in pass_bars(half).notes


@pytest.mark.parametrize(("passed", "n"), [(0, 20), (7, 20), (20, 20), (82, 164)])
def test_wilson_is_scipys(passed, n):
    theirs = binomtest(passed, n).proportion_ci(method="wilson")
    assert wilson(passed / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_only_labels_of_noise_are_noise():
    assert noise_of("uniform 0.0001 after") == ("uniform", 0.0001, "after")
    assert noise_of("sentence engine=apertium") is None
    assert noise_of("clean") is None


def test_a_store_is_read_without_texts_and_intervals_are_kept(tmp_path, monkeypatch):
    with Store(tmp_path / "charts.db") as store:
        run = fill(store)
        for name in ("prompts", "cases"):
            monkeypatch.setattr(store, name, lambda *_, name=name: pytest.fail(f"{name} was read"))
        read = read_measured(store, run)
    assert [(one.precision, one.perturbation, one.rrs) for one in read.measured()][-1] == ("int8", "char", 2.0)
    known = Intervals()
    first = read.with_intervals(known)
    monkeypatch.setattr("qrtui.results.measured.bootstrap_rrs", lambda *_: pytest.fail("computed twice"))
    assert read.with_intervals(known) == first
