"""A report as text, Markdown, CSV, JSON or LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal

import msgspec

from qrtui.perturb.dose import KINDS
from qrtui.results.metrics import ARROWS, MoreRobust
from qrtui.results.report import Report, ReportedCondition, Summary

Format = Literal["text", "md", "csv", "json", "latex"]

_Rows = list[list[str]]


class _Table(msgspec.Struct, frozen=True):
    """A table to be written: the first `words` columns are words, the others numbers."""

    headers: tuple[str, ...]
    rows: _Rows
    words: int


def write_report(report: Report, form: Format) -> str:
    """The report as text, Markdown, CSV, JSON or LaTeX, ending in a newline."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"
    if form == "csv":
        return _csv(report)
    results = _results(report)
    if form == "latex":
        return _latex(results)
    write = _markdown if form == "md" else _aligned
    between = "\n\n" if form == "md" else "\n"
    parts = [_title(report), write(results), between.join([in_words(report.summary), *_notes(report)])]
    if report.attacks:
        parts += ["How strong the attacks were", write(_attacks(report)), _ATTACKS_NOTE]
    if report.noise:
        parts += ["How strong the noise was", write(_noise(report)), _NOISE_NOTE]
    return "\n\n".join(parts) + "\n"


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
    if len({strength.share for strength in report.noise}) > 1:
        notes.append("The noise reached other shares of the weights in some rows than in others: the doses differ.")
    return notes


def rrs_text(rrs: float | None, more_robust: MoreRobust | None) -> str:
    """RRS and arrow as tables print them: `1.333 ↓`, or the arrow alone where the ratio has no meaning."""
    number = f"{rrs:.3f} " if rrs is not None else ""
    return f"{number}{ARROWS[more_robust]}" if more_robust else "-"


def _title(report: Report) -> str:
    return f"Run {report.run}, {report.status}"


_RESULTS = (
    ("model", "precision", "data set", "perturbation"),
    ("n", "pass@1", "drop", "Δ", "RRS", "95 % interval", "p", "noisy"),
)


def _results(report: Report) -> _Table:
    words, numbers = _RESULTS
    return _Table((*words, *numbers), [_result(condition) for condition in report.conditions], len(words))


def _result(condition: ReportedCondition) -> list[str]:
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
        _share(condition.weights_perturbed),
    ]


_NOISE_NOTE = (
    "reached: the share of the weights that got noise d; |d|/|W|: its size beside the weights'; moved: how far the"
    " weights as held came to lie from where they were, |W'-W|/|W|, which quantization rounds; then the same for each"
    " kind of layer."
)


def _noise(report: Report) -> _Table:
    kinds = [kind for kind in KINDS if any(kind == layer.kind for row in report.noise for layer in row.layers)]
    rows = []
    for row in report.noise:
        moved = {layer.kind: layer.moved for layer in row.layers}
        sizes = [_small(row.noise), _small(row.moved), *(_small(moved.get(kind)) for kind in kinds)]
        rows.append([row.model, row.precision, row.perturbation, _share(row.share), *sizes])
    headers = ("model", "precision", "noise", "reached", "|d|/|W|", "moved", *kinds)
    return _Table(headers, rows, 3)


_ATTACKS_NOTE = (
    "changed: tasks whose prompt the attack changed; characters, words: how many it changed in a prompt, and which"
    " share of the prompt's prose words; similarity: 1 is the same text. Means over all tasks. Attacks of unequal"
    " strength do not compare."
)


def _attacks(report: Report) -> _Table:
    rows = [
        [
            row.dataset,
            row.perturbation,
            f"{row.changed} of {row.n}",
            _number(row.characters, 1),
            f"{row.words:.1f} ({row.word_share:.0%})",
            _number(row.similarity, 3),
        ]
        for row in report.attacks
    ]
    return _Table(("data set", "attack", "changed", "characters", "words", "similarity"), rows, 2)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _small(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _number(value: float | None, digits: int, absent: str = "-") -> str:
    return absent if value is None else f"{value:.{digits}f}"


def _aligned(table: _Table) -> str:
    widths = [max(map(len, column)) for column in zip(table.headers, *table.rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if at < table.words else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [list(table.headers), *table.rows]
    ]
    return "\n".join(line.rstrip() for line in lines)


def _markdown(table: _Table) -> str:
    rule = ["---"] * table.words + ["---:"] * (len(table.headers) - table.words)
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in [list(table.headers), rule, *table.rows]
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


def _latex(table: _Table) -> str:
    def line(row: Sequence[str]) -> str:
        return " & ".join("".join(_LATEX.get(letter, letter) for letter in cell) for cell in row) + r" \\"

    columns = "l" * table.words + "r" * (len(table.headers) - table.words)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{columns}}}",
            r"\hline",
            line(table.headers),
            r"\hline",
            *map(line, table.rows),
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )
