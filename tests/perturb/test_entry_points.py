"""Attacks that installed packages bring: found by name, imported when asked for, and no harm if broken."""

import json
import os
import subprocess
import sys

import pytest

from qrtui.errors import AttackError
from qrtui.perturb.attack import Attack, Edit, attack_prompt

SOUND = '''
import random
from typing import ClassVar

from qrtui.perturb.attack import Attack, Edit


class ReverseAttack(Attack, frozen=True, kw_only=True, tag="reverse"):
    """Reverses one run of words."""

    level: ClassVar[str] = "sentence"

    words: int = 1

    def edits(self, text, spans, rng):
        start, end = rng.choice(spans)
        return [Edit(start, end, text[start:end][::-1])]


class Clash(Attack, frozen=True, kw_only=True, tag="char"):
    """Wants a name that is taken."""
'''


@pytest.fixture
def site(tmp_path):
    """Installs small packages in a folder and runs qrtui or a program with it."""
    folder = tmp_path / "site"
    folder.mkdir()

    def install(package, entry_points, code):
        (folder / f"{package}.py").write_text(code)
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in entry_points.items())
        (info / "entry_points.txt").write_text(f"[qrtui.attacks]\n{lines}\n")

    def run(*arguments):
        command = [sys.executable, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(folder), "QRTUI_DB": str(tmp_path / "x.db")}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return install, run


def kinds(run, expression="list(ATTACKS)"):
    result = run("-c", f"import json; from qrtui.perturb.attacks import ATTACKS; print(json.dumps({expression}))")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_an_installed_attack_is_a_kind_like_ours(site):
    install, run = site
    install("reversing", {"reverse": "reversing:ReverseAttack"}, SOUND)
    assert kinds(run)[-1] == "reverse"
    attacked = run("-m", "qrtui", "attack", "--text", "Count words", "--kind", "reverse", "--set", "words=2", "--json")
    shown = json.loads(attacked.stdout)
    assert (shown["after"], shown["label"], shown["paper"]) == ("sdrow tnuoC", "reverse words=2", "no")
    assert "reverse" in run("-m", "qrtui", "attack", "--help").stdout
    assert "did you mean reverse?" in run("-m", "qrtui", "attack", "--text", "a", "--kind", "revrse").stderr


def test_it_is_not_imported_before_it_is_asked_for(site):
    install, run = site
    install("reversing", {"reverse": "reversing:ReverseAttack"}, SOUND)
    program = (
        "import sys\nfrom qrtui.perturb.attacks import ATTACKS\nATTACKS['char']\n"
        "assert 'reversing' not in sys.modules\nassert 'reverse' in ATTACKS\nassert 'reversing' not in sys.modules\n"
        "ATTACKS['reverse']\nassert 'reversing' in sys.modules"
    )
    result = run("-c", program)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("code", "value", "words"),
    [
        ("import no_such_module", "broken:Broken", "cannot be loaded (ModuleNotFoundError"),
        ("raise SystemExit(3)", "broken:Broken", "cannot be loaded (SystemExit"),
        ("1 / 0", "broken:Broken", "ZeroDivisionError"),
        ("", "broken:Broken", "AttributeError"),
        ("Broken = 3", "broken:Broken", "no subclass"),
        (SOUND, "broken:ReverseAttack", "calls itself 'reverse'"),
        ("", "not a value", "cannot be loaded"),
    ],
)
def test_a_broken_one_is_told_where_it_is_used_and_harms_no_other(site, code, value, words):
    install, run = site
    install("broken", {"broken": value}, code)
    install("reversing", {"reverse": "reversing:ReverseAttack"}, SOUND)
    listed = kinds(run)
    assert "reverse" in listed
    assert "char" in listed
    assert "broken" not in listed
    result = run("-m", "qrtui", "attack", "--text", "Count words", "--kind", "broken")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert words in result.stderr
    assert "broken" in result.stderr
    (problem,) = kinds(run, "ATTACKS.problems()")
    assert words in problem
    assert run("-m", "qrtui", "attack", "--text", "Count words", "--kind", "char").returncode == 0


def test_our_names_are_not_to_be_had_and_two_offers_are_refused(site):
    install, run = site
    install("taking", {"char": "taking:Clash", "reverse": "taking:ReverseAttack"}, SOUND)
    assert kinds(run, "ATTACKS['char'].__module__") == "qrtui.perturb.attacks.character"
    assert "is not used" in kinds(run, "ATTACKS.problems()")[0]
    install("reversing", {"reverse": "reversing:ReverseAttack"}, SOUND)
    result = run("-m", "qrtui", "attack", "--text", "Count words", "--kind", "reverse")
    assert "offered by reversing and taking" in result.stderr
    assert result.returncode == 1


class Strange(Attack, frozen=True, kw_only=True, tag="strange"):
    """From no module of ours, and makes the edits it is told to."""

    wanted: list = []

    def edits(self, text, spans, rng):
        return [Edit(*edit) for edit in self.wanted]


PROMPT = 'def f(x):\n    """Count the words."""\n'
PROSE = PROMPT.index("Count")


@pytest.mark.parametrize(
    "wanted",
    [
        [(0, 3, "DEF")],
        [(PROSE - 1, PROSE + 5, '"Tally')],
        [(PROSE + 5, PROSE, "Tally")],
        [(PROSE + 6, PROSE + 9, "all"), (PROSE, PROSE + 5, "Tally")],
        [(PROSE, PROSE + 5, "Tally"), (PROSE + 4, PROSE + 9, "t all")],
        [(PROSE, PROSE + 5, 7)],
    ],
)
def test_edits_of_an_installed_attack_outside_the_prose_or_out_of_order_are_refused(wanted):
    with pytest.raises(AttackError, match="edits out of order or outside the natural language of T/1"):
        attack_prompt(PROMPT, Strange(wanted=wanted), seed=0, task_id="T/1")


def test_edits_of_an_installed_attack_within_the_prose_are_made_but_for_those_without_effect():
    wanted = [(PROSE, PROSE + 5, "Tally"), (PROSE + 6, PROSE + 9, "the")]
    attacked = attack_prompt(PROMPT, Strange(wanted=wanted), seed=0)
    assert attacked.after == PROMPT.replace("Count", "Tally")
    assert len(attacked.edits) == 1


def test_what_an_installed_attack_raises_is_told_with_the_task():
    with pytest.raises(AttackError, match=r"failed on T/1: TypeError.*; report it to its authors"):
        attack_prompt(PROMPT, Strange(wanted=[(1, 2)]), seed=0, task_id="T/1")
