"""From verdicts to what a report says and how it is written, on runs whose every verdict is chosen here."""

import csv
import io
import json
import shutil
import subprocess
import tomllib

import msgspec
import pytest

from qrtui.judge.verdict import Verdict
from qrtui.perturb.dose import Dose
from qrtui.results.cases import case_list, write_case_list
from qrtui.results.environment import device_name, environment_of, git_revision
from qrtui.results.records import Completion, Determinants, PlannedCondition, PlannedResult
from qrtui.results.report import make_report
from qrtui.results.writing import write_report
from qrtui.spec import read_experiment

from .conftest import fill

CONTRACT = [
    "model", "precision", "dataset", "perturbation", "n", "passed", "pass_at_1", "pass_at_1_plus", "drop",
    "delta", "rrs", "rrs_low", "rrs_high", "more_robust", "p_value", "weights_perturbed",
]  # fmt: skip

EXPERIMENT = {
    "name": "chosen",
    "seed": 7,
    "models": [{"id": "m"}],
    "precisions": {"baseline": "fp32", "quantized": ["int8"]},
    "tasks": {"datasets": ["demo"]},
    "attacks": [{"kind": "char", "probability": 0.5, "max_changes": 5}],
}


def put(store, scores, *, dataset="demo", plus=None, tokens=9, doses=None, tasks=None, content="v1"):
    """A run from `{(precision, perturbation): passes}`, where passes has a bool, or a list of them, for each task."""
    conditions, written = [], []
    for (precision, perturbation), passes in scores.items():
        results = []
        for at, outcome in enumerate(passes):
            task = tasks[at] if tasks else f"T/{at}"
            samples = outcome if isinstance(outcome, list) else [outcome]
            for sample, passed in enumerate(samples):
                made = determinants(precision, perturbation, task, sample)
                task_hash = f"{content} {task}"
                results.append(PlannedResult(task, sample, task_hash, made.prompt, made.key()))
                written.append((made, task_hash, passed, plus[at] if plus else None, perturbation))
        is_baseline = precision == "fp32"
        conditions.append(
            PlannedCondition(
                model="m_1",
                precision=precision,
                is_baseline=is_baseline,
                dataset=dataset,
                perturbation=perturbation,
                results=results,
            )
        )
    run = store.begin_run("chosen", EXPERIMENT, conditions, environment_of("cpu", "L2", {"WordNet": "3.0"}))
    for made, task_hash, passed, with_plus, perturbation in written:
        solution = f"# {made.key()}"
        share = (doses or {}).get((made.precision, perturbation))
        completion = Completion(
            determinants=made,
            text=solution,
            solution=solution,
            finish="stop",
            tokens=tokens(made.precision) if callable(tokens) else tokens,
            seconds=0.1,
            dose=Dose(share=share) if share else None,
        )
        store.add_completion(completion)
        base = "passed" if passed or with_plus is False else "failed"
        verdict = None if with_plus is None else "passed" if with_plus and passed else "failed"
        store.add_verdict(solution, task_hash, Verdict(base=base, plus=verdict))
    store.end_run(run, "finished")
    return store.run(str(run))


def determinants(precision, perturbation, task, sample):
    return Determinants(
        revision="r",
        precision=precision,
        dtype="float32",
        noise=None,
        prompt=f"{task} {perturbation}",
        style="chat",
        settings={},
        seed=0,
        sample=sample,
        device="cpu",
        versions={},
    )


def first(count, of=40):
    return [at < count for at in range(of)]


def rows_of(report):
    return {(row.precision, row.perturbation): row for row in report.conditions}


def test_the_json_has_every_key_of_its_contract_in_its_place(store):
    run = fill(store)
    report = json.loads(write_report(make_report(store, store.run(str(run))), "json"))
    assert list(report) == ["run", "status", "conditions", "summary", "attacks", "noise", "repeat"]
    assert list(report["summary"])[:4] == ["quantized", "original", "equal", "sign_test_p"]
    for condition in report["conditions"]:
        assert list(condition)[: len(CONTRACT)] == CONTRACT
    assert report["summary"]["quantized"] == 1
    assert report["conditions"][3]["p_value"] == 1.0


def test_a_clear_difference_of_drops_is_shown_and_a_small_one_is_not(store):
    # The original loses 20 of 40 tasks, int8 none of its 40, nf4 loses 18.
    scores = {("fp32", "clean"): first(40), ("fp32", "char"): first(20)}
    scores |= {("int8", "clean"): first(40), ("int8", "char"): first(40)}
    scores |= {("nf4", "clean"): first(40), ("nf4", "char"): first(22)}
    report = make_report(store, put(store, scores))
    rows = rows_of(report)
    int8, nf4, original = rows["int8", "char"], rows["nf4", "char"], rows["fp32", "char"]
    assert (int8.drop_difference, int8.shown, int8.says) == (0.5, "quantized", "quantized more robust")
    assert int8.drop_difference_p == pytest.approx(2 * 0.5**20)
    assert int8.drop_difference_p_holm == pytest.approx(4 * 0.5**20)
    assert int8.drop_difference_low > 0.3
    # The paper's arrow says more than the two tasks between them can carry.
    assert (nf4.rrs, nf4.more_robust) == (pytest.approx(20 / 18), "quantized")
    assert (nf4.shown, nf4.says) == ("neither", "no difference that these 40 tasks can show")
    assert (nf4.drop_difference, nf4.drop_difference_p) == (pytest.approx(0.05), 0.5)
    assert nf4.tasks_needed > 100
    assert 0.1 < nf4.smallest_difference < 0.3
    assert original.drop_low < 0.5 < original.drop_high
    assert original.says is None
    assert "quantized more robust in 1, original more robust in 0" in report.summary.says
    assert "no difference that these 40 tasks can show in 1" in report.summary.says


def test_losing_more_shows_the_original_as_the_more_robust(store):
    scores = {("fp32", "clean"): first(40), ("fp32", "char"): first(39)}
    scores |= {("int8", "clean"): first(40), ("int8", "char"): first(10)}
    row = rows_of(make_report(store, put(store, scores)))["int8", "char"]
    assert (row.more_robust, row.shown, row.says) == ("original", "original", "original more robust")
    assert (row.only_original, row.only_quantized, row.odds_ratio) == (29, 0, 0.0)
    assert row.odds_ratio_high < 0.2


def test_a_table_is_corrected_for_how_much_it_asks(store):
    # Six tasks all to one side: p = 0.031 alone, but not among eight.
    kinds = ["char", "word", "sentence", "a", "b", "c", "d", "e"]
    scores = {}
    for precision, kept in (("fp32", 30), ("int8", 36)):
        scores[precision, "clean"] = first(40)
        scores |= {(precision, kind): first(kept if kind == "char" else 30) for kind in kinds}
    rows = rows_of(make_report(store, put(store, scores)))
    row = rows["int8", "char"]
    assert row.drop_difference_p == pytest.approx(row.p_value) == 2 * 0.5**6
    assert row.drop_difference_p_holm == pytest.approx(8 * 2 * 0.5**6)
    assert row.p_holm == pytest.approx(9 * 2 * 0.5**6)
    assert row.shown == "neither"


def test_a_model_that_passes_nothing_clean_is_not_called_robust(store):
    scores = {("fp32", "clean"): first(40), ("fp32", "char"): first(10)}
    scores |= {("int8", "clean"): first(0), ("int8", "char"): first(0)}
    report = make_report(store, put(store, scores))
    row = rows_of(report)["int8", "char"]
    assert (row.more_robust, row.shown) == ("quantized", None)
    assert row.says == "one of the two passes none of these 40 tasks clean, and has nothing to lose"
    assert row.drop_difference_p is None
    assert "nothing to lose" in write_report(report, "text")


def test_five_tasks_are_said_to_show_nothing_whatever_they_hold(store):
    scores = {("fp32", "clean"): first(5, 5), ("fp32", "char"): first(0, 5)}
    scores |= {("int8", "clean"): first(5, 5), ("int8", "char"): first(5, 5)}
    report = make_report(store, put(store, scores))
    assert rows_of(report)["int8", "char"].shown == "neither"
    assert "takes 6 tasks; these 5 tasks can tell none, however large" in report.summary.says


def test_a_report_of_a_run_under_way_says_what_its_numbers_are_over(store):
    run = fill(store, upto=2)
    report = make_report(store, store.run(str(run)))
    assert "Not finished: n is what is judged so far." in write_report(report, "text")
    assert "Not finished" not in write_report(msgspec.structs.replace(report, status="finished"), "text")


def test_what_is_compared_stands_in_one_block(store):
    conditions = [
        PlannedCondition(
            model="m",
            precision=precision,
            is_baseline=precision == "fp32",
            dataset=name,
            perturbation="clean",
            results=[],
        )
        for precision in ("fp32", "int8")
        for name in ("humaneval", "demo")
    ]
    run = store.begin_run("two", EXPERIMENT, conditions, environment_of("cpu", "L2", {}))
    report = make_report(store, store.run(str(run)))
    assert [(row.dataset, row.precision) for row in report.conditions] == [
        ("humaneval", "fp32"), ("humaneval", "int8"), ("demo", "fp32"), ("demo", "int8"),
    ]  # fmt: skip


def test_a_model_without_output_is_left_out(store):
    scores = {("fp32", "clean"): first(4, 4), ("fp32", "char"): first(2, 4)}
    scores |= {("int8", "clean"): first(0, 4), ("int8", "char"): first(0, 4)}
    report = make_report(store, put(store, scores, tokens=lambda precision: 9 if precision == "fp32" else 0))
    row = rows_of(report)["int8", "char"]
    assert (row.drop, row.delta, row.rrs, row.more_robust, row.says) == (None,) * 5
    assert rows_of(report)["fp32", "char"].drop == 0.5
    assert report.summary.quantized + report.summary.original + report.summary.equal == 0


def test_base_and_plus_are_told_apart(store):
    scores = {("fp32", "clean"): [True, True, True, False]}
    plus = [True, True, False, True]
    row = make_report(store, put(store, scores, dataset="humaneval+", plus=plus)).conditions[0]
    assert (row.pass_at_1, row.pass_at_1_base, row.pass_at_1_plus) == (0.5, 0.75, 0.5)
    assert row.passed == 2


def test_sampled_runs_have_pass_at_k(store):
    scores = {("fp32", "clean"): [[True, False], [False, False]], ("int8", "clean"): [[True, True], [True, False]]}
    report = make_report(store, put(store, scores))
    original, quantized = report.conditions
    assert (original.pass_at_1, original.pass_at_k) == (0.25, {"1": 0.25, "2": 0.5})
    assert quantized.pass_at_k == {"1": 0.75, "2": 1.0}
    assert "pass_at_2" in write_report(report, "csv").splitlines()[0]
    assert "pass@2" in write_report(report, "md")


def test_a_task_counts_as_passed_in_the_tests_of_passes_if_all_its_samples_pass(store):
    scores = {("fp32", "clean"): [[True, True]] * 6, ("int8", "clean"): [[True, False]] * 6}
    row = rows_of(make_report(store, put(store, scores)))["int8", "clean"]
    assert (row.pass_at_1, row.only_original, row.only_quantized) == (0.5, 6, 0)
    assert row.p_value == pytest.approx(2 * 0.5**6)


def test_a_report_says_what_it_takes_to_repeat_it(store):
    scores = {("fp32", "clean"): first(2, 3), ("int8", "clean"): first(2, 3)}
    run = put(store, scores)
    repeat = json.loads(write_report(make_report(store, run), "json"))["repeat"]
    assert read_experiment(tomllib.loads(repeat["preset"]), "report").seed == repeat["seeds"]["experiment"] == 7
    assert repeat["command"] == "qrtui run chosen.toml"
    assert (repeat["device"], repeat["judge_level"], repeat["attacks"]) == ("cpu", "L2", {"WordNet": "3.0"})
    assert repeat["device_name"]
    assert set(repeat["versions"]) == {"torch", "transformers", "bitsandbytes"}
    assert repeat["datasets"]["demo"]["tasks"] == 3
    assert len(repeat["datasets"]["demo"]["hash"]) == 64
    for form in ("text", "md", "latex"):
        written = write_report(make_report(store, run), form)
        assert repeat["datasets"]["demo"]["hash"] in written
        assert 'name = "chosen"' in written


def test_a_data_sets_hash_follows_its_tasks_and_not_their_order(store):
    def hash_of(tasks, content="v1"):
        run = put(store, {("fp32", "clean"): first(2, len(tasks))}, tasks=tasks, content=content)
        return store.dataset_hashes(run.id)["demo"]

    same = hash_of(["T/1", "T/2", "T/10"])
    assert hash_of(["T/10", "T/1", "T/2"]) == same
    assert hash_of(["T/1", "T/2"]) != same
    assert hash_of(["T/1", "T/2", "T/10"], content="v2") != same


def test_csv_is_a_table_and_nothing_else(store):
    scores = {("fp32", "clean"): first(3, 4), ("fp32", "char"): first(2, 4)}
    scores |= {("int8", "clean"): first(3, 4), ("int8", "char"): first(1, 4)}
    report = make_report(store, put(store, scores))
    lines = list(csv.DictReader(io.StringIO(write_report(report, "csv"))))
    assert len(lines) == 4
    assert list(lines[0])[: len(CONTRACT)] == CONTRACT
    assert [float(line["pass_at_1"]) for line in lines] == [0.75, 0.5, 0.75, 0.25]
    assert lines[0]["rrs"] == ""
    assert {line["dataset_hash"] for line in lines} == {report.repeat.datasets["demo"].hash}
    assert {line["seed"] for line in lines} == {"7"}


def wide_run(store):
    noise = "gaussian 0.0001 published"
    scores = {("fp32", "clean"): first(30), ("fp32", noise): first(12), ("fp32", "char"): first(25)}
    scores |= {("int8", "clean"): first(32), ("int8", noise): first(33), ("int8", "char"): first(30)}
    return put(store, scores, doses={("fp32", noise): 1.0, ("int8", noise): 0.21})


def test_the_text_fits_into_120_columns_and_says_what_matters(store):
    text = write_report(make_report(store, wide_run(store)), "text")
    assert max(map(len, text.splitlines())) <= 120
    assert "0.450 [0.30, 0.60]" in text
    assert "-0.025" in text
    assert "the doses differ" in text


@pytest.mark.parametrize("form", ["text", "md", "csv", "latex"])
def test_every_form_shows_the_numbers(store, form):
    written = write_report(make_report(store, wide_run(store)), form)
    assert "2.5" in written
    assert "gaussian 0.0001 published" in written


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no LaTeX here")
def test_latex_compiles(store, tmp_path):
    (tmp_path / "report.tex").write_text(write_report(make_report(store, wide_run(store)), "latex"), encoding="utf-8")
    document = (
        r"\documentclass{article}\usepackage{booktabs}\usepackage[margin=1cm,landscape]{geometry}"
        r"\begin{document}\input{report}\end{document}"
    )
    (tmp_path / "all.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_latex_sets_names_and_signs_as_they_are(store):
    latex = write_report(make_report(store, wide_run(store)), "latex")
    body = latex[latex.index(r"\begin{table}") :]
    assert r"m\_1 & demo" in body
    assert "$-$0.025" in body
    assert r"$\downarrow$" in body
    assert body.count(r"\begin{table}") == body.count(r"\end{table}") == body.count(r"\bottomrule")


def test_cases_are_the_tasks_that_one_of_the_two_passes_alone(store):
    scores = {("fp32", "clean"): [True, True, False], ("fp32", "char"): [True, False, False]}
    scores |= {("int8", "clean"): [True, True, False], ("int8", "char"): [False, True, False]}
    run = put(store, scores)
    cases = case_list(store, run)
    assert [(case.quantized.task, case.wins, case.condition.perturbation) for case in cases] == [
        ("T/0", "original", "char"),
        ("T/1", "quantized", "char"),
    ]
    plain = json.loads(write_case_list(run, cases, "json"))["cases"]
    assert [(case["prompt"], case["original"]["base"], case["quantized"]["base"]) for case in plain] == [
        ("T/0 char", "passed", "failed"),
        ("T/1 char", "failed", "passed"),
    ]
    for form in ("text", "md"):
        written = write_case_list(run, cases, form)
        assert "m_1 int8, demo, char: 1 only the original passes, 1 only the quantized" in written
        assert plain[0]["quantized"]["solution"] in written
    assert "Nowhere" in write_case_list(run, [], "text")


def test_a_sampled_case_shows_the_samples_that_tell(store):
    scores = {("fp32", "clean"): [[False, True, True]], ("int8", "clean"): [[True, False, False]]}
    (case,) = case_list(store, put(store, scores))
    assert (case.wins, case.original.sample, case.quantized.sample) == ("original", 1, 1)


def test_the_git_revision_is_the_checkouts_and_says_when_it_was_changed(tmp_path):
    def git(*words):
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    assert git_revision(tmp_path) is None
    git("init")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "first")
    assert len(git_revision(tmp_path)) == 40
    (tmp_path / "file").write_text("two")
    assert git_revision(tmp_path).endswith("-dirty")


def test_the_processor_has_a_name():
    assert device_name("cpu")
