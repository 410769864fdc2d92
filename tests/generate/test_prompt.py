"""How tasks are asked, and what is made of the answers."""

import evalplus.sanitize
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.generate.prompt import choose_style, cut, render, stop_texts
from qrtui.generate.solution import longest_python, solution_of
from qrtui.tasks.datasets import find_task, load_tasks

ADD = find_task("HumanEval/53")
MBPP_LIKE = next(task for task in load_tasks("demo") if task.is_instruction)


class Template:
    """A tokenizer with a chat template."""

    chat_template = "there is one"

    def apply_chat_template(self, messages, tokenize):
        assert not tokenize
        return "".join(f"<{message['role']}>{message['content']}" for message in messages)


def test_auto_takes_the_chat_template_where_there_is_one():
    assert choose_style("auto", has_chat_template=True) == "chat"
    assert choose_style("auto", has_chat_template=False) == "completion"
    assert choose_style("completion", has_chat_template=True) == "completion"


def test_a_chat_ends_inside_an_open_code_block():
    text = render(ADD.prompt, "chat", Template())
    assert text.startswith("<user>")
    assert ADD.prompt.strip() in text
    assert text.endswith("```python\n")
    assert render(ADD.prompt, "completion", Template()) == ADD.prompt


def test_completions_end_at_the_next_top_level_statement():
    body = "    return x + y\n"
    stops = stop_texts(ADD, "completion")
    for tail in ("\ndef other():\n    pass", "\nclass A: pass", "\nprint(add(1, 2))", "\nif __name__ == '__main__':"):
        assert cut(body + tail, stops) == body
    # Of several the first counts, whatever their order in the list.
    assert cut(body + "\ndef g(): pass\nclass A: pass\nprint(1)", stops) == body
    assert cut(body + "\nprint(1)\nclass A: pass\ndef g(): pass", stops) == body
    whole = "\ndef f(x):\n    return x\n"
    assert cut(whole + "\nassert f(1) == 1", stop_texts(MBPP_LIKE, "completion")) == whole
    assert cut("def f(): pass\n```\nThis works because", stop_texts(ADD, "chat")) == "def f(): pass"


@pytest.mark.parametrize(
    ("completion", "style", "kept", "dropped"),
    [
        ("    return x + y\n", "completion", "return x + y", "????"),
        ("def add(x, y):\n    return x + y\n\nprint(add(1, 2))\n", "chat", "return x + y", "print"),
        ("def helper(x):\n    return x\n\ndef add(x, y):\n    return helper(x) + y", "chat", "def helper", "?"),
        ("Sure! Here it is:\ndef add(x, y):\n    return x + y", "chat", "return x + y", "Sure"),
        ("\tdef broken(", "chat", "def broken(", "\t"),
        ("", "chat", "", "?"),
    ],
)
def test_the_program_to_judge_is_the_function_and_what_it_needs(completion, style, kept, dropped):
    program = solution_of(ADD, ADD.prompt, completion, style)
    assert kept in program
    assert dropped not in program


def test_the_program_begins_with_the_prompt_that_the_model_saw():
    attacked = ADD.prompt.replace("Add two", "ADD Two")
    program = solution_of(ADD, attacked, "    return x + y\n", "completion")
    assert attacked != ADD.prompt
    assert "ADD Two" in program
    assert "ADD Two" not in solution_of(ADD, attacked, "def add(x, y):\n    return x + y", "chat")


def test_a_program_has_neither_tabs_nor_null_characters():
    program = solution_of(ADD, ADD.prompt, "def add(x, y):\n\treturn x +\0 y", "chat")
    assert program.strip() == "def add(x, y):\n    return x + y"


_EVALPLUS_CHOICE = evalplus.sanitize.code_extract
LINES = st.sampled_from(["x = 1", "", "def f():", "    return 1", "if x:", "    y = (", ")", "Sure! Here it is", "```"])


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=8).map("\n".join))
def test_the_longest_stretch_of_python_is_the_one_that_evalplus_takes(text):
    assert longest_python(text) == _EVALPLUS_CHOICE(text)


def test_a_long_rambling_is_searched_in_bounded_time():
    assert solution_of(ADD, ADD.prompt, "1.\n" * 400 + "(", "chat").startswith("1.")
    assert longest_python("\n".join(["no python here"] * 400)) == "no python here"
