"""A case as a picture: original and quantized in columns, clean and perturbed in rows, as in the paper's Figure 1."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from qrtui.counting import counted
from qrtui.perturb.naming import perturbation_name
from qrtui.printable import printable
from qrtui.results.case import deciding_status
from qrtui.results.differences import are_alike, changed_spans, changes, paired_lines
from qrtui.results.records import Case, RunRecord
from qrtui.results.svg_page import Line, Page, Run, folded

_NARROWEST, _WIDEST = 44, 76
_GAP = 5
_MOST_LINES = 80
_CLEAN = "clean"

_LIGHT = {
    "page": "#ffffff",
    "text": "#22262b",
    "frame": "#cbc8bf",
    "muted": "#6a7078",
    "strong": "#22262b",
    "good": "#2f7a2a",
    "bad": "#b3302c",
    "changed": "#96600a",
    "keyword": "#1f5f9e",
    "string": "#2f7a2a",
    "number": "#96600a",
    "comment": "#6a7078",
    "name": "#22262b",
    "ground-differs": "#fbf3e2",
    "bar-differs": "#c98a1a",
}
_DARK = _LIGHT | {
    "page": "#15181d",
    "text": "#d6d9de",
    "frame": "#343b46",
    "muted": "#8d939c",
    "strong": "#f2f4f7",
    "good": "#86b97a",
    "bad": "#e0706c",
    "changed": "#e6b566",
    "keyword": "#6ea8dc",
    "string": "#86b97a",
    "number": "#d8a657",
    "comment": "#8d939c",
    "name": "#d6d9de",
    "ground-differs": "#2a2620",
    "bar-differs": "#d8a657",
}
_STYLES = {
    "strong": "font-weight:bold",
    "good": "font-weight:bold",
    "bad": "font-weight:bold",
    "name": "font-weight:bold",
    "changed": "font-weight:bold;text-decoration:underline",
    "comment": "font-style:italic",
}


class _Row(NamedTuple):
    """One perturbation: its prompt, and the original's and the quantized model's completion."""

    perturbation: str
    original: Case | None
    quantized: Case | None

    @property
    def prompt(self) -> str:
        case = self.original or self.quantized
        return case.prompt.strip("\n") if case else ""


def case_svg(run: RunRecord, task: str, cases: Sequence[Case], *, dark: bool = False) -> str:
    """The picture as SVG text; of each side and perturbation the first case is taken.

    `cases` are those of one model and data set, a baseline and one quantized precision. The same cases give the same
    bytes.
    """
    rows = _rows(cases)
    width = _pane_width(rows)
    page = Page(2 * width + _GAP + 1, _DARK if dark else _LIGHT, _STYLES)
    title = f"{task}: {' beside '.join(_sides(cases))}"
    page.write(1, 0, Line([Run(title, "strong")]), 2 * width)
    model = cases[0].condition.model if cases else ""
    page.write(1, 1, Line([Run(f"{model}, run {run.id} ({run.name})", "muted")]), 2 * width)
    at = 2.5
    for row in rows:
        at = _draw_row(page, row, rows[0], at, width)
    return page.text(title)


def _rows(cases: Sequence[Case]) -> list[_Row]:
    found: dict[str, list[Case | None]] = {}
    for case in cases:
        sides = found.setdefault(case.condition.perturbation, [None, None])
        side = 0 if case.condition.is_baseline else 1
        sides[side] = sides[side] or case
    return [_Row(perturbation, *sides) for perturbation, sides in found.items()]


def _sides(cases: Sequence[Case]) -> list[str]:
    kinds = {c.condition.precision: "original" if c.condition.is_baseline else "quantized" for c in cases}
    return [f"{precision} ({kind})" for precision, kind in kinds.items()]


def _pane_width(rows: Sequence[_Row]) -> int:
    programs = [case.solution or "" for row in rows for case in row[1:] if isinstance(case, Case)]
    longest = max((len(line) for program in programs for line in program.expandtabs(4).splitlines()), default=0)
    return max(_NARROWEST, min(_WIDEST, longest + 1))


def _draw_row(page: Page, row: _Row, clean: _Row, at: float, width: int) -> float:
    """Draw one perturbation from a row of the page on; returns the row after it."""
    whole = 2 * width + _GAP - 2
    page.write(1, at, Line([Run(_label(row, clean), "strong")]), whole)
    prompt = [piece for line in _prompt_lines(clean.prompt, row.prompt) for piece in folded(line, whole)]
    for number, line in enumerate(prompt, 1):
        page.write(1, at + number, line, whole)
    at += len(prompt) + 1.6
    heads = [_head(case, width) for case in (row.original, row.quantized)]
    codes = _programs(row, width)
    tall, long = max(map(len, heads)), max(map(len, codes))
    for side, (head, code) in enumerate(zip(heads, codes, strict=True)):
        column = 1 + side * (width + _GAP - 1)
        page.box(column, at, width, tall + 1 + long)
        page.rule(column, at + tall, width)
        for number, line in enumerate(head):
            page.write(column, at + number, line, width)
        for number, line in enumerate(code):
            page.write(column, at + tall + 1 + number, line, width)
    return at + tall + long + 2.6


def _label(row: _Row, clean: _Row) -> str:
    if row.perturbation == _CLEAN:
        return "clean prompt"
    dose = next((case.condition.dose for case in (row.quantized, row.original) if case and case.condition.dose), None)
    fate = "" if row.prompt != clean.prompt else ": the same prompt" + (f", {dose.in_words}" if dose else "")
    return f"{perturbation_name(row.perturbation)}{fate}"


def _prompt_lines(clean: str, prompt: str) -> list[Line]:
    clean, prompt = printable(clean).expandtabs(4), printable(prompt).expandtabs(4)
    if clean == prompt:
        return [Line([Run(line)]) for line in prompt.split("\n")]
    return _lines(prompt, [(start, end, "changed") for start, end in changed_spans(clean, prompt)])


def _head(case: Case | None, width: int) -> list[Line]:
    if case is None or case.solution is None:
        return [Line([Run("not generated yet", "muted")])]
    status = deciding_status(case)
    kind = "original" if case.condition.is_baseline else "quantized"
    look, sign = {"passed": ("good", "✓"), None: ("muted", "·")}.get(status, ("bad", "✗"))
    made = case.tokens is not None and case.seconds
    cost = f"  {counted(case.tokens or 0, 'token')}  {case.seconds:.1f} s" if made else ""
    first = Line(
        [
            Run(f"{case.condition.precision} {kind}  ", "strong"),
            Run(f"{sign} {status or 'not judged yet'}", look),
            Run(cost, "muted"),
        ]
    )
    lines = [first, *_failure(case)]
    return [piece for line in lines for piece in folded(line, width)[:4]]


def _failure(case: Case) -> list[Line]:
    got = ("got ", case.got) if case.got is not None else ("raised ", case.error) if case.error else None
    found = [("", case.failing_input), ("expected ", case.expected)] if case.failing_input else []
    return [
        Line([Run(label, "muted"), Run(" ".join(value.split()))])
        for label, value in [*found, *([got] if got else [])]
        if value
    ]


def _programs(row: _Row, width: int) -> tuple[list[Line], list[Line]]:
    """Both programs, lines that belong together on one level, folded."""
    texts = [
        printable(case.solution or "").expandtabs(4).strip("\n") if case else ""
        for case in (row.original, row.quantized)
    ]
    plain = [text.split("\n") if text else [] for text in texts]
    looks = [_lines(text, _looks(text)) if text else [] for text in texts]
    columns: tuple[list[Line], list[Line]] = ([], [])
    for left, right, same in paired_lines(*plain) if all(plain) else _alone(plain):
        inner = _inner(plain, left, right) if not same else ([], [])
        pieces = [
            [] if at is None else folded(_with_ground(lines[at], spans, same), width)
            for lines, at, spans in zip(looks, (left, right), inner, strict=True)
        ]
        height = max(map(len, pieces))
        for column, lines in zip(columns, pieces, strict=True):
            column += [*lines, *[Line([])] * (height - len(lines))]
    return _shortened(columns[0]), _shortened(columns[1])


def _alone(plain: Sequence[Sequence[str]]) -> list[tuple[int | None, int | None, bool]]:
    return [(at if plain[0] else None, at if plain[1] else None, True) for at in range(max(map(len, plain)))]


def _inner(plain: Sequence[Sequence[str]], left: int | None, right: int | None) -> tuple[list[tuple[int, int]], ...]:
    if left is None or right is None or not are_alike(plain[0][left], plain[1][right]):
        return [], []
    found = changes(plain[0][left], plain[1][right])
    return [change.left for change in found], [change.right for change in found]


def _with_ground(line: Line, spans: Sequence[tuple[int, int]], same: bool) -> Line:
    if same:
        return line
    runs, at = [], 0
    for run in line.runs:
        for start, end, marked in _cut(at, at + len(run.text), spans):
            runs.append(Run(run.text[start - at : end - at], "changed" if marked else run.look))
        at += len(run.text)
    return Line(runs, "differs")


def _cut(start: int, end: int, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int, bool]]:
    """The range in pieces that are inside one of `spans`, or outside all of them."""
    places = sorted({start, end, *(place for span in spans for place in span if start < place < end)})
    return [(a, b, any(s <= a and b <= e for s, e in spans)) for a, b in itertools.pairwise(places)]


def _lines(text: str, spans: Sequence[tuple[int, int, str]]) -> list[Line]:
    """A text's lines, the given ranges in their looks."""
    runs: list[Run] = []
    at = 0
    for start, end, look in spans:
        runs += [Run(text[at:start]), Run(text[start:end], look)]
        at = end
    lines: list[list[Run]] = [[]]
    for run in [*runs, Run(text[at:])]:
        first, *rest = run.text.split("\n")
        lines[-1].append(Run(first, run.look))
        lines += [[Run(part, run.look)] for part in rest]
    return [Line([run for run in line if run.text]) for line in lines]


def _looks(code: str) -> list[tuple[int, int, str]]:
    # Pygments is imported when there is something to colour.
    from pygments.lexers import PythonLexer
    from pygments.token import Token

    looks = [
        (Token.Comment, "comment"),
        (Token.Operator.Word, "keyword"),
        (Token.Keyword, "keyword"),
        (Token.Literal.Number, "number"),
        (Token.Literal.String, "string"),
        (Token.Name.Function, "name"),
        (Token.Name.Class, "name"),
    ]
    found = []
    for at, kind, text in PythonLexer(stripnl=False, ensurenl=False).get_tokens_unprocessed(code):
        look = next((look for family, look in looks if kind in family), None)
        if look:
            found.append((at, at + len(text), look))
    return found


def _shortened(lines: list[Line]) -> list[Line]:
    if len(lines) <= _MOST_LINES:
        return lines
    left_out = len(lines) - _MOST_LINES + 1
    return [*lines[: _MOST_LINES - 1], Line([Run(f"… {counted(left_out, 'more line')}", "muted")])]
