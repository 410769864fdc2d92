"""Attacks change natural language and nothing else."""

import os
import random
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.perturb.attack import Edit, apply_edits, attack_prompt
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.attacks.character import CharacterAttack
from qrtui.perturb.spans import Span, natural_language_spans
from qrtui.tasks.datasets import load_tasks

PROMPTS = [task.prompt for dataset in ("demo", "humaneval") for task in load_tasks(dataset)]


def compiles(text):
    try:
        compile(text, "prompt", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def prose(prompt):
    return [prompt[start:end] for start, end in natural_language_spans(prompt)]


def outside(text, spans):
    at, parts = 0, []
    for start, end in spans:
        parts.append(text[at:start])
        at = end
    return [*parts, text[at:]]


# Attacks that need language data, translations or a file of recorded prompts have tests of their own.
SELF_SUFFICIENT = [attack.kind() for attack in ATTACKS.ready() if not attack.assets]


@pytest.mark.parametrize("kind", SELF_SUFFICIENT)
def test_every_benchmark_prompt_keeps_its_code_and_still_compiles(kind):
    for at, prompt in enumerate(PROMPTS):
        result = attack_prompt(prompt, ATTACKS[kind](), seed=3, task_id=str(at))
        assert result.changed or kind != "char"
        spans = natural_language_spans(prompt)
        for edit in result.edits:
            assert any(start <= edit.start and edit.end <= end for start, end in spans)
        assert compiles(result.after) == compiles(prompt)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.integers(0, 99))
def test_any_text_keeps_what_is_outside_its_spans(text, seed):
    for prompt in (text, f'def f(x):\n    """{text}"""\n'):
        spans = natural_language_spans(prompt)
        assert all(start < end for start, end in spans)
        assert all(one.end <= other.start for one, other in pairwise(spans))
        after = attack_prompt(prompt, CharacterAttack(), seed=seed).after
        assert len(after) == len(prompt)
        assert outside(after, spans) == outside(prompt, spans)
        assert compiles(after) or not compiles(prompt)


def test_what_is_natural_language_in_a_humaneval_prompt():
    prompt = '''from typing import List

def helper(x):
    """Adds one to a number, which is nobody's business here."""
    return x + 1

def solve(numbers: List[int], k: int) -> List[int]:
    """Return the k largest of the given numbers, or None if "numbers" holds fewer.
    The result is sorted by my_key and has 3 parts.

    Args:
        k: how many values are wanted

    Examples:
    solve([1, 2], 1) ➞ [2]
    For example, solve([3], 1) == [3]

    >>> solve([3, 1, 2], 2)
    [3, 2]
    """
'''
    assert prose(prompt) == [
        "Return the",
        "largest of the given",
        "or",
        "if",
        "holds fewer.",
        "The result is sorted by",
        "and has",
        "parts.",
    ]


def test_what_is_natural_language_in_an_mbpp_prompt():
    prompt = '"""\nWrite a function to count the vowels in a given text.\nassert count_them("aeiou") == 5\n"""\n'
    assert prose(prompt) == ["Write a function to count the vowels in a given text."]


def test_a_plain_sentence_is_all_natural_language():
    assert prose("Count the vowels in a given text.") == ["Count the vowels in a given text."]


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="abcXYZ ß1.", max_size=60), st.floats(0, 1), st.integers(1, 9), st.integers(0, 99))
def test_the_character_attack_raises_at_most_its_cap_and_each_change_changes(text, probability, cap, seed):
    attack = CharacterAttack(probability=probability, max_changes=cap)
    edits = attack.edits(text, [Span(0, len(text))], random.Random(seed))
    assert len(edits) <= cap
    assert len({edit.start for edit in edits}) == len(edits)
    for start, end, replacement in edits:
        assert text[start:end] != replacement == text[start:end].upper()
    assert apply_edits(text, edits).lower() == text.lower()


def test_probability_decides_how_many_letters_pass_the_coin():
    text = "a" * 40
    spans = [Span(0, 40)]
    attack = CharacterAttack(probability=0.25, max_changes=40)
    counts = [len(attack.edits(text, spans, random.Random(seed))) for seed in range(200)]
    assert 8 < sum(counts) / len(counts) < 12
    assert CharacterAttack(probability=0).edits(text, spans, random.Random(0)) == []
    assert len(CharacterAttack(probability=1).edits(text, spans, random.Random(0))) == 5


def test_one_seed_gives_one_prompt_in_any_process_and_another_seed_another():
    program = (
        "from qrtui.perturb.attack import attack_prompt\n"
        "from qrtui.perturb.attacks import ATTACKS\n"
        "print(attack_prompt('Count the vowels in a given text.', ATTACKS['char'](), seed=1, task_id='Demo/1').after)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    sentence = "Count the vowels in a given text."
    assert outputs == {attack_prompt(sentence, CharacterAttack(), seed=1, task_id="Demo/1").after}
    assert attack_prompt(sentence, CharacterAttack(), seed=2, task_id="Demo/1").after not in outputs


def test_each_task_has_draws_of_its_own():
    text = "Count all the words of the given text and return how many there are."
    draws = {attack_prompt(text, CharacterAttack(), seed=1, task_id=f"T/{at}").after for at in range(8)}
    assert len(draws) > 6


def test_edits_are_applied_in_place():
    assert apply_edits("abcdef", [Edit(0, 1, "XY"), Edit(3, 5, "")]) == "XYbcf"
