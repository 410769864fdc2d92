"""Which parts of a prompt are natural language, and so may be attacked.

Benchmarks write prompts in two shapes: a signature with a docstring (HumanEval) and a bare docstring of one sentence
and one assert (MBPP). In both, prose is mixed with code. What is *not* prose: everything outside the docstring of the
function to write; doctest examples, asserts, example blocks and arrows; parameter tables; and, inside a sentence,
quoted strings, numbers, identifiers that occur in the code, and anything that looks like code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """The half-open range `[start, end)` of character offsets in a prompt."""

    start: int
    end: int


def natural_language_spans(prompt: str) -> list[Span]:
    """The prose of a prompt: spans in order, none empty, none overlapping, none across a line break.

    A text that is neither code nor a docstring is prose as a whole, but for its code-like words.
    """
    docstring = _docstring(prompt)
    lines = list(_lines(prompt, docstring))
    prose = _prose_lines([prompt[start:end] for start, end in lines])
    outside = prompt[: docstring.start] + prompt[docstring.end :]
    examples = [prompt[s:e] for (s, e), is_prose in zip(lines, prose, strict=True) if not is_prose]
    identifiers = frozenset(_names(_IDENTIFIER, [outside])) | frozenset(_names(_CALLED, examples))
    return [
        span
        for (start, end), is_prose in zip(lines, prose, strict=True)
        if is_prose
        for span in _words(prompt, Span(start, end), identifiers)
    ]


_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_CALLED = re.compile(r"[^\W\d]\w*(?=\()|\b\w+_\w+\b")
_STRING = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_TRIPLE_QUOTED = re.compile(r'("""|\'\'\')(.*?)(\1|\Z)', re.DOTALL)

_EXAMPLE_HEADER = re.compile(
    r"^(for\s+)?(some\s+)?(examples?|e\.g\.?|test\s+cases?)\b([\w\s#]*[:.]*$|\s*,)", re.IGNORECASE
)
_EXAMPLE_LINE = re.compile(r"==|=>|->|➞|→|⇒|^>>>|^\.\.\.|^#|\||^assert\b|^\w+\(.*\)\s*(=|:|is\b|returns?\b|should\b)")
_EXAMPLE_PART = re.compile(r"^(input|output|explanation|returns?|result)\b\s*\d*\s*[:=]", re.IGNORECASE)
_PARAMETER = re.compile(
    r"^([:@]\w+|(args|arguments|parameters|params|returns?|raises|yields?|notes?)\s*:\s*$)", re.IGNORECASE
)
_PARAMETER_ROW = re.compile(r"^(?!notes?\b)(?!hint\b)[-*]?\s*`?\w+`?\s*(\([^)]*\))?\s*:\s", re.IGNORECASE)

_QUOTED = re.compile(r"'[^'\n]*'(?!\w)|\"[^\"\n]*\"|`[^`\n]*`|“[^”\n]*”|‘[^’\n]*’")
_BRACKETED = re.compile(r"[\w.]*\([^()\n]*[=,\[\]'\"\d][^()\n]*\)|\[[^\]\n]*\]|\{[^}\n]*\}|\w+\(\)")
_TOKEN = re.compile(r"\S+")
_PLAIN_WORD = re.compile(r"^[(\"“‘]*[^\W\d_]+(?:['’-][^\W\d_]+)*[)\"”’.,;:!?]*$")
_CONSTANTS = frozenset({"None", "True", "False"})


def _names(pattern: re.Pattern[str], texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield from pattern.findall(_STRING.sub(" ", text))


def _docstring(prompt: str) -> Span:
    """The inside of the docstring that states the task, quotes excluded; the whole prompt if it is plain text."""
    try:
        module = ast.parse(prompt)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _last_quoted(prompt)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    # Helpers come first, the function to write last.
    for owner in [*reversed(functions[-1:]), module]:
        first = owner.body[0] if owner.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            return _inside_quotes(prompt, first.value)
    return _last_quoted(prompt)


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
    quoted = [match.span(2) for match in _TRIPLE_QUOTED.finditer(prompt)]
    if quoted:
        return Span(*quoted[-1])
    # Code without any docstring has no prose; text without code is all prose.
    if re.search(r"^\s*(def|class|import|from|return|async def)\s+\w", prompt, re.MULTILINE):
        return Span(len(prompt), len(prompt))
    return Span(0, len(prompt))


def _lines(prompt: str, within: Span) -> Iterator[Span]:
    at = within.start
    for line in prompt[within.start : within.end].splitlines(keepends=True):
        text = line.rstrip()
        yield Span(at + len(line) - len(line.lstrip()) if text else at, at + len(text))
        at += len(line)


def _prose_lines(lines: list[str]) -> list[bool]:
    """For each line of a docstring: is it prose?"""
    prose: list[bool] = []
    in_examples = False
    for line in lines:
        text = line.strip()
        if not text:
            prose.append(False)
        elif _EXAMPLE_HEADER.match(text) or text.startswith(">>>"):
            in_examples = True
            prose.append(False)
        elif in_examples and _reads_as_prose(text):
            in_examples = False
            prose.append(True)
        else:
            prose.append(not in_examples and _reads_as_prose(text))
    return prose


def _reads_as_prose(text: str) -> bool:
    if _EXAMPLE_LINE.search(text) or _EXAMPLE_PART.match(text) or _PARAMETER.match(text) or _PARAMETER_ROW.match(text):
        return False
    tokens = _TOKEN.findall(text)
    words = sum(bool(_PLAIN_WORD.match(token)) for token in tokens)
    return (words >= 2 and words * 2 > len(tokens)) or (words == len(tokens) and text[-1:] in ".!?")


def _words(prompt: str, line: Span, identifiers: frozenset[str]) -> Iterator[Span]:
    """Runs of plain words in one line of prose, without the code-like pieces between them."""
    text = prompt[line.start : line.end]
    code = [match.span() for pattern in (_QUOTED, _BRACKETED) for match in pattern.finditer(text)]
    run: Span | None = None
    for token in _TOKEN.finditer(text):
        in_code = any(start < token.end() and token.start() < end for start, end in code)
        if in_code or not _is_plain(token.group(), identifiers):
            if run:
                yield run
            run = None
        else:
            start = run.start if run else line.start + token.start()
            run = Span(start, line.start + token.end())
    if run:
        yield run


def _is_plain(token: str, identifiers: frozenset[str]) -> bool:
    if not _PLAIN_WORD.match(token):
        return False
    word = token.strip('()"“”‘’.,;:!?')
    inner_capitals = any(letter.isupper() for letter in word[1:])
    return word not in identifiers and word not in _CONSTANTS and not inner_capitals
