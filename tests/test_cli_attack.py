"""`qrtui attack`: a prompt before and after, and how strong attacks are on a data set."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

CONTRACT = {"task", "kind", "seed", "before", "after", "changed"}
MORE = {"label", "level", "paper", "parameters", "edits", "touches_code", "strength"}


@pytest.fixture
def attack(tmp_path):
    def call(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "qrtui", "attack", *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "QRTUI_DB": str(tmp_path / "cli.db"), **environment},
            check=False,
        )

    return call


@pytest.fixture
def recorded(tmp_path):
    path = tmp_path / "typed_s1.jsonl"
    prompt = '"""\nWrite a fucntion to convert a text to capital letters.\nassert capitals("green") == "GREEN"\n"""\n'
    path.write_text(json.dumps({"task_id": "Demo/1", "prompt": prompt}) + "\n")
    return path


def test_json_keeps_its_contract(attack):
    shown = json.loads(attack("--task", "Demo/1", "--kind", "char", "--seed", "3", "--json").stdout)
    assert set(shown) == CONTRACT | MORE
    assert (shown["task"], shown["kind"], shown["seed"], shown["changed"]) == ("Demo/1", "char", 3, True)
    assert shown["before"].lower() == shown["after"].lower()
    assert set(shown["edits"][0]) == {"start", "end", "replacement"}
    assert shown["strength"]["characters"] == len(shown["edits"])
    assert shown["paper"] == "yes"


def test_a_pipe_shows_both_prompts_and_marks_what_changed(attack):
    shown = json.loads(attack("--task", "HumanEval/0", "--kind", "typos", "--json").stdout)
    text = attack("--task", "HumanEval/0", "--kind", "typos").stdout
    assert f"before:\n{shown['before'].rstrip()}\n" in text
    assert "after (typos, seed 0, " in text
    assert f"\n{shown['after'].rstrip()}\n" in text
    assert "\x1b" not in text
    blocks = re.findall(r"^- (.*)\n\+ (.*)\n  (.*)$", text, re.MULTILINE)
    for old, new, carets in blocks:
        assert old != new
        assert "".join(old[at] if mark == "^" else new[at] for at, mark in enumerate(carets.ljust(len(new)))) == old
    assert sum(carets.count("^") for _, _, carets in blocks) == shown["strength"]["characters"]
    assert re.search(r"^\d characters? and \d of 15 words changed, similarity 0\.99\d$", text, re.MULTILINE)


def test_carets_stand_under_what_is_new_where_lengths_differ(attack):
    text = attack("--text", "Count the vowels", "--kind", "whitespace", "--set", "probability=1").stdout
    old, new, carets = re.search(r"^- (.*)\n\+ (.*)\n  (.*)$", text, re.MULTILINE).groups()
    kept = "".join(letter for letter, mark in zip(new, carets.ljust(len(new)), strict=True) if mark == " ")
    assert kept == old == "Count the vowels"


def test_a_terminal_shows_the_changes_in_colour_and_the_prompts_can_be_copied():
    command = [sys.executable, "-m", "qrtui", "attack", "--task", "Demo/1", "--kind", "char"]
    plain = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout
    shown = json.loads(plain)
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        output = in_terminal(command, {**environment, **extra})
        assert ("\x1b[" in output) == coloured
        assert ("changed lines:" in output) != coloured
        clean = re.sub(r"\x1b\[[\d;]*m", "", output)
        assert shown["before"].rstrip() in clean
        assert shown["after"].rstrip() in clean


def in_terminal(command, environment):
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65536):
                parts.append(part)
        except OSError:
            # The terminal is gone when the program is.
            pass
        finally:
            os.close(ours)
        assert process.wait(60) == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_control_characters_of_a_prompt_are_made_visible(attack):
    assert "\x1b" not in attack("--text", "Count the\x1b[31m vowels in it", "--kind", "char").stdout


def test_a_data_set_shows_each_attacks_strength(attack):
    result = attack("--dataset", "demo", "--kind", "char", "--kind", "whitespace")
    rows = [re.split(r"\s{2,}", line) for line in result.stdout.splitlines()]
    assert result.stdout.startswith("demo: 48 prompts, seed 0")
    assert ["attack", "paper", "changed", "characters", "words", "share of words", "similarity"] in rows
    assert [row[:3] for row in rows[-2:]] == [["char", "yes", "48 (100%)"], ["whitespace", "no", "48 (100%)"]]
    found = json.loads(attack("--dataset", "demo", "--kind", "char", "--set", "max_changes=1", "--json").stdout)
    (entry,) = found["attacks"]
    assert (found["dataset"], found["seed"], entry["prompts"], entry["changed"]) == ("demo", 0, 48, 48)
    assert entry["label"] == "char max_changes=1"
    assert entry["characters"] == {"mean": 1.0, "median": 1.0}
    assert entry["touches_code"] == 0


def test_a_recorded_prompt_is_shown_and_changed_code_is_told(attack, recorded):
    result = attack("--task", "Demo/1", "--kind", "recorded", "--set", f"path={recorded}")
    assert "after (recorded typed_s1, seed 0, " in result.stdout
    assert "differs in code too" in result.stdout
    shown = json.loads(attack("--task", "Demo/1", "--kind", "recorded", "--set", f"path={recorded}", "--json").stdout)
    assert shown["touches_code"] is True
    assert shown["after"] == json.loads(recorded.read_text())["prompt"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "char"], ["--task", "--text", "--dataset", "--help"]),
        (["--kind", "char", "--task", "Demo/1", "--text", "a b"], ["one of --task"]),
        (["--text", "a b"], ["--kind"]),
        (["--text", "a b", "--kind", "char", "--kind", "typos"], ["several need --dataset"]),
        (["--dataset", "demo", "--kind", "char", "--kind", "typos", "--set", "probability=1"], ["--set is for one"]),
        (["--dataset", "demmo", "--kind", "char"], ["did you mean demo?"]),
        (["--task", "Demo/999", "--kind", "char"], ["Demo/999"]),
        (["--task", "Demo/1", "--kind", "cahr"], ["did you mean char?"]),
        (["--task", "Demo/1", "--kind", "char", "--set", "probability=7"], ["attack.probability"]),
        (["--task", "Demo/1", "--kind", "recorded"], ["missing required field path"]),
        (["--task", "Demo/1", "--kind", "recorded", "--set", "path=absent.jsonl"], ["no file absent.jsonl"]),
    ],
)
def test_an_error_is_one_line(attack, arguments, words):
    result = attack(*arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert all(word in result.stderr for word in words)


def test_help_lists_the_kinds(attack):
    text = " ".join(attack("--help").stdout.split())
    assert "char, word, sentence, recorded, swaps, typos, whitespace" in text
