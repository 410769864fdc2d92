"""Two reports side by side: which cells meet, and how much they agree beyond chance."""

import csv
import io
import json

import msgspec
import pytest

from qrtui.errors import QrtuiError
from qrtui.results.against import against, agreement
from qrtui.results.against_writing import in_words, write_against
from qrtui.results.merged import merge, paper_part
from qrtui.results.provenance import DatasetUsed, Provenance

from .test_table_one import bare, clean, condition, part, words_of


def beside_the_paper(*conditions):
    return against(merge([part(1, conditions)]), merge([paper_part()]))


def test_a_runs_int8_stands_beside_the_papers_cells_whatever_the_model_is_called():
    found = beside_the_paper(
        condition("Llama-3.2-1B", rrs=1.5, rrs_low=1.0, rrs_high=2.0),
        bare("quantized", model="codegen-350M-mono", dataset="humaneval+"),
        condition("llama-3.2-1b", "nf4"),
        condition("llama-3.2-1b", perturbation="sentence engine=apertium"),
    )
    first, second = found.cells
    assert (first.family, first.size, first.precision) == ("LLaMA", "1B", "int8")
    assert (first.second.rrs, first.agree, first.within) == (1.092, True, True)
    assert first.difference == pytest.approx(0.408)
    assert (second.first.more_robust, second.second.more_robust, second.agree) == ("quantized", "original", False)
    assert (second.second.rrs, second.difference, second.within) == (0.833, None, None)
    assert (found.only_first, found.only_second) == (2, 124)
    notes = " ".join(found.notes)
    assert "beside int8" in notes
    assert "sentence apertium" in notes


@pytest.mark.parametrize(
    ("low", "high", "within"),
    [
        (1.0, 2.0, True),
        (1.0, 1.05, False),
        (1.2, 2.0, False),
        (1.0, None, True),
        (1.2, None, False),
        (None, None, None),
    ],
)
def test_the_papers_rrs_lies_within_an_interval_between_its_ends_of_which_none_is_infinite(low, high, within):
    found = beside_the_paper(condition("Llama-3.2-1B", rrs=1.5, rrs_low=low, rrs_high=high))
    assert (found.cells[0].second.rrs, found.cells[0].within) == (1.092, within)
    told = within is not None
    assert (found.agreement.within, found.agreement.with_interval) == (int(bool(within)), int(told))


def test_a_run_without_int8_puts_its_first_quantized_precision_beside_the_paper():
    found = beside_the_paper(condition(precision="fp4"), condition(precision="nf4", rrs=1.0))
    assert [(pair.precision, pair.first.rrs) for pair in found.cells] == [("nf4", 1.0)]


def test_two_runs_meet_in_every_cell_the_baseline_included():
    first = part(1, [clean("fp32", 0.5), condition("Llama-3.2-1B"), condition(perturbation="word")])
    second = part(2, [clean("fp32", 0.4), condition(rrs=0.5, more_robust="original")], original="fp16")
    found = against(merge([first]), merge([second]))
    assert [(pair.precision, pair.perturbation, pair.agree) for pair in found.cells] == [
        ("fp32", "clean", None),
        ("int8", "char", False),
    ]
    assert found.cells[0].second.pass_at_1 == 0.4
    assert found.only_first == 1
    assert any("fp32 in run 1, fp16 in run 2" in note for note in found.notes)


def test_cells_stand_in_the_order_of_the_first_ones_own_table():
    ours = [
        clean("nf4", 0.5, dataset="demo"),
        clean("int8", 0.5),
        condition(perturbation="word"),
        condition(perturbation="char"),
        condition(dataset="demo"),
    ]
    theirs = [condition(), condition(perturbation="word"), *ours[:2], ours[4]]
    found = against(merge([part(1, ours)]), merge([part(2, theirs)]))
    assert [(pair.dataset, pair.precision, pair.perturbation) for pair in found.cells] == [
        ("demo", "nf4", "clean"),
        ("demo", "int8", "char"),
        ("mbpp", "int8", "clean"),
        ("mbpp", "int8", "word"),
        ("mbpp", "int8", "char"),
    ]


def test_a_data_set_of_which_the_two_took_other_tasks_is_named():
    def of(run, hash):
        origin = provenance_of({"demo": DatasetUsed(10, hash)})
        found = part(run, [condition(dataset="demo")])
        return merge([msgspec.structs.replace(found, report=msgspec.structs.replace(found.report, repeat=origin))])

    assert any("Not the same tasks in both: demo." in note for note in against(of(1, "a"), of(2, "b")).notes)
    assert not any("Not the same" in note for note in against(of(1, "a"), of(2, "a")).notes)


def provenance_of(datasets):
    named = dict.fromkeys(Provenance.__struct_fields__, "")
    return Provenance(**named | {"datasets": datasets, "experiment": {}, "seeds": {}, "versions": {}, "attacks": {}})


def test_agreement_worked_by_hand():
    # 6 of 8 agree; arrows 5:3 against 5:3 agree by chance in (25 + 9) / 64.
    ours = ["quantized"] * 5 + ["original"] * 3
    theirs = ["quantized"] * 4 + ["original"] + ["original"] * 2 + ["quantized"]
    sets = [f"set{at}" for at in range(8)]
    first = part(1, [bare(arrow, dataset=name) for arrow, name in zip(ours, sets, strict=True)])
    second = part(2, [bare(arrow, dataset=name) for arrow, name in zip(theirs, sets, strict=True)])
    found = against(merge([first]), merge([second])).agreement
    assert (found.agree, found.cells, found.share) == (6, 8, 0.75)
    assert found.expected == pytest.approx(34 / 64)
    assert found.kappa == pytest.approx((6 / 8 - 34 / 64) / (1 - 34 / 64))
    assert (found.low, found.high) == (pytest.approx(0.3491, abs=1e-4), pytest.approx(0.9681, abs=1e-4))
    assert "agree in 6 of 8 cells (75 %, 95 % interval 35 % to 97 %)" in in_words(found)


def test_one_arrow_only_has_no_kappa_and_no_arrow_no_agreement():
    told = against(merge([part(1, [condition()])]), merge([part(2, [condition()])]))
    assert told.agreement.kappa is None
    assert "cannot be told" in in_words(told.agreement)
    assert agreement([]) is None
    assert "nothing to agree on" in in_words(None)


def test_no_common_cell_is_one_line_that_says_what_is_needed():
    with pytest.raises(QrtuiError, match=r"and the paper have no cell in common; the paper's are .*LLaMA"):
        beside_the_paper(condition("smollm2-135m", dataset="demo"))
    with pytest.raises(QrtuiError, match="the same model"):
        against(merge([part(1, [condition()])]), merge([part(2, [condition(dataset="demo")])]))


def test_every_format_holds_the_cells_and_the_summary():
    found = beside_the_paper(
        condition("Llama-3.2-1B", rrs=1.5, rrs_low=1.0, rrs_high=2.0, pass_at_1=0.25), clean("fp32", 0.5)
    )
    text = write_against(found, "text")
    assert max(map(len, text.splitlines())) <= 120
    (line,) = [line for line in text.splitlines() if line.startswith("LLaMA 1B")]
    assert words_of(line) == "LLaMA 1B int8 mbpp char 20 0.250 1.500 ↓ 378 1.092 ↓ +0.408 agree"
    assert "agree in 1 of 1 cell" in text
    assert "lies in the 95 % interval of run 1 in 1 of 1" in text
    (row,) = csv.DictReader(io.StringIO(write_against(found, "csv")))
    assert (row["first_rrs"], row["second_rrs"], row["agree"]) == ("1.5", "1.092", "True")
    read = json.loads(write_against(found, "json"))
    assert read["agreement"]["agree"] == 1
    assert read["cells"][0]["second"]["rrs"] == 1.092
    assert "| LLaMA 1B | int8 | mbpp | char |" in write_against(found, "md")
    latex = write_against(found, "latex")
    assert r"\multicolumn{2}{c}{the paper}" in latex
    assert "% The arrows agree" in latex
