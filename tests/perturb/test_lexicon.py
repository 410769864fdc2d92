"""Content words, their synonyms, and the forms they are put into."""

from __future__ import annotations

import pytest

from qrtui.perturb.inflection import article, inflected
from qrtui.perturb.lexicon import ContentWord, content_words, synonyms
from qrtui.perturb.spans import Span, natural_language_spans
from qrtui.perturb.stop_words import STOP_WORDS
from qrtui.perturb.tagging import tagged_sentences
from qrtui.perturb.wordnet import WordNet


def words_of(text: str) -> list[tuple[str, str, str]]:
    return [(word.text, word.pos, word.form) for word in content_words(text, [Span(0, len(text))])]


def noun(text: str, form: str = "base") -> ContentWord:
    return ContentWord(0, len(text), text, "noun", form, None)  # type: ignore[arg-type]


def test_content_words_and_the_forms_they_stand_in() -> None:
    assert words_of("It returns the numbers of the largest list which was sorted quickly.") == [
        ("returns", "verb", "third person"),
        ("numbers", "noun", "plural"),
        ("largest", "adj", "superlative"),
        ("list", "noun", "base"),
        ("sorted", "verb", "participle"),
        ("quickly", "adv", "base"),
    ]


@pytest.mark.parametrize(
    "sentence", ["Return the sum.", "Count how many there are.", "Sum all numbers.", "Return list."]
)
def test_what_a_task_tells_to_do_is_a_verb(sentence: str) -> None:
    assert words_of(sentence)[0][1:] == ("verb", "base")


def test_given_before_its_noun_phrase_is_a_preposition() -> None:
    assert "Given" not in [text for text, _, _ in words_of("Given a list of words, find the longest.")]
    assert ("given", "verb", "participle") in words_of("You are given a list of words.")


def test_a_wrapped_sentence_is_tagged_as_one_and_code_around_it_is_not_part_of_it() -> None:
    prompt = 'def solve(xs):\n    """Return the longest\n    word, or x, of a list.\n\n    >>> solve([])\n    """\n'
    sentences = tagged_sentences(prompt, natural_language_spans(prompt))
    assert [[token.text for token in sentence] for sentence in sentences] == [
        ["Return", "the", "longest", "word", ",", "or", "x", ",", "of", "a", "list", "."]
    ]
    for token in sentences[0]:
        assert prompt[token.start : token.end] == token.text


def test_words_outside_the_spans_are_context_only() -> None:
    text = "Sort the words quickly."
    assert [word.text for word in content_words(text, [Span(9, len(text))])] == ["words", "quickly"]


def test_stop_words_are_function_words() -> None:
    assert {"the", "of", "which", "should", "not", "given"} - STOP_WORDS == {"given"}
    assert not STOP_WORDS & {"find", "number", "value", "return", "list", "string", "count", "sum"}


def test_the_orders_of_wordnets_files_are_kept(tiny_wordnet: WordNet) -> None:
    assert tiny_wordnet.synonyms("list", "noun") == ("listing", "tilt", "lean")
    assert tiny_wordnet.synonyms("big", "adj") == ("large", "prominent")
    assert tiny_wordnet.synonyms("letter", "noun") == ("alphabetic character",)
    assert tiny_wordnet.synonyms("xyzzy", "noun") == ()
    assert tiny_wordnet.base_forms("found", "verb") == ("found", "find")
    assert tiny_wordnet.base_forms("Letters", "noun") == ("letters", "letter")


def test_synonyms_take_the_words_form_and_capitals(tiny_wordnet: WordNet) -> None:
    assert synonyms(noun("Lists", "plural"), tiny_wordnet, 2) == ["Listings", "Tilts"]
    assert synonyms(noun("LIST"), tiny_wordnet, 1) == ["LISTING"]
    assert synonyms(noun("letters", "plural"), tiny_wordnet, 3) == ["alphabetic characters"]
    assert synonyms(noun("view"), tiny_wordnet, 3) == ["point of view"]
    assert synonyms(noun("views", "plural"), tiny_wordnet, 3) == ["points of view"]


def test_what_may_not_stand_in_a_docstring_or_not_there(tiny_wordnet: WordNet) -> None:
    assert synonyms(noun("sum"), tiny_wordnet, 3) == ["amount"]
    assert synonyms(noun("array"), tiny_wordnet, 3) == ["raiment"]
    assert synonyms(noun("row"), tiny_wordnet, 3) == [], "a plural cannot stand for a singular"
    assert synonyms(noun("list"), tiny_wordnet, 3, frozenset({"tilt"})) == ["listing", "lean"]
    assert synonyms(noun("view"), tiny_wordnet, 3, frozenset({"point"})) == []
    count = ContentWord(0, 5, "count", "verb", "base", None)
    assert synonyms(count, tiny_wordnet, 3) == ["number"], "`drop a line` has an object already"
    found = count._replace(text="found", form="participle")
    assert synonyms(found, tiny_wordnet, 3) == ["brought up"]


@pytest.mark.parametrize(
    ("base", "form", "expected"),
    [
        ("figure", "plural", "figures"),
        ("point of view", "plural", "points of view"),
        ("bowed stringed instrument", "plural", "bowed stringed instruments"),
        ("matrix", "plural", "matrices"),
        ("bring back", "third person", "brings back"),
        ("fit", "gerund", "fitting"),
        ("begin", "past", "began"),
        ("begin", "participle", "begun"),
        ("big", "superlative", "biggest"),
        ("prominent", "comparative", "more prominent"),
        ("no such word", "plural", "no such words"),
        ("xyzzy", "plural", None),
    ],
)
def test_inflection(base: str, form: str, expected: str | None) -> None:
    assert inflected(base, form) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["array", "integer", "hour", "upper case", "unimportant", "onerous", "x-ray"])
def test_an_before_a_spoken_vowel(word: str) -> None:
    assert article(word) == "an"


@pytest.mark.parametrize("word", ["list", "unit", "uniform", "European", "one-time", "user", "history", "useful"])
def test_a_before_a_spoken_consonant(word: str) -> None:
    assert article(word) == "a"


def test_the_real_wordnet(wordnet: WordNet) -> None:
    assert wordnet.synonyms("number", "noun")[0] == "figure"
    assert wordnet.synonyms("large", "adj")[0] == "big"
    assert wordnet.synonyms("quickly", "adv")[0] == "rapidly"
    assert wordnet.base_forms("indices", "noun") == ("index",)
    assert wordnet.base_forms("sorting", "verb") == ("sort",)
