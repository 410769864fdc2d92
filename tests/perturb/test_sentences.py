"""Sentences come out of prompts whole, and their translations go back in without moving anything else."""

import os
import random
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.perturb.attack import apply_edits
from qrtui.perturb.sentences import edits, sentences, sources
from qrtui.perturb.spans import natural_language_spans
from qrtui.tasks.datasets import load_tasks, read_tasks

TASKS = [*load_tasks("demo"), *load_tasks("humaneval")]
if official := os.environ.get("HUMANEVAL_OVERRIDE_PATH"):
    TASKS += read_tasks(Path(official), "humaneval+")
PROMPTS = list(dict.fromkeys(task.prompt for task in TASKS))

JUNK = [
    '"""', "'''", '"', "'", "\\", "\\N{", "\n", "a\nb", "\r\n", "\x00", "\x1b[0m", "e\u2028f", "\x85", "\ud800",
    "\u200b", "“quoted”", "‚so‘", "don’t", "it's", "{x}", "# no", ">>>", "naïve", "😀", "...", ".", ",", "", "return",
]  # fmt: skip


class Mangled:
    """A translator that loses, moves, doubles and spoils words, and adds what would end a docstring."""

    def __init__(self, seed):
        self.seed = seed

    def __getitem__(self, source):
        rng = random.Random(f"{self.seed}/{source}")
        words = source.split()
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(words) + 1)
            match rng.randrange(6):
                case 0:
                    words[at : at + rng.randrange(1, 4)] = []
                case 1:
                    words[at:at] = words[at : at + 1]
                case 2:
                    rng.shuffle(words)
                case 3:
                    words[at : at + 1] = [rng.choice(JUNK) for _ in range(rng.randrange(1, 20))]
                case 4:
                    words[at : at + 1] = [word[::-1] + rng.choice(JUNK) for word in words[at : at + 1]]
                case 5:
                    words = [word.swapcase() if word.isalpha() else word for word in words]
        return rng.choice([" ", "\n", "  "]).join(words)


class Same:
    def __getitem__(self, source):
        return source


def compiles(text):
    try:
        compile(text, "prompt", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def attacked(prompt, translations):
    return apply_edits(prompt, edits(prompt, natural_language_spans(prompt), translations))


def check(prompt, translations):
    spans = natural_language_spans(prompt)
    made = edits(prompt, spans, translations)
    assert all(one.end <= other.start for one, other in pairwise(made))
    for start, end, replacement in made:
        assert any(span.start <= start and end <= span.end for span in spans)
        assert prompt[start:end] != replacement == replacement.strip() != ""
        assert not set(replacement) & set('"\\`“”')
        assert not any(unicodedata.category(char)[0] == "C" for char in replacement)
        assert len(replacement.splitlines()) == 1
        for at, char in enumerate(replacement):
            assert char != "'" or (replacement[at - 1].isalpha() and replacement[at + 1 : at + 2].isalpha())
    after = apply_edits(prompt, made)
    assert len(after.splitlines()) == len(prompt.splitlines())
    assert compiles(after) or not compiles(prompt)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PROMPTS), st.integers(0, 2**32))
def test_whatever_the_translator_does_only_prose_changes(prompt, seed):
    check(prompt, Mangled(seed))


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=200),
    st.sampled_from(['"""{}"""', "'''{}'''", "'{}'", '"{}"', "r'''{}'''", "{}"]),
    st.integers(0, 99),
)
def test_any_text_keeps_what_is_outside_its_spans(text, quoted, seed):
    prompt = quoted.format(text)
    check(prompt, Mangled(seed))
    check(f"def f(x):\n    {prompt}\n", Mangled(seed))


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: str(PROMPTS.index(prompt)))
def test_what_comes_back_as_it_was_changes_nothing(prompt):
    spans = natural_language_spans(prompt)
    assert edits(prompt, spans, Same()) == []
    needed = sources(prompt, spans)
    assert len(set(needed)) == len(needed)
    assert all(source == " ".join(source.splitlines()).strip() and len(source.split()) >= 3 for source in needed)


WRAPPED = '''def area(width, k):
    """Return the area of a rectangle that has the given width and the
        given height, times k, rounded down.
    If nothing is given, return -1 at once. Never
    return "no area" and never raise.

    - Negative numbers are not
      allowed here.
    >>> area(2, 3)
    """
'''


def test_sentences_are_whole_over_line_breaks_and_with_their_protected_pieces():
    assert sources(WRAPPED, natural_language_spans(WRAPPED)) == [
        "Return the area of a rectangle that has the given width and the given height, times k, rounded down.",
        "of a rectangle that has the given",
        "and the given height, times",
        "If nothing is given, return -1 at once.",
        "If nothing is given, return",
        'Never return "no area" and never raise.',
        "and never raise.",
        "Negative numbers are not allowed here.",
    ]


def test_a_translation_is_laid_into_the_lines_it_came_from():
    translations = {
        "Return the area of a rectangle that has the given width and the given height, times k, rounded down.": (
            "give back the surface of a rectangle with the given width and the specified height, times k, rounded off!"
        ),
        "If nothing is given, return -1 at once.": "when there is nothing, immediately give back -1 at once",
        'Never return "no area" and never raise.': "Do never return no area and never raise.",
        "and never raise.": "And raise never ever at all",
        "Negative numbers are not allowed here.": "No negative numbers here",
    }
    with pytest.raises(KeyError, match="of a rectangle that has"):
        attacked(WRAPPED, translations)
    translations |= {
        "of a rectangle that has the given": "of a quadrangle which has the specified",
        "and the given height, times": "with the height",
        "rounded down.": "is never asked for",
    }
    assert (
        attacked(WRAPPED, translations)
        == '''def area(width, k):
    """Return the area of a quadrangle which has the specified width with the
        height k, rounded down.
    When there is nothing, immediately give back -1 at once. Never
    return "no area" and raise never ever at all.

    - No negative numbers
      here.
    >>> area(2, 3)
    """
'''
    )


def one_line(sentence):
    return f'def f(numbers, k):\n    """{sentence}"""\n'


@pytest.mark.parametrize(
    ("sentence", "translation", "expected"),
    [
        ("Count the words in it.", "count all words there!", "Count all words there."),
        ("count the words in it", "Count all words there.", "count all words there"),
        ("I count the words, really.", "I do count the words, really", "I do count the words, really."),
        ("Sort numbers up to k, then stop.", "All numbers up to k then halt.", "All numbers up to k, then halt."),
        ("Sort numbers up to k.", "Order numbers upwards to k", "Order numbers upwards to k."),
        ("Return True, or else give it up.", "Return True or give up.", "Return True, or give up."),
        ('Say "a  b" to all of them.', 'Tell "a b" to everybody.', 'Tell "a  b" to everybody.'),
        ("Count the words in it.", "Don’t “count” the `words'\\", "Don't count the words."),
        ("Count the words in it.", "", "Count the words in it."),
        ("Count the words in it.", "... “”", "Count the words in it."),
    ],
)
def test_a_translated_sentence_takes_the_place_of_the_original(sentence, translation, expected):
    assert attacked(one_line(sentence), {sentence: translation}) == one_line(expected)


@pytest.mark.parametrize(
    "translation",
    [
        "order all of the entries of the list up to k and return",  # a piece is lost
        "order all of the entries of numbers up to K and return",  # another case
        "up to k order all of the entries of numbers and return",  # another order
        "order all of the entries of numbers up to k and k and return",  # once too often
        "order all of the entries of numbers k and return",  # a run is lost
        "numbers up to k and return",  # the first run is lost
    ],
)
def test_without_its_pieces_a_translation_serves_only_between_them(translation):
    sentence = "Sort all of the entries of numbers up to k and return"
    pieces = {"Sort all of the entries of": "Order all entries of", "up to": "never asked for"}
    expected = "Order all entries of numbers up to k and return"
    assert attacked(one_line(sentence), {sentence: translation, **pieces}) == one_line(expected)


def test_a_sentence_ends_where_it_ends():
    text = one_line("Find them, e.g. in a list. now stop there! Do not say 'Stop. Go on' there: no?\n    A new line")
    assert [sentence.source for sentence in sentences(text, natural_language_spans(text))] == [
        "Find them, e.g. in a list.",
        "now stop there!",
        "Do not say 'Stop. Go on' there: no?",
        "A new line",
    ]


def test_an_apostrophe_that_would_end_the_docstring_is_not_let_in():
    sentence = "Do not count any words."
    translations = {sentence: "Don't count any words."}
    assert attacked(f"def f(x):\n    '{sentence}'\n", translations) == f"def f(x):\n    '{sentence}'\n"
    assert "Don't count" in attacked(f"def f(x):\n    '''{sentence}'''\n", translations)


def test_a_plain_sentence_is_translated_whole():
    assert attacked(
        "Count the words. Then stop it.", {"Count the words.": "Words!", "Then stop it.": "Then halt."}
    ) == ("Words. Then halt.")
