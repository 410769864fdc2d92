"""From a completion to the program that is judged: one post-processing for every model and precision."""

from __future__ import annotations

import ast
import heapq
import itertools
import warnings

from qrtui.generate.prompt import Style
from qrtui.tasks.task import Task

_MOST_ATTEMPTS = 4000


def solution_of(task: Task, prompt: str, completion: str, style: Style) -> str:
    """The program to judge: EvalPlus' sanitizer keeps the wanted function and what it depends on.

    In the `completion` style the program begins with the prompt that the model saw (attacked or not), in a chat it is
    what the model wrote. Where the sanitizer finds no code, the text itself is the program, and fails as such.
    """
    program = prompt + completion if style == "completion" else completion
    program = program.replace("\t", "    ").replace("\0", "")
    import evalplus.sanitize as sanitizer

    sanitizer.code_extract = longest_python
    try:
        kept = str(sanitizer.sanitize(program, task.entry_point))
    except (ValueError, RecursionError, MemoryError, UnicodeError):
        return program
    return kept or program


def longest_python(text: str) -> str:
    """Of the stretches of two lines or more that parse as Python, the one with the most non-blank lines, or line one.

    EvalPlus' sanitizer begins with the same choice but tries every stretch, which takes seconds for longer ramblings.
    Here the longest are tried first and the search ends at the first that parses, or, for text that is no program at
    all, after `_MOST_ATTEMPTS`.
    """
    lines = text.split("\n")
    written = list(itertools.accumulate((bool(line.strip()) for line in lines), initial=0))
    stretches = (
        (written[start] - written[end], start, end)
        for start in range(len(lines))
        for end in range(start + 2, len(lines) + 1)
        if written[end] > written[start]
    )
    for _, start, end in heapq.nsmallest(_MOST_ATTEMPTS, stretches):
        candidate = "\n".join(lines[start:end])
        if _parses(candidate):
            return candidate
    return lines[0]


def _parses(code: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
