"""A run's report: the table with its intervals and tests, as data (the JSON contract) and as text."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import msgspec

from qrtui.results import statistics
from qrtui.results.metrics import ARROWS, MoreRobust
from qrtui.results.records import ConditionRecord, Outcome, RunRecord
from qrtui.results.store import Store
from qrtui.results.table import Cells, Row, table

Format = Literal["text", "md", "csv", "json", "latex"]


class ReportedCondition(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a report; absent numbers are None. Shares are 0 to 1, `p_value` is McNemar's exact test."""

    model: str
    precision: str
    dataset: str
    perturbation: str
    n: int
    passed: int | None
    pass_at_1: float | None
    pass_at_1_plus: float | None
    drop: float | None
    delta: float | None
    rrs: float | None
    rrs_low: float | None
    rrs_high: float | None
    more_robust: MoreRobust | None
    p_value: float | None
    weights_perturbed: float | None


class Summary(msgspec.Struct, frozen=True):
    """Over all rows with an arrow: how many show either side more robust, and the sign test on them."""

    quantized: int
    original: int
    equal: int
    sign_test_p: float | None


class Report(msgspec.Struct, frozen=True):
    """A whole report, in the shape that `--format json` prints."""

    run: int | str
    status: str
    conditions: list[ReportedCondition]
    summary: Summary


def make_report(store: Store, run: RunRecord) -> Report:
    """The report of a run as far as it is judged."""
    conditions, outcomes = store.conditions(run.id), store.outcomes(run.id)
    by_condition: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_condition[outcome.condition].append(outcome)
    cells = Cells(conditions, by_condition)
    reported = [_reported(row, cells) for row in table(conditions, outcomes)]
    return Report(run.id, run.status, reported, summarize(reported))


def summarize(conditions: Sequence[ReportedCondition]) -> Summary:
    """The headline of a table: how its arrows point."""
    counts = {
        side: sum(condition.more_robust == side for condition in conditions)
        for side in ("quantized", "original", "equal")
    }
    told = counts["quantized"] + counts["original"]
    p = statistics.sign_test(counts["quantized"], counts["original"]) if told else None
    return Summary(counts["quantized"], counts["original"], counts["equal"], p)


def _reported(row: Row, cells: Cells) -> ReportedCondition:
    condition = row.condition
    low, high = _interval(condition, cells) if row.rrs is not None else (None, None)
    return ReportedCondition(
        model=condition.model,
        precision=condition.precision,
        dataset=condition.dataset,
        perturbation=condition.perturbation,
        n=row.n,
        passed=row.passed,
        pass_at_1=row.pass_at_1,
        pass_at_1_plus=row.pass_at_1_plus,
        drop=row.drop,
        delta=row.delta,
        rrs=row.rrs,
        rrs_low=low,
        rrs_high=high,
        more_robust=row.more_robust,
        p_value=None if condition.is_baseline else _p_value(condition, cells),
        weights_perturbed=condition.weights_perturbed,
    )


def _interval(condition: ConditionRecord, cells: Cells) -> tuple[float | None, float | None]:
    four, common = cells.four(condition)
    return statistics.bootstrap_rrs(*([float(scores[task]) for task in common] for scores in four))


def _p_value(condition: ConditionRecord, cells: Cells) -> float | None:
    """Original against quantized under the same perturbation, task by task; a task passes if all its samples do."""
    own, original = cells.own(condition), cells.original(condition)
    common = [task for task in own if task in original]
    if not common:
        return None
    return statistics.mcnemar([original[task] == 1 for task in common], [own[task] == 1 for task in common])


# Writing it down

_HEADERS = (
    "model",
    "precision",
    "data set",
    "perturbation",
    "n",
    "pass@1",
    "drop",
    "Δ",
    "RRS",
    "95 % interval",
    "p",
    "noisy",
)


def write_report(report: Report, form: Format) -> str:
    """The report as text, Markdown, CSV, JSON or LaTeX, ending in a newline."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"
    if form == "csv":
        return _csv(report)
    rows = [_cells_of(condition) for condition in report.conditions]
    if form == "latex":
        return _latex(rows)
    body = _markdown(rows) if form == "md" else _aligned(rows)
    notes = [in_words(report.summary), *_notes(report)]
    return f"{_title(report)}\n\n{body}\n\n" + ("\n\n" if form == "md" else "\n").join(notes) + "\n"


def in_words(summary: Summary) -> str:
    """The headline as a sentence."""
    told = summary.quantized + summary.original + summary.equal
    if not told:
        return "No robustness to compare yet: that needs clean and perturbed results of both precisions."
    p = f" (sign test p = {summary.sign_test_p:.3f})" if summary.sign_test_p is not None else ""
    return (
        f"Of {told} comparisons the quantized model is more robust (↓) in {summary.quantized}, the original (↑) in"
        f" {summary.original}, neither (=) in {summary.equal}{p}."
    )


def _notes(report: Report) -> list[str]:
    """What a reader must know to read the table right."""
    notes = []
    if any(condition.pass_at_1 is not None for condition in report.conditions):
        notes.append(
            "drop: pass@1 lost to the perturbation, in shares of tasks; Δ: the same as a share of the clean pass@1; p:"
            " McNemar's exact test of this row's passes against the original's under the same perturbation."
        )
    arrows = any(condition.more_robust for condition in report.conditions)
    if arrows and any(condition.pass_at_1 == 0 for condition in report.conditions):
        notes.append(
            "Where pass@1 is 0, clean or perturbed, nothing more can be lost: an arrow from there says little."
        )
    shares = {condition.weights_perturbed for condition in report.conditions} - {None}
    if len(shares) > 1:
        notes.append(
            "noisy: the share of the weights that got noise. It differs between the rows, so the doses are not equal."
        )
    return notes


def rrs_text(rrs: float | None, more_robust: MoreRobust | None) -> str:
    """RRS and arrow as tables print them: `1.333 ↓`, or the arrow alone where the ratio has no meaning."""
    number = f"{rrs:.3f} " if rrs is not None else ""
    return f"{number}{ARROWS[more_robust]}" if more_robust else "-"


def _title(report: Report) -> str:
    return f"Run {report.run}, {report.status}"


def _cells_of(condition: ReportedCondition) -> list[str]:
    interval = "-"
    if condition.rrs_low is not None or condition.rrs_high is not None:
        interval = f"{_number(condition.rrs_low, 2, '0')} to {_number(condition.rrs_high, 2, '∞')}"
    return [
        condition.model,
        condition.precision,
        condition.dataset,
        condition.perturbation,
        str(condition.n),
        _number(condition.pass_at_1, 3),
        _number(condition.drop, 3),
        _number(condition.delta, 3),
        rrs_text(condition.rrs, condition.more_robust),
        interval,
        _number(condition.p_value, 3),
        f"{condition.weights_perturbed:.0%}" if condition.weights_perturbed is not None else "-",
    ]


def _number(value: float | None, digits: int, absent: str = "-") -> str:
    return absent if value is None else f"{value:.{digits}f}"


_LEFT_ALIGNED = 4


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(_HEADERS, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if at < _LEFT_ALIGNED else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [list(_HEADERS), *rows]
    ]
    return "\n".join(line.rstrip() for line in lines)


def _markdown(rows: list[list[str]]) -> str:
    rule = ["---"] * _LEFT_ALIGNED + ["---:"] * (len(_HEADERS) - _LEFT_ALIGNED)
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [list(_HEADERS), rule, *rows]
    )


def _csv(report: Report) -> str:
    text = io.StringIO()
    fields = ReportedCondition.__struct_fields__
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(msgspec.structs.asdict(condition) for condition in report.conditions)
    return text.getvalue()


_LATEX = {
    "\\": r"\textbackslash{}",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "%": r"\%",
    "_": r"\_",
    "&": r"\&",
    "#": r"\#",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "∞": r"$\infty$",
    "Δ": r"$\Delta$",
}


def _latex(rows: list[list[str]]) -> str:
    def line(row: Sequence[str]) -> str:
        return " & ".join("".join(_LATEX.get(letter, letter) for letter in cell) for cell in row) + r" \\"

    columns = "l" * _LEFT_ALIGNED + "r" * (len(_HEADERS) - _LEFT_ALIGNED)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{columns}}}",
            r"\hline",
            line(_HEADERS),
            r"\hline",
            *map(line, rows),
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )
