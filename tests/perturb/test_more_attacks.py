"""Typing errors, swapped letters and extra blanks: each changes what it says and nothing else."""

import doctest
import importlib
import random
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.errors import AttackError, PresetError
from qrtui.perturb.attack import (
    PAPERS_KINDS,
    Attack,
    AttackedPrompt,
    Edit,
    apply_edits,
    attack_prompt,
    draw_some,
    edits_between,
)
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.attacks.swaps import SwappedLetters
from qrtui.perturb.attacks.typos import TypingErrors
from qrtui.perturb.attacks.whitespace import ExtraBlanks
from qrtui.perturb.spans import Span
from qrtui.presets import attack_of

KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
texts = st.text(alphabet="abcqpxlMZ  \téß'-1.", max_size=60)
probabilities = st.floats(0.01, 1)


def neighbours(letter):
    row = next(at for at, keys in enumerate(KEYBOARD) if letter in keys)
    column = KEYBOARD[row].index(letter)
    places = [(row, column - 1), (row, column + 1), (row - 1, column), (row - 1, column + 1)]
    places += [(row + 1, column - 1), (row + 1, column)]
    return {KEYBOARD[y][x] for y, x in places if 0 <= y < 3 and 0 <= x < len(KEYBOARD[y])}


@settings(max_examples=150, deadline=None)
@given(texts, probabilities, st.integers(1, 9), st.integers(0, 99))
def test_a_typing_error_strikes_a_key_beside_the_right_one_and_once_a_word(text, probability, most, seed):
    attack = TypingErrors(probability=probability, max_changes=most)
    edits = attack.edits(text, [Span(0, len(text))], random.Random(seed))
    words = list(re.finditer(r"(?<![^\W\d_])[A-Za-z]{3,}(?![^\W\d_])", text))
    assert min(1, len(words)) <= len(edits) <= min(most, len(words))
    for start, end, struck in edits:
        assert end == start + 1
        assert struck.lower() in neighbours(text[start].lower())
        assert struck.isupper() == text[start].isupper()
    assert all(sum(word.start() <= edit.start < word.end() for edit in edits) <= 1 for word in words)


@settings(max_examples=150, deadline=None)
@given(texts, probabilities, st.integers(1, 9), st.integers(0, 99))
def test_a_swap_keeps_the_letters_of_a_word_and_its_first(text, probability, most, seed):
    attack = SwappedLetters(probability=probability, max_changes=most)
    edits = attack.edits(text, [Span(0, len(text))], random.Random(seed))
    after = apply_edits(text, edits)
    assert len(edits) <= most
    assert [sorted(one) for one in re.findall(r"[^\W\d_]+", text)] == [
        sorted(one) for one in re.findall(r"[^\W\d_]+", after)
    ]
    assert [one[0] for one in re.findall(r"[^\W\d_]+", text)] == [one[0] for one in re.findall(r"[^\W\d_]+", after)]
    assert (after != text) == bool(edits)
    assert bool(edits) == bool(re.search(r"[^\W\d_]([^\W\d_])(?!\1)[^\W\d_]", text))


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, max_size=3).map("\n    ".join), probabilities, st.integers(1, 9), st.integers(0, 99))
def test_extra_blanks_stand_between_words_and_lines_stay(text, probability, most, seed):
    attack = ExtraBlanks(probability=probability, max_blanks=most)
    spans = [Span(line.start(), line.end()) for line in re.finditer(r"[^\n]+", text)]
    edits = attack.edits(text, spans, random.Random(seed))
    after = apply_edits(text, edits)
    assert after.split() == text.split()
    assert all(edit.start == edit.end and 1 <= len(edit.replacement) <= most for edit in edits)
    for old, new in zip(text.split("\n"), after.split("\n"), strict=True):
        assert re.match(r"[ \t]*", old).group() == re.match(r"[ \t]*", new).group()
        assert old.rstrip(" \t") == old or re.search(r"[ \t]*$", old).group() == re.search(r"[ \t]*$", new).group()


def test_the_share_of_words_follows_the_probability():
    text = "word " * 40
    for kind in ("typos", "swaps", "whitespace"):
        attack = ATTACKS[kind](probability=0.25, max_changes=1000)
        counts = [len(attack.edits(text, [Span(0, len(text))], random.Random(seed))) for seed in range(200)]
        assert 9 < sum(counts) / len(counts) < 11
        everything = ATTACKS[kind](probability=1, max_changes=1000)
        assert len(everything.edits(text, [Span(0, len(text))], random.Random(0))) in (39, 40)


def test_draw_some_draws_at_least_one_and_each_alike():
    seen = {draw_some("abcde", 0.001, 3, random.Random(seed))[0] for seed in range(200)}
    assert seen == set("abcde")
    assert draw_some([], 0.5, 3, random.Random(0)) == []
    assert draw_some("abc", 1.0, 9, random.Random(0)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("typos", ("probability=0",), "probability"),
        ("swaps", ("probability=1.5",), "probability"),
        ("whitespace", ("max_blanks=0",), "max_blanks"),
        ("typos", ("max_changes=0",), "max_changes"),
        ("swaps", ("max_change=3",), "unknown key"),
    ],
)
def test_parameters_have_bounds(kind, parameters, words):
    with pytest.raises(PresetError, match=words):
        attack_of(kind, parameters)


def test_labels_name_what_differs_from_the_defaults():
    assert TypingErrors().label == "typos"
    assert ExtraBlanks(max_blanks=1, probability=0.5).label == "whitespace probability=0.5 max_blanks=1"


def test_the_papers_levels_come_first_and_are_told_from_the_others():
    kinds = list(ATTACKS)
    papers = [kind for kind in PAPERS_KINDS if kind in ATTACKS]
    assert kinds[: len(papers)] == papers
    assert [kind for kind in kinds if ATTACKS[kind].published()] == papers
    assert all(ATTACKS[kind].level for kind in kinds)
    assert {"typos", "swaps", "whitespace"} <= {attack.kind() for attack in ATTACKS.ready()}


def test_the_examples_in_the_docstrings_are_true():
    for module in ("attack", "strength", "prose", *(f"attacks.{kind}" for kind in ("character", "typos", "swaps"))):
        result = doctest.testmod(importlib.import_module(f"qrtui.perturb.{module}"))
        assert result.failed == 0, module
    assert doctest.testmod(importlib.import_module("qrtui.perturb.attacks.whitespace")).attempted


prompts = st.text(alphabet="ab (=\n\t", max_size=40)


@settings(max_examples=300, deadline=None)
@given(prompts, prompts)
def test_edits_between_two_texts_lead_from_one_to_the_other(before, after):
    edits = edits_between(before, after)
    assert apply_edits(before, edits) == after
    assert all(before[start:end] != replacement for start, end, replacement in edits)
    assert all(one.end <= other.start for one, other in pairwise(edits))


def test_very_different_long_texts_differ_in_one_edit():
    before, after = "one two " * 3000, "two one " * 3000
    assert len(edits_between(before, after)) == 1
    assert apply_edits(before, edits_between(before, after)) == after
    assert edits_between(before, before + "end") == [Edit(len(before), len(before), "end")]


def test_an_edit_outside_the_prose_touches_code():
    spans = [Span(4, 8)]
    assert not AttackedPrompt("x = word", "x = Word", [Edit(4, 5, "W")], spans).touches_code
    assert AttackedPrompt("x = word", "y = word", [Edit(0, 1, "y")], spans).touches_code
    assert AttackedPrompt("x = word", "x =Word", [Edit(3, 5, "W")], spans).touches_code


class Stranger(Attack, frozen=True, kw_only=True, tag="stranger"):
    """An attack as another package may bring one."""

    answer: str = "raise"

    def edits(self, text, spans, rng):
        if self.answer == "raise":
            raise IndexError("no such\nword")
        answers = {
            "code": [Edit(0, 3, "XYZ")],
            "order": [Edit(spans[0].end - 1, spans[0].end, "x"), Edit(spans[0].start, spans[0].start + 1, "y")],
            "nothing": None,
            "idle": [Edit(spans[0].start, spans[0].start + 1, text[spans[0].start])],
            "number": [(spans[0].start, spans[0].start + 1, 5)],
            "fine": [(spans[0].start, spans[0].start + 1, "Z")],
        }
        return answers[self.answer]


@pytest.mark.parametrize("answer", ["raise", "code", "order", "nothing", "number"])
def test_an_attack_of_another_package_that_misbehaves_is_told_in_one_line(answer):
    prompt = 'def f():\n    """Count the words."""\n'
    with pytest.raises(AttackError, match="stranger") as caught:
        attack_prompt(prompt, Stranger(answer=answer), seed=0, task_id="Demo/1")
    assert "\n" not in str(caught.value)


def test_an_attack_of_another_package_that_keeps_the_rules_works():
    prompt = 'def f():\n    """Count the words."""\n'
    assert attack_prompt(prompt, Stranger(answer="fine"), seed=0).after == prompt.replace("Count", "Zount")
    assert attack_prompt(prompt, Stranger(answer="idle"), seed=0).edits == []
