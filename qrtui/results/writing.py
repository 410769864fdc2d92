"""A report as text, Markdown, CSV, JSON or LaTeX."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Literal

import msgspec

from qrtui.printable import json_text, one_line
from qrtui.results.grid import markdown_row, wrapped
from qrtui.results.latex import latex_report
from qrtui.results.provenance import Provenance, provenance_lines
from qrtui.results.report import Report, ReportedCondition
from qrtui.results.report_tables import (
    TextTable,
    attack_table,
    drop_tests,
    noise_table,
    pass_tests,
    results,
    results_in_short,
)
from qrtui.results.words import ATTACKS_NOTE, DROPS_NOTE, NOISE_NOTE, PASSES_NOTE, heading, notes

Format = Literal["text", "md", "csv", "json", "latex"]

_WIDTH = 120


def write_report(report: Report, form: Format) -> str:
    """The report as text, Markdown, CSV, JSON or LaTeX, ending in a newline.

    The text shows what is needed first and fits into 120 columns; Markdown and LaTeX hold the tests too. The CSV is a
    table and nothing else: a line for each condition, every number, and where it is from in each line.
    """
    if form == "json":
        return json_text(report)
    if form == "csv":
        return _csv(report)
    if form == "latex":
        return latex_report(report)
    return "\n\n".join(_markdown_parts(report) if form == "md" else _text_parts(report)) + "\n"


def _text_parts(report: Report) -> list[str]:
    parts = [heading(report), *_blocks(report.conditions), _wrapped(report.summary.says)]
    parts.append("\n".join(map(_wrapped, notes(report))))
    if report.attacks:
        parts += ["How strong the attacks were", _aligned(attack_table(report.attacks)), _wrapped(ATTACKS_NOTE)]
    if report.noise:
        parts += ["How strong the noise was", _aligned(noise_table(report.noise)), _wrapped(NOISE_NOTE)]
    if report.repeat:
        parts += ["To repeat it", "\n".join(map(_wrapped, provenance_lines(report.repeat))), _preset(report.repeat)]
    return [part for part in parts if part]


def _blocks(conditions: Sequence[ReportedCondition]) -> list[str]:
    """The results, a block for each model and data set, in columns that stand under one another."""
    table = results_in_short(conditions)
    head, *lines = _aligned(table).splitlines()
    rows = zip(conditions, lines, strict=True)
    return [
        "\n".join([f"{model}, {dataset}", head, *(line for _, line in block)])
        for (model, dataset), block in groupby(rows, key=lambda pair: (pair[0].model, pair[0].dataset))
    ]


def _preset(origin: Provenance) -> str:
    return textwrap.indent(origin.preset.rstrip("\n"), "    ")


def _wrapped(text: str) -> str:
    return wrapped(text, _WIDTH)


def _markdown_parts(report: Report) -> list[str]:
    rows = report.conditions
    parts = [
        f"# {heading(report)}",
        _markdown(results(rows, in_words=True)),
        report.summary.says,
        *notes(report),
    ]
    if any(row.only_original is not None for row in rows):
        parts += ["## Passes: original against quantized", _markdown(pass_tests(rows)), PASSES_NOTE]
    if any(row.drop_difference is not None for row in rows):
        parts += ["## Drops: original against quantized", _markdown(drop_tests(rows)), DROPS_NOTE]
    if report.attacks:
        parts += ["## How strong the attacks were", _markdown(attack_table(report.attacks)), ATTACKS_NOTE]
    if report.noise:
        parts += ["## How strong the noise was", _markdown(noise_table(report.noise)), NOISE_NOTE]
    if report.repeat:
        lines = "\n".join(f"- {line}" for line in provenance_lines(report.repeat))
        parts += ["## To repeat it", lines, f"```toml\n{report.repeat.preset.rstrip()}\n```"]
    return [part for part in parts if part]


def _markdown(table: TextTable) -> str:
    rule = ["---"] * table.words + ["---:"] * (len(table.headers) - table.words)
    return "\n".join(map(markdown_row, [table.headers, rule, *table.rows]))


def _aligned(table: TextTable) -> str:
    rows = [list(map(one_line, row)) for row in [table.headers, *table.rows]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if at < table.words else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _csv(report: Report) -> str:
    text = io.StringIO()
    ks = sorted({int(k) for row in report.conditions for k in row.pass_at_k if k != "1"})
    origin = _origin(report)
    plain = [field for field in ReportedCondition.__struct_fields__ if field != "pass_at_k"]
    names = [*plain, *(f"pass_at_{k}" for k in ks), *_ORIGIN, "dataset_hash", "seed"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in report.conditions:
        numbers = msgspec.structs.asdict(row)
        by_k = {f"pass_at_{k}": value for k, value in numbers.pop("pass_at_k").items() if k != "1"}
        writer.writerow({**numbers, **by_k, **origin(row.dataset)})
    return text.getvalue()


_ORIGIN = ("run", "started", "qrtui", "git_revision", "device", "device_name", "judge_level", "judge_version")


def _origin(report: Report) -> Callable[[str], dict[str, Any]]:
    """What of the provenance stands in each line of a CSV, by data set."""
    origin = report.repeat
    if origin is None:
        return lambda _: {"run": report.run}
    same = {name: getattr(origin, name, report.run) for name in _ORIGIN} | {"seed": origin.seeds["experiment"]}
    hashes = {name: used.hash for name, used in origin.datasets.items()}
    return lambda dataset: {**same, "dataset_hash": hashes.get(dataset)}
