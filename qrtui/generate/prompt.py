"""How a task is put to a model, and where the model's answer ends: the same for every precision."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from qrtui.generate.settings import PromptStyle
from qrtui.tasks.task import Task

Style = Literal["chat", "completion"]

PROMPT_VERSION = "1"
"""Part of every completion's key: raise it when a change here could change what a model is asked or where it is cut."""

# EvalPlus' chat prompt, word for word: pass rates are comparable only if the question is the same.
_INSTRUCTION = (
    "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
)
_RESPONSE = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
)


class Asked(Protocol):
    """What a model is asked: the task, its prompt (possibly attacked, in the determinants) and the style."""

    @property
    def task(self) -> Task: ...  # noqa: D102
    @property
    def style(self) -> Style: ...  # noqa: D102
    @property
    def determinants(self) -> Any: ...  # noqa: D102


def choose_style(setting: PromptStyle, *, has_chat_template: bool) -> Style:
    """The style that a preset's `prompt` means for a model: `auto` is `chat` where there is a template."""
    if setting == "auto":
        return "chat" if has_chat_template else "completion"
    return setting


def render(prompt: str, style: Style, tokenizer: Any) -> str:
    """The text that the model continues: EvalPlus' chat prompt in the model's own template, or the prompt as it is.

    A model without a template gets the bare prompt in either style.
    """
    if style == "completion":
        return prompt
    from evalplus.provider.utility import make_raw_chat_prompt

    return str(make_raw_chat_prompt(prompt, _INSTRUCTION, _RESPONSE, tokenizer))


def stop_texts(task: Task, style: Style) -> tuple[str, ...]:
    """The texts at which a completion ends: the closing fence in a chat, else the next top-level statement.

    A completion of a bare docstring (MBPP's shape) defines the function itself, so there `def` does not end it.
    """
    if style == "chat":
        return ("\n```",)
    from evalplus.provider.utility import EOS, extra_eos_for_direct_completion

    shape = "mbpp" if task.is_instruction else "humaneval"
    return tuple(dict.fromkeys([*EOS, *extra_eos_for_direct_completion(shape)]))


def cut(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the first of its stops.

    >>> cut("    return 1\\n\\nprint(2)", ("\\nprint(", "\\ndef "))
    '    return 1\\n'
    """
    ends = [at for at in (text.find(stop) for stop in stops) if at >= 0]
    return text[: min(ends)] if ends else text
