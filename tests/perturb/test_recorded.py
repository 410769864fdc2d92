"""Recorded prompts: read as they are, told where they are wrong, never a traceback."""

import json
import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qrtui.errors import AttackError, PresetError, QrtuiError
from qrtui.perturb.attack import apply_edits, attack_prompt
from qrtui.perturb.attacks.recorded import RecordedAttack, read_recorded
from qrtui.presets import attack_of
from qrtui.spec import read_attack

BEFORE = 'def add_up(a, b):\n    """Return the sum of two numbers.\n    >>> add_up(1, 2)\n    3\n    """\n'
AFTER = BEFORE.replace("Return the sum", "Rteurn the smu")

# The keys of ReCode's published files: nlaugmenter, format, natgen (partial, or null where nothing was split), mbpp.
SHARED = {
    "entry_point": "add_up",
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    pass\n",
}
RECODE = [
    {"task_id": "HumanEval/1", "prompt": AFTER, **SHARED, "seed": 0, "perturbed": True},
    {"task_id": "HumanEval/2", "prompt": BEFORE, **SHARED, "seed": 0, "perturbed": False},
    {
        "task_id": "HumanEval/3",
        "prompt": BEFORE + "    total = a\n   \n",
        **SHARED,
        "partial": BEFORE + "    total = a\n",
    },
    {"task_id": "HumanEval/4", "prompt": BEFORE.replace("    ", "\t"), **SHARED, "partial": None},
    {"task_id": "MBPP/11", "prompt": AFTER, **SHARED, "completion": "    return a + b", "seed": 0, "perturbed": True},
    {"task_id": "HumanEval/5", "prompt": BEFORE.replace("add_up", "addUp"), **SHARED | {"entry_point": "addUp"}},
]


@pytest.fixture
def write(tmp_path):
    def written(content, name="humaneval_Typos_s0.jsonl"):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text("\n".join(json.dumps(line) for line in content) + "\n", encoding="utf-8")
        return str(path)

    return written


def attacked(path, task_id, before=BEFORE, **parameters):
    return attack_prompt(before, RecordedAttack(path=path, **parameters), seed=0, task_id=task_id)


def test_recodes_files_are_read_as_they_are_published(write):
    path = write(RECODE)
    result = attacked(path, "HumanEval/1")
    assert result.after == AFTER
    assert [(BEFORE[edit.start : edit.end], edit.replacement) for edit in result.edits] == [
        ("Return", "Rteurn"),
        ("sum", "smu"),
    ]
    assert not result.touches_code
    assert not attacked(path, "HumanEval/2").changed
    assert attacked(path, "HumanEval/3").touches_code
    assert attacked(path, "HumanEval/4").touches_code
    assert attacked(path, "Mbpp/11").after == AFTER


def test_a_prompt_that_renames_the_function_is_refused(write):
    path = write(RECODE)
    with pytest.raises(AttackError, match="another name"):
        attacked(path, "HumanEval/5")
    question = '"""\nAdd two numbers.\nassert add_up(1, 2) == 3\n"""\n'
    assert attacked(path, "HumanEval/1", question).touches_code
    with pytest.raises(AttackError, match="another name"):
        attacked(path, "HumanEval/5", question)


def test_the_label_is_the_files_name_or_the_given_one(write):
    assert RecordedAttack(path="some/where/typos_s3.jsonl").label == "recorded typos_s3"
    assert RecordedAttack(path="a.jsonl", name="typing errors, seed 3").label == "recorded typing errors, seed 3"
    assert RecordedAttack(path="a\x1b\n.jsonl").label == "recorded a??"
    assert RecordedAttack.required() == ("path",)
    assert not RecordedAttack.published()


def test_a_file_is_read_once_and_again_when_it_changes(write):
    path = write(RECODE)
    first = read_recorded(path)
    assert read_recorded(path) is first
    assert read_recorded(os.path.relpath(path))["humaneval/1"].prompt == AFTER
    write(RECODE[1:])
    assert "humaneval/1" not in read_recorded(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["no recorded prompt"]),
        (b"\n \n", ["no recorded prompt"]),
        (b"\xff\xfe", ["UTF-8"]),
        (b'{"task_id": "A/1", "prompt": "x"}\n{"task_id"', ["line 2", "not JSON"]),
        (b"[" * 100_000, ["line 1", "not JSON"]),
        (b"9" * 5000, ["line 1"]),
        (b"[]", ["line 1", "not a JSON object"]),
        (b'{"prompt": "x"}', ["line 1", "task_id"]),
        (b'{"task_id": 7, "prompt": "x"}', ["line 1", "task_id"]),
        (b'\n\n{"task_id": "A/1", "prompt": ""}', ["line 3", "prompt"]),
        (b'{"task_id": "A/1", "prompt": "\\ud800"}', ["line 1", "surrogate"]),
        (b'{"task_id": "A/1", "prompt": "x"}\n{"task_id": "a/1", "prompt": "y"}', ["line 2", "twice"]),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(write, content, words):
    path = write(content)
    with pytest.raises(AttackError) as caught:
        attacked(path, "A/1")
    assert all(word in str(caught.value) for word in [path, *words])
    assert "\n" not in str(caught.value)


def test_odd_but_sound_files_are_read(write):
    line = json.dumps({"task_id": "A/1", "prompt": "one\u2028two\x85three\r\n", "extra": [None]}, ensure_ascii=False)
    path = write(b"\xef\xbb\xbf" + f"{line}\r\n\r\n{line}\r\n".encode())
    assert attacked(path, "a/1", "before").after == "one\u2028two\x85three\r\n"


def test_a_path_that_is_no_file_is_told(tmp_path, write, monkeypatch):
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path in (
        "absent.jsonl",
        str(tmp_path / "folder.jsonl"),
        str(tmp_path / "pipe"),
        "/dev/zero",
        "a\0b",
        "~nobody-x/a",
    ):
        with pytest.raises(AttackError) as caught:
            attacked(path, "A/1")
        assert "\n" not in str(caught.value)
        assert "\0" not in str(caught.value)
    with pytest.raises(AttackError, match=re.escape("has no prompt for A/1")):
        attacked(write(RECODE), "A/1")
    with pytest.raises(AttackError, match="name a task"):
        attacked(write(RECODE), "")
    monkeypatch.chdir(tmp_path)
    assert attacked("humaneval_Typos_s0.jsonl", "HumanEval/1").after == AFTER


def test_a_preset_must_name_the_file():
    with pytest.raises(PresetError, match=r"mine.toml: attacks\[0\]: missing required field path"):
        read_attack({"kind": "recorded"}, "attacks[0]", "mine.toml")
    with pytest.raises(PresetError, match="path"):
        attack_of("recorded", ("path=''",))
    with pytest.raises(PresetError, match="name"):
        attack_of("recorded", ("path=a.jsonl", r'name="a\nb"'))
    chosen = attack_of("recorded", ("path=a.jsonl", "name=mine"))
    assert chosen.parameters() == {"path": "a.jsonl", "name": "mine"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {}, optional={key: json_values | st.just("A/1") for key in ("task_id", "prompt", "entry_point", "partial")}
)
files = st.binary(max_size=80) | st.lists(
    entries.map(lambda entry: json.dumps(entry).encode()) | st.binary(max_size=30), max_size=4
).map(b"\n".join)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files, st.text(max_size=60))
def test_no_file_and_no_prompt_brings_a_traceback(write, content, before):
    path = write(content)
    read_recorded.__globals__["_read"].cache_clear()
    try:
        result = attacked(path, "A/1", before)
    except QrtuiError:
        return
    assert apply_edits(before, result.edits) == result.after
    result.after.encode()
