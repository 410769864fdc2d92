"""A report as LaTeX: tables in booktabs' style with captions and notes, and its provenance as comments."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qrtui.results.grid import latex_comments, latex_text
from qrtui.results.provenance import provenance_lines
from qrtui.results.report import Report
from qrtui.results.report_tables import ABSENT, TextTable, attack_table, drop_tests, noise_table, pass_tests, results
from qrtui.results.words import ATTACKS_NOTE, DROPS_NOTE, NOISE_NOTE, PASSES_NOTE, heading, notes, subject

_NEEDS = "Needs \\usepackage{booktabs}; a wide table fits with \\usepackage{graphicx} and \\resizebox, or sideways."


def latex_report(report: Report) -> str:
    """The report's tables as floats to be included in a document that loads booktabs, ending in a newline."""
    rows, run = report.conditions, subject(report)
    below = [report.summary.says, *notes(report)]
    parts = [
        latex_comments(_comments(report)),
        _float(results(rows, in_words=False), f"Results of {run}", f"{run}-results", below),
    ]
    if any(row.only_original is not None for row in rows):
        caption = f"Passes of {run}, original against quantized"
        parts.append(_float(pass_tests(rows), caption, f"{run}-passes", [PASSES_NOTE]))
    if any(row.drop_difference is not None for row in rows):
        caption = f"Drops of {run}, original against quantized"
        parts.append(_float(drop_tests(rows), caption, f"{run}-drops", [DROPS_NOTE]))
    if report.attacks:
        caption = f"How strong the attacks of {run} were"
        parts.append(_float(attack_table(report.attacks), caption, f"{run}-attacks", [ATTACKS_NOTE]))
    if report.noise:
        parts.append(
            _float(noise_table(report.noise), f"How strong the noise of {run} was", f"{run}-noise", [NOISE_NOTE])
        )
    return "\n".join(parts)


def _comments(report: Report) -> list[str]:
    lines = [heading(report), _NEEDS]
    if report.repeat:
        lines += [*provenance_lines(report.repeat), "", *report.repeat.preset.splitlines()]
    return lines


def _float(table: TextTable, caption: str, label: str, below: Sequence[str]) -> str:
    columns = "l" * table.words + "r" * (len(table.headers) - table.words)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{_text(caption)}}}",
            rf"\label{{tab:{label.replace(' ', '-')}}}",
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            _line(table.headers),
            *_body(table),
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {_text(note)}}}" for note in below if note),
            r"\end{table}",
            "",
        ]
    )


def _body(table: TextTable) -> list[str]:
    """The rows, with a rule above each new beginning and what repeats the row above left out."""
    lines: list[str] = []
    above: list[str] = []
    for row in table.rows:
        same = 0
        while same < table.words - 1 and above[: same + 1] == row[: same + 1]:
            same += 1
        if not same or not lines:
            lines.append(r"\midrule")
        lines.append(_line(["", *[""] * (same - 1), *row[same:]] if same else row))
        above = row
    return lines


def _line(cells: Sequence[str]) -> str:
    return " & ".join("--" if cell == ABSENT else _MINUS.sub("$-$", _text(cell)) for cell in cells) + r" \\"


_MINUS = re.compile(r"(?<![\w-])-(?=\d)")


def _text(text: str) -> str:
    return latex_text(text).replace("<=", r"$\le$").replace("<", "$<$").replace("|", r"$|$")
