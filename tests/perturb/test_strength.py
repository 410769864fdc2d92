"""How strong an attack was."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.perturb.attack import attack_prompt
from qrtui.perturb.attacks import ATTACKS
from qrtui.perturb.spans import Span
from qrtui.perturb.strength import overall, strength, strength_of
from qrtui.tasks.datasets import load_tasks

texts = st.text(alphabet="ab é字", max_size=12)


@settings(max_examples=200, deadline=None)
@given(texts, texts)
def test_similarity_is_1_for_the_same_text_only_and_never_below_0(before, after):
    found = strength(before, after, [Span(0, len(before))])
    assert 0 <= found.similarity <= 1
    assert (found.similarity == 1) == (before == after) == (not found.changed) == (found.characters == 0)
    assert 0 <= found.words <= found.eligible
    assert found.words == 0 or found.changed


@pytest.mark.parametrize(
    ("after", "characters", "words"),
    [
        ("x = Count the words.", 0, 0),
        ("x = COunt tHe words.", 2, 2),
        ("x = Count  the   words.", 3, 0),
        ("x = Count all the words.", 4, 0),
        ("x = Count words.", 4, 1),
        ("x = Tally the terms.", 8, 2),
        ("y = Count the words.", 1, 0),
    ],
)
def test_characters_and_words_are_counted(after, characters, words):
    before = "x = Count the words."
    found = strength(before, after, [Span(4, len(before))])
    assert (found.characters, found.words, found.eligible) == (characters, words, 3)


def test_a_words_apostrophe_is_part_of_it_and_it_counts_once():
    found = strength("it doesn't end", "it does'nt End", [Span(0, 14)])
    assert (found.words, found.eligible) == (2, 3)


def test_a_set_is_summed_up_with_what_was_left_unchanged():
    each = [strength("one two", after, [Span(0, 7)]) for after in ("one two", "One two", "One Two", "one two")]
    whole = overall(each)
    assert (whole.prompts, whole.changed, whole.share_changed) == (4, 2, 0.5)
    assert whole.characters == (0.75, 0.5)
    assert whole.words == (0.75, 0.5)
    assert whole.word_share == (0.375, 0.25)
    assert whole.similarity.mean == pytest.approx(1 - 0.75 / 7)
    # A prompt without a word of prose has no share, and takes no part in the mean of the others'.
    assert overall([*each, strength("f(x)", "f(x)", [])]).word_share == (0.375, 0.25)
    assert overall([]).similarity == (1.0, 1.0)
    assert overall([]).share_changed == 0


def test_what_the_attacks_say_they_do_is_what_is_measured():
    prompts = [task.prompt for task in load_tasks("demo")]
    for kind, most in (("char", 5), ("typos", 5), ("swaps", 10), ("whitespace", 15)):
        each = [strength_of(attack_prompt(prompt, ATTACKS[kind](), seed=1)) for prompt in prompts]
        assert all(1 <= one.characters <= most for one in each), kind
        assert all((one.words == 0) == (kind == "whitespace") for one in each), kind
        assert overall(each).share_changed == 1
