"""By rules of its own, not by the project's spans: attacks leave code, examples, numbers and quoted strings alone."""

import ast
import re

import pytest

from qrtui.perturb.attack import attack_prompt
from qrtui.perturb.attacks.character import CharacterAttack
from qrtui.perturb.attacks.sentence import SentenceAttack
from qrtui.perturb.attacks.swaps import SwappedLetters
from qrtui.perturb.attacks.typos import TypingErrors
from qrtui.perturb.attacks.word import WordAttack
from qrtui.tasks.datasets import load_tasks

TASKS = [task for dataset in ("demo", "humaneval") for task in load_tasks(dataset)]
DEMO = [task for task in TASKS if task.task_id.startswith("Demo/")]


def program(prompt):
    """The prompt's syntax tree with the text of its docstrings taken out."""
    tree = ast.parse(prompt)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""
    return ast.dump(tree)


def kept(prompt):
    """What must be the same before and after, in order: examples, numbers, quoted strings, calls, indentation."""
    lines = prompt.splitlines()
    inside = prompt.replace('"""', "\n").replace("'''", "\n")
    examples = [line for line in lines if re.search(r">>>|==|➞|->|^\s*assert\b", line)]
    return (
        examples,
        re.findall(r"\d+", prompt),
        re.findall(r"(?<!\w)'[^'\n]{1,40}'(?!\w)|\"[^\"\n]{1,40}\"", inside),
        re.findall(r"\w+\([^()\n]*[\[\]=,\d][^()\n]*\)", prompt),
        [re.match(r"\s*", line).group() for line in lines],
    )


def check(task, attack, **more):
    for seed in range(2):
        after = attack_prompt(task.prompt, attack, seed=seed, task_id=task.task_id, **more).after
        assert program(after) == program(task.prompt), task.task_id
        assert kept(after) == kept(task.prompt), task.task_id


@pytest.mark.parametrize(
    "attack", [CharacterAttack(probability=1.0, max_changes=500), TypingErrors(probability=1.0), SwappedLetters()]
)
def test_letters_change_in_prose_only(attack):
    for task in TASKS:
        check(task, attack)


@pytest.mark.usefixtures("wordnet")
def test_words_change_in_prose_only():
    for task in TASKS:
        check(task, WordAttack(probability=1.0))


def test_sentences_change_in_prose_only():
    from qrtui.perturb.translation.shipped import shipped_translations

    for task in DEMO:
        check(task, SentenceAttack(engine="apertium"), translations=shipped_translations("apertium"))
