"""From a completion to the program that is judged: one post-processing for every model and precision."""

from __future__ import annotations

from qrtui.generate.prompt import Style
from qrtui.tasks.task import Task


def solution_of(task: Task, prompt: str, completion: str, style: Style) -> str:
    """The program to judge: EvalPlus' sanitizer keeps the wanted function and what it depends on.

    In the `completion` style the program begins with the prompt that the model saw (attacked or not), in a chat it is
    what the model wrote. Where the sanitizer finds no code, the text itself is the program, and fails as such.
    """
    program = prompt + completion if style == "completion" else completion
    program = program.replace("\t", "    ").replace("\0", "")
    from evalplus.sanitize import sanitize

    try:
        kept = str(sanitize(program, task.entry_point))
    except (ValueError, RecursionError, MemoryError, UnicodeError):
        return program
    return kept or program
