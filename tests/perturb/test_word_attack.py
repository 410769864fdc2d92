"""The word attack: what it replaces, by what, and that nothing else moves."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.errors import AttackError
from qrtui.perturb.attack import apply_edits, attack_prompt
from qrtui.perturb.attacks.word import WordAttack
from qrtui.perturb.lexicon import content_words, synonyms
from qrtui.perturb.spans import Span, natural_language_spans
from qrtui.perturb.wordnet import WordNet
from qrtui.tasks.datasets import load_tasks
from qrtui.tasks.task import Task

# HumanEval+ and MBPP+ need a download, or a file that was named for them.
OVERRIDES = {"humaneval+": "HUMANEVAL_OVERRIDE_PATH", "mbpp+": "MBPP_OVERRIDE_PATH"}
DATASETS = ["demo", "humaneval", *(name for name, variable in OVERRIDES.items() if os.environ.get(variable))]
TASKS = [task for dataset in DATASETS for task in load_tasks(dataset)]
ARTICLES = ("a", "an")


def compiles(text: str) -> bool:
    try:
        compile(text, "prompt", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def attacked(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, spans: list[Span] | None = None) -> str:
    """The text with every word replaced by its first synonym in the tiny WordNet."""
    monkeypatch.setattr("qrtui.perturb.attacks.word.asset_path", lambda _: folder)
    attack = WordAttack(probability=1, max_synonyms=1)
    return apply_edits(text, attack.edits(text, spans or [Span(0, len(text))], random.Random(0)))


@pytest.mark.usefixtures("wordnet")
def test_only_the_prose_of_any_benchmark_prompt_changes_and_it_still_compiles() -> None:
    for task in TASKS:
        spans = natural_language_spans(task.prompt)
        result = attack_prompt(task.prompt, WordAttack(probability=0.5), seed=0, task_id=task.task_id)
        at = 0
        for edit in result.edits:
            assert at <= edit.start < edit.end
            assert any(start <= edit.start and edit.end <= end for start, end in spans)
            assert task.prompt[edit.start : edit.end] != edit.replacement
            assert all(letter.isalpha() or letter in " -" for letter in edit.replacement)
            at = edit.end
        assert compiles(result.after) == compiles(task.prompt)


@pytest.mark.usefixtures("wordnet")
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TASKS), st.integers(0, 99))
def test_what_befalls_a_word_does_not_hang_on_the_others(task: Task, seed: int) -> None:
    """With a lower probability fewer words are replaced, and those by the same."""
    spans = natural_language_spans(task.prompt)
    few, many = (
        WordAttack(probability=probability).edits(task.prompt, spans, random.Random(seed)) for probability in (0.3, 0.8)
    )
    assert set(few) <= set(many)
    assert few == WordAttack(probability=0.3).edits(task.prompt, spans, random.Random(seed))


def test_at_most_three_candidates_each_of_the_words_own_part_of_speech(wordnet: WordNet) -> None:
    for task in TASKS[::4]:
        for word in content_words(task.prompt, natural_language_spans(task.prompt)):
            candidates = synonyms(word, wordnet, 3)
            assert len(candidates) == len(set(candidates)) <= 3
            assert word.text not in candidates
            for candidate in candidates:
                assert candidate[0].isupper() == word.text[0].isupper()
                head = candidate.lower().removeprefix("more ").removeprefix("most ").split(" ")[0]
                assert " " in candidate or wordnet.base_forms(head, word.pos)


@pytest.mark.usefixtures("wordnet")
def test_one_word_in_seven_is_replaced_by_default() -> None:
    eligible = replaced = 0
    for task in TASKS[:100]:
        spans = natural_language_spans(task.prompt)
        everything = WordAttack(probability=1).edits(task.prompt, spans, random.Random(task.task_id))
        some = attack_prompt(task.prompt, WordAttack(), seed=0, task_id=task.task_id).edits
        eligible += sum(edit.replacement.lower() not in ARTICLES for edit in everything)
        replaced += sum(edit.replacement.lower() not in ARTICLES for edit in some)
    assert 0.12 < replaced / eligible < 0.18


@pytest.mark.usefixtures("wordnet")
def test_one_seed_gives_one_prompt_in_any_process() -> None:
    program = (
        "from qrtui.perturb.attack import attack_prompt\n"
        "from qrtui.perturb.attacks import ATTACKS\n"
        "from qrtui.tasks.datasets import load_tasks\n"
        "for task in load_tasks('humaneval')[:12]:\n"
        "    print(attack_prompt(task.prompt, ATTACKS['word'](probability=0.5), seed=1, task_id=task.task_id).after)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    attack = WordAttack(probability=0.5)
    here = [
        attack_prompt(task.prompt, attack, seed=1, task_id=task.task_id).after + "\n"
        for task in load_tasks("humaneval")[:12]
    ]
    assert outputs == {"".join(here)}


def test_forms_and_capitals_are_kept(tiny_wordnet_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Counts the big lists, quickly. WRITE them."
    assert attacked(text, tiny_wordnet_folder, monkeypatch) == "Numbers the large listings, rapidly. PEN them."


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Find a sum.", "Bring up an amount."),
        ("A sum is wanted.", "An amount is wanted."),
        ("Find an array.", "Bring up a raiment."),
        ("Find an empty list.", "Bring up a hollow listing."),
        ("Find a number or an\n    array.", "Bring up a number or a\n    raiment."),
    ],
)
def test_the_article_follows_the_new_word(
    before: str, after: str, tiny_wordnet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [Span(0, len(before))]
    if "\n" in before:
        lines = [Span(0, before.index("\n")), Span(before.index("array"), len(before))]
    assert attacked(before, tiny_wordnet_folder, monkeypatch, lines) == after


def test_an_article_that_was_wrong_and_fits_the_new_word_is_no_edit(
    tiny_wordnet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qrtui.perturb.attacks.word.asset_path", lambda _: tiny_wordnet_folder)
    text = "Find a array."
    edits = WordAttack(probability=1).edits(text, [Span(0, len(text))], random.Random(0))
    assert [(text[edit.start : edit.end], edit.replacement) for edit in edits] == [
        ("Find", "Bring up"),
        ("array", "raiment"),
    ]


def test_an_article_that_is_a_name_in_the_code_stays(
    tiny_wordnet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "Find a sum or a list."
    outside = [Span(0, 4), Span(7, 13), Span(16, len(text))]
    assert attacked(text, tiny_wordnet_folder, monkeypatch, outside) == "Bring up a sum or a listing."


def test_a_name_in_the_code_never_enters_the_prose(tiny_wordnet_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = 'def listing(xs):\n    """Find the list."""\n'
    spans = natural_language_spans(prompt)
    assert '"""Bring up the tilt."""' in attacked(prompt, tiny_wordnet_folder, monkeypatch, spans)


def test_without_wordnet_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qrtui.perturb.attacks.word.asset_path", lambda _: None)
    with pytest.raises(AttackError, match=r"is not on this machine; fetch it with: qrtui pull wordnet$"):
        attack_prompt("Count the words.", WordAttack(), seed=0)
    assert WordAttack().assets == ("wordnet",)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=80), seed=st.integers(0, 9))
def test_any_text_can_be_attacked(wordnet: WordNet, text: str, seed: int) -> None:
    for prompt in (text, f'def f(x):\n    """{text}"""\n'):
        after = attack_prompt(prompt, WordAttack(probability=1), seed=seed).after
        assert compiles(after) or not compiles(prompt)


def test_a_damaged_wordnet_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttackError, match=r"cannot be read .*; remove that folder, then: qrtui pull wordnet$"):
        attacked("Count the words.", tmp_path, monkeypatch)
