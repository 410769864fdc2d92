"""Back-translation of the demo's prompts with the translations that ship with the program."""

import random

import pytest

from qrtui import paths
from qrtui.errors import AttackError
from qrtui.perturb.attack import attack_prompt
from qrtui.perturb.attacks.sentence import SentenceAttack
from qrtui.perturb.spans import Span, natural_language_spans
from qrtui.perturb.translation.shipped import (
    Provenance,
    Translation,
    read_translations,
    shipped_files,
    shipped_translations,
    written,
)
from qrtui.tasks.datasets import load_tasks

DEMO = load_tasks("demo")
RULES = SentenceAttack(engine="apertium")


def outside(text):
    at, parts = 0, []
    for start, end in natural_language_spans(text):
        parts.append(text[at:start])
        at = end
    return [*parts, text[at:]]


def test_every_demo_prompt_is_attacked_offline_and_keeps_its_code():
    known = shipped_translations("apertium")
    changed = 0
    for task in DEMO:
        result = attack_prompt(task.prompt, RULES, seed=0, task_id=task.task_id, translations=known)
        changed += result.changed
        compile(result.after, task.task_id, "exec")
        at = 0
        for part in outside(task.prompt):
            at = result.after.index(part, at) + len(part)
        assert at == len(result.after)
        assert len(result.after.splitlines()) == len(task.prompt.splitlines())
    assert changed == 45


def test_what_ships_is_what_the_demo_needs_and_says_where_it_is_from():
    needed = {source for task in DEMO for source in RULES.sources(task.prompt, natural_language_spans(task.prompt))}
    assert set(shipped_translations("apertium")) == needed
    (file,) = shipped_files()
    assert file.provenance.engine == "apertium"
    assert "apertium-eng-spa" in file.provenance.revision
    assert "GPL" in file.provenance.licence
    on_disk = paths.shipped("data", "translations", "apertium-eng-spa.jsonl").read_bytes()
    again = [Translation(source, result) for source, result in file.translations.items()]
    assert written(file.provenance, reversed(again)) == on_disk


def test_an_example():
    prompt = next(task.prompt for task in DEMO if task.task_id == "Demo/8")
    after = attack_prompt(prompt, RULES, seed=0, translations=shipped_translations("apertium")).after
    assert after.splitlines()[1] == (
        '    """Turn a message to letters of upper case and put a mark of exclamation at the end.'
    )


def test_rules_are_never_taken_for_the_paper_s_translator():
    assert SentenceAttack().label == "sentence"
    assert SentenceAttack().engine == "mbart-50"
    assert RULES.label == "sentence engine=apertium"
    assert SentenceAttack(engine="opus-mt").label == "sentence engine=opus-mt"
    assert SentenceAttack.level == "sentence"


def test_the_seed_changes_nothing():
    known = shipped_translations("apertium")
    prompt = DEMO[0].prompt
    assert len({attack_prompt(prompt, RULES, seed=seed, translations=known).after for seed in range(5)}) == 1


@pytest.mark.parametrize(
    ("engine", "served_by"),
    [
        ("mbart-50", 'qrtui pull mbart-50, or write engine = "apertium" (Debian\'s apertium-eng-spa), or kind = '),
        ("opus-mt", "qrtui pull opus-mt-en-de and qrtui pull opus-mt-de-en"),
        ("apertium", "install Debian's apertium-eng-spa"),
    ],
)
def test_an_absent_translation_is_one_line_that_says_what_would_serve(engine, served_by):
    with pytest.raises(AttackError) as caught:
        attack_prompt(DEMO[0].prompt, SentenceAttack(engine=engine), seed=0)
    assert str(caught.value).startswith(
        f"no translation by {engine} of 'Join a first name and a last name with a single"
    )
    assert served_by in str(caught.value)
    assert "\n" not in str(caught.value)


def test_code_without_prose_needs_no_translation():
    attack = SentenceAttack()
    assert attack.edits("def f(x): return x", [], random.Random(0)) == []
    assert attack.sources("Sort", [Span(0, 4)]) == []


def test_a_damaged_file_is_told_by_its_name(tmp_path):
    file = tmp_path / "broken.jsonl"
    about = Provenance(engine="apertium", revision="1", date="2026-01-01", command="", sentences="", licence="")
    file.write_bytes(written(about, [Translation("b", "c"), Translation("a", "b")]))
    assert list(read_translations(file).translations) == ["a", "b"]
    file.write_bytes(file.read_bytes() + b'{"source": "only"}\n')
    with pytest.raises(AttackError, match=r"broken\.jsonl cannot be read"):
        read_translations(file)
    with pytest.raises(AttackError, match=r"absent\.jsonl"):
        read_translations(tmp_path / "absent.jsonl")
