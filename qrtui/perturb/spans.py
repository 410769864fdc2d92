"""Which parts of a prompt are natural language, and so may be attacked.

Benchmarks write prompts in two shapes: a signature with a docstring (HumanEval) and a bare docstring of one sentence
and one assert (MBPP). In both, prose is mixed with code. What is *not* prose: everything outside the docstring of the
function to write; doctest examples, asserts, example blocks and arrows; parameter tables; and, inside a sentence,
quoted strings, numbers, identifiers that occur in the code, and anything that looks like code.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from qrtui.perturb.prose import Line, masked, prose_lines, tokens


class Span(NamedTuple):
    """The half-open range `[start, end)` of character offsets in a prompt."""

    start: int
    end: int


def natural_language_spans(prompt: str) -> list[Span]:
    """The prose of a prompt: spans in order, none empty, none overlapping, none across a line break.

    A text that is neither code nor a docstring is prose as a whole, but for its code-like words.
    """
    module = _parsed(prompt)
    docstring = _docstring(prompt, module)
    lines = list(_lines(prompt, docstring))
    names = _code_names(prompt, module, docstring) | {
        name for line in lines for pattern in _NAMES_IN_PROSE for name in pattern.findall(line.shown)
    }
    prose = prose_lines(lines, names)
    names |= {
        name
        for line, is_prose in zip(lines, prose, strict=True)
        if not is_prose
        for name in _CALLED.findall(line.shown)
    }
    return [span for line, is_prose in zip(lines, prose, strict=True) if is_prose for span in _plain_runs(line, names)]


_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_CALLED = re.compile(r"\b[^\W\d]\w*(?=\()|\b[^\W\d_]*_\w*")
# `a` in "a[i] is positive" and `lst` in "for lst = [1, 2]": names, wherever else they stand.
_NAMES_IN_PROSE = (re.compile(r"\b[^\W\d]\w*(?=\[)"), re.compile(r"\b([^\W\d]\w*)\s*=(?![=>])"))
_NO_NAMES = re.compile(r"(\"\"\"|''').*?(?:\1|\Z)|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|#[^\n]*", re.DOTALL)
_TRIPLE_QUOTED = re.compile(r'("""|\'\'\')(.*?)(\1|\Z)', re.DOTALL)
_HEAD = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+\w", re.MULTILINE)
_CODE = re.compile(
    r"^\s*(?:(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*[:(]|from\s+[\w.]+\s+import\b|import\s+[\w.]+\s*(?:,|as\b|$))",
    re.MULTILINE,
)


def _parsed(prompt: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(prompt)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _docstring(prompt: str, module: ast.Module | None) -> Span:
    """The inside of the docstring that states the task, quotes excluded; the whole prompt if it is plain text."""
    if module is None:
        return _last_quoted(prompt)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    # Helpers come first, the function to write last. One of HumanEval's imports something before its docstring.
    for statements in [*(function.body for function in functions[-1:]), module.body[:1]]:
        for statement in statements:
            literal = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
                return _inside_quotes(prompt, literal)
    # Any other quoted string of a program is a value, or the docstring of a helper.
    return Span(len(prompt), len(prompt)) if module.body and not _is_plain_text(module) else _last_quoted(prompt)


def _is_plain_text(module: ast.Module) -> bool:
    """Whether what Python can read is no program all the same: a word or two, a number, a sentence in quotes."""
    return all(
        (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call | ast.JoinedStr))
        or (isinstance(node, ast.AnnAssign) and node.value is None)
        for node in module.body
    )


def _inside_quotes(prompt: str, literal: ast.Constant) -> Span:
    start = _offset(prompt, literal.lineno, literal.col_offset)
    end = _offset(prompt, literal.end_lineno or literal.lineno, literal.end_col_offset or 0)
    quote = re.match(r"\w*(\"\"\"|'''|\"|')", prompt[start:end])
    if quote is None:
        return Span(start, end)
    return Span(start + quote.end(), end - len(quote.group(1)))


def _offset(prompt: str, line: int, column: int) -> int:
    """The character offset of the parser's position: a 1-based line and a column in UTF-8 bytes."""
    lines = _physical_lines(prompt)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def _physical_lines(text: str) -> list[str]:
    # As Python's tokenizer splits: not at form feeds and the other separators of str.splitlines.
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text) or [""]


def _last_quoted(prompt: str) -> Span:
    """The last quoted part of what Python cannot read; after a function's head only the one it begins with."""
    heads = [match.start() for match in _HEAD.finditer(prompt)]
    quoted = [match.span(2) for match in _TRIPLE_QUOTED.finditer(prompt, heads[-1] if heads else 0)]
    if heads:
        quoted = [span for span in quoted[:1] if prompt[heads[-1] : span[0] - 3].rstrip("rRuU \t\r\n").endswith(":")]
    if quoted:
        return Span(*quoted[-1])
    # Code without any docstring has no prose; text without code is all prose.
    return Span(len(prompt), len(prompt)) if _CODE.search(prompt) else Span(0, len(prompt))


def _lines(prompt: str, within: Span) -> Iterator[Line]:
    """The lines of a docstring; the first one stands as far in as its quotes do."""
    docstring = prompt[within.start : within.end]
    before = prompt[: within.start].rpartition("\n")[2]
    at, indent = within.start, len(before) - len(before.lstrip())
    shown = masked(docstring)
    for line in docstring.splitlines(keepends=True):
        text = line.strip()
        blanks = len(line) - len(line.lstrip()) if text else 0
        begin = at - within.start + blanks
        yield Line(at + blanks, indent if at == within.start else blanks, text, shown[begin : begin + len(text)])
        at += len(line)


def _code_names(prompt: str, module: ast.Module | None, docstring: Span) -> set[str]:
    """The names in the code around a docstring: no keywords, and nothing from comments and other strings."""
    if module is None:
        code = _NO_NAMES.sub(" ", prompt[: docstring.start] + '"""' + prompt[docstring.end :])
        return {name for name in _IDENTIFIER.findall(code) if not keyword.iskeyword(name)}
    names: set[str] = set()
    for node in ast.walk(module):
        for field in ("id", "arg", "attr", "name", "asname", "module"):
            names.update(_IDENTIFIER.findall(getattr(node, field, None) or ""))
    return names


def _plain_runs(line: Line, names: set[str]) -> Iterator[Span]:
    """Runs of plain words in one line of prose, without the code-like pieces between them."""
    run: Span | None = None
    for start, end, plain, _ in tokens(line, names):
        if plain:
            run = Span(run.start if run else line.start + start, line.start + end)
        elif run:
            yield run
            run = None
    if run:
        yield run
