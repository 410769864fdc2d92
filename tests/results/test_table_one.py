"""Table I's layout: the paper's own data gives the paper's own headline, and runs merge by one rule."""

import csv
import io
import json

import msgspec
import pytest

from qrtui.errors import QrtuiError
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.noise import PAPER_LEVELS
from qrtui.results.clean_loss import clean_losses
from qrtui.results.families import known_as
from qrtui.results.merged import Part, merge, merged_report, paper_part
from qrtui.results.published import published, published_table
from qrtui.results.report import summarize
from qrtui.results.table_one import table_one
from qrtui.results.table_one_writing import write_table_one

_ROW = published_table().conditions[0]
_EMPTY = published_table()


def condition(model="llama-3.2-1b", precision="int8", dataset="mbpp", perturbation="char", **values):
    """A row of a report; without further values one over 20 tasks in which the quantized model wins by 2 to 1."""
    told = {"n": 20, "rrs": 2.0, "more_robust": "quantized", **values}
    return msgspec.structs.replace(
        _ROW, model=model, precision=precision, dataset=dataset, perturbation=perturbation, **told
    )


def bare(arrow, **values):
    return condition(rrs=None, more_robust=arrow, **values)


def clean(precision, pass_at_1, **values):
    return bare(None, precision=precision, perturbation="clean", pass_at_1=pass_at_1, **values)


def part(number, conditions, *, original="fp32", status="finished"):
    report = msgspec.structs.replace(
        _EMPTY, run=number, status=status, conditions=list(conditions), summary=summarize(conditions)
    )
    return Part(report, f"name{number}", {(c.model, c.dataset): original for c in conditions})


def words_of(line):
    return " ".join(line.split())


def of(*parts):
    return table_one(merge(parts))


def test_the_papers_data_gives_the_papers_headline():
    (headline,) = of(paper_part()).headlines
    said = published().headline
    assert (headline.quantized, headline.original, headline.equal, headline.cells) == (65, 54, 7, 126)
    for field in ("cells", "quantized", "original", "equal"):
        assert getattr(headline, field) == getattr(said, field)
    for field in ("quantized_share", "original_share", "equal_share"):
        assert getattr(headline, field) == pytest.approx(getattr(said, field), abs=5e-5)
    assert headline.sign_test_p == pytest.approx(said.sign_test_p, abs=5e-4)


def test_the_papers_text_stands_in_its_order_within_the_width():
    text = write_table_one(of(paper_part()), "text")
    for words in ("51.59 %", "42.86 %", "5.56 %", "126", "0.359"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 120
    lines = text.splitlines()
    assert [title for title in ("MBPP", "MBPP+", "HumanEval", "HumanEval+") if f" {title} -" in text]
    assert lines[3].split() == ["family", "size", "precision", *["char", "word", "sentence"] * 2]
    assert words_of(lines[4]) == "LLaMA 1B quantized 1.092 ↓ 1.862 ↓ 1.333 ↓ 1.053 ↓ 1.917 ↓ 1.900 ↓"
    # 8B keeps its family from two rows above, and loses nothing to the sentence attack: the arrow alone.
    assert words_of(lines[6]) == "8B quantized 0.429 ↑ 0.500 ↑ ↑ 0.621 ↑ 0.594 ↑ ↑"
    # StarCoder wrote nothing on HumanEval.
    assert [line.split()[-6:] for line in lines if line.endswith("—")] == [["—"] * 6] * 3


@pytest.mark.parametrize("width", [45, 60, 80, 120, 160, 200])
def test_any_width_holds_every_cell_once(width):
    text = write_table_one(of(paper_part()), "text", width)
    grid = text.split("quantized ↓")[0]
    assert sum(grid.count(arrow) for arrow in "↓↑=") == 126
    assert max(map(len, grid.splitlines())) <= width


def test_every_format_holds_the_same_cells():
    table = of(paper_part())
    rows = list(csv.reader(io.StringIO(write_table_one(table, "csv"))))
    assert rows[0][:4] == ["family", "size", "precision", "MBPP char"]
    assert (len(rows), {len(row) for row in rows}) == (13, {15})
    assert sum(cell not in ("—", "") for row in rows[1:] for cell in row[3:]) == 126
    read = json.loads(write_table_one(table, "json"))
    assert [cell and cell["rrs"] for cell in read["rows"][2]["cells"]][:3] == [0.429, 0.5, None]
    assert read["rows"][2]["cells"][2]["more_robust"] == "original"
    assert read["rows"][9]["cells"][6:] == [None] * 6
    assert "| LLaMA | 1B | quantized | 1.092 ↓ |" in write_table_one(table, "md")
    latex = write_table_one(table, "latex")
    assert r"\multicolumn{3}{c}{HumanEval+}" in latex
    assert r"51.59 \%" in latex
    assert latex.count(r"\downarrow$") == 65 + 1


def test_ones_own_rows_are_told_by_family_size_and_precision_in_catalog_order():
    rows = of(
        part(
            1,
            [
                condition("my-own"),
                condition("bigcode/starcoder2-3b", "nf4"),
                condition("Llama-3.2-1B", "nf4"),
                condition("llama-3.2-1b", "int8", "demo", "gaussian 0.003 after"),
                condition("llama-3.2-1b", "fp32", rrs=None, more_robust=None),
                condition("llama-3.2-1b", "int8"),
            ],
        )
    )
    assert [(row.family, row.size, row.precision, row.original) for row in rows.rows] == [
        ("LLaMA", "1B", "int8", "fp32"),
        ("LLaMA", "1B", "nf4", "fp32"),
        ("StarCoder", "3B", "nf4", "fp32"),
        ("my-own", "", "int8", "fp32"),
    ]
    assert [(column.dataset, column.perturbation) for column in rows.columns] == [
        ("mbpp", "char"),
        ("demo", "gaussian 0.003 after"),
    ]
    assert [headline.over for headline in rows.headlines] == [
        "all cells", "attacks, int8", "attacks, nf4", "noise, int8", "the paper's Table I",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "family", "size"),
    [
        ("Llama-3.2-1B", "LLaMA", "1B"),
        ("meta-llama/Llama-3.2-1B", "LLaMA", "1B"),
        ("codegen-350M-mono", "CodeGen", "350M"),
        ("deepseek-coder-6.7b-base", "DeepSeek", "6.7B"),
        ("starcoder 15b", "StarCoder", "15B"),
        ("Llama-3.2-1B-Instruct", "Llama-3.2-1B-Instruct", ""),
    ],
)
def test_a_model_is_known_by_any_of_its_names(name, family, size):
    assert known_as(name) == (family, size)


def test_every_model_of_the_paper_is_in_the_catalog():
    assert all(known_as(row.model).size for row in published_table().conditions)


def test_the_latest_run_with_results_wins_and_it_is_said():
    first = part(1, [condition(rrs=3.0), condition(perturbation="word", rrs=4.0)])
    second = part(2, [condition("Llama-3.2-1B", rrs=0.5, more_robust="original")])
    empty = part(3, [bare(None, perturbation="word", n=0)], status="stopped")
    merged = merge([second, first, empty])
    table = table_one(merged)
    assert [(cell.run, cell.rrs) for cell in table.rows[0].cells] == [(2, 0.5), (1, 4.0)]
    assert merged.replaced == {"run 1 (name1)": 1, "run 3 (name3)": 1}
    assert merged.rule in table.notes
    assert any("Not finished: run 3" in note for note in table.notes)
    report = merged_report(merged)
    assert (report.run, report.status) == ("2, 1, 3", "finished, stopped")
    assert (report.summary.quantized, report.summary.original) == (1, 1)


def test_cells_against_unlike_originals_are_not_the_same_cell():
    table = of(part(1, [condition()], original="fp32"), part(2, [condition(rrs=1.5)], original="fp16"))
    assert [(row.original, row.cells[0].rrs) for row in table.rows] == [("fp32", 2.0), ("fp16", 1.5)]
    assert "original" in write_table_one(table, "csv").splitlines()[0]


def test_nothing_to_compare_is_one_line():
    with pytest.raises(QrtuiError, match=r"run 1 \(name1\): no quantized model to compare"):
        of(part(1, [condition(precision="fp32", rrs=None, more_robust=None), clean("int8", 0.5)]))


def test_the_clean_loss_is_the_mean_share_of_the_originals_pass_rate_beside_the_papers():
    rows = [
        clean("fp32", 0.5),
        clean("int8", 0.45),
        clean("nf4", 0.4),
        clean("fp32", 0.2, dataset="demo"),
        clean("int8", 0.22, dataset="demo"),
        clean("nf4", 0.1, dataset="demo", n=7),
        clean("fp32", 0.0, dataset="humaneval"),
        clean("int8", 0.0, dataset="humaneval"),
    ]
    int8, nf4 = clean_losses(merge([part(1, rows)]).cells)
    assert (int8.precision, int8.cells, int8.mean, int8.published) == ("int8", 2, pytest.approx(0.0), 0.0036)
    # Judged on other tasks than its original, the demo does not count.
    assert (nf4.cells, nf4.mean, nf4.published) == (1, pytest.approx(0.2), 0.0119)


def test_the_published_settings_are_the_ones_we_run_by_default():
    said = published()
    assert said.noise.levels == PAPER_LEVELS
    assert all(attack in ATTACKS for attack in said.table_one.attacks)
    study = said.trade_off
    assert study.families * study.sizes * len(study.precisions) * study.perturbations == study.configurations == 252
    rows = published_table().conditions
    models = {row.model for row in rows}
    # Where a family gave no output, all of its models have no number there, and nothing else lacks one.
    without = {f"{known_as(row.model).family} on {row.dataset}" for row in rows if row.more_robust is None}
    wanted = {
        (model, dataset, attack)
        for model in models
        for dataset in said.table_one.datasets
        for attack in said.table_one.attacks
    }
    absent = wanted - {(row.model, row.dataset, row.perturbation) for row in rows if row.more_robust}
    assert without | {f"{known_as(model).family} on {dataset}" for model, dataset, _ in absent} == {
        *said.table_one.no_output
    }
    assert len(absent) == len(wanted) - said.headline.cells
    assert len(models) == said.table_one.models == study.families * study.sizes
