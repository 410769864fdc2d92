"""People read one name for a perturbation, everywhere; programs go on reading its label."""

from __future__ import annotations

import io
import json

import pytest
from click.testing import CliRunner

from qrtui.cli import cli
from qrtui.events import ConditionStarted, Judged
from qrtui.judge.verdict import Verdict
from qrtui.plain import Narrator
from qrtui.results.exchange.importing import import_run
from qrtui.results.store import Store

from .test_docs import ROOT

NAME, LABEL = "sentence apertium", "sentence engine=apertium"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("names") / "qrtui.db"
    with Store(path) as store:
        import_run(store, ROOT / "tests" / "recorded" / "demo" / "1")
    return path


@pytest.fixture
def printed(database):
    def call(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["--db", str(database), *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


@pytest.mark.parametrize(
    "command",
    [
        "report 1",
        "report 1 --format md",
        "report 1 --format latex",
        "report 1 --layout table1",
        "report 1 --layout table1 --format md",
        "report 1 --cases 3",
        "compare 1 Demo/5",
        "compare 1 Demo/5 --format md",
        "chart rrs 1",
        "chart heatmap 1",
        "attack --task Demo/16 --kind sentence --set engine=apertium",
    ],
)
def test_people_read_the_name(printed, command):
    text = " ".join(printed(*command.split()).split())
    assert LABEL not in text
    assert NAME.split()[1] in text


@pytest.mark.parametrize(
    "command",
    [
        "report 1 --format csv",
        "report 1 --format json",
        "report 1 --layout table1 --format csv",
        "compare 1 Demo/5 --format json",
    ],
)
def test_programs_read_the_label(printed, command):
    assert LABEL in printed(*command.split())


def test_a_run_without_the_app_tells_the_name():
    out = io.StringIO()
    narrator = Narrator(out)
    narrator(ConditionStarted(1, "m", "int8", LABEL, "demo", 1, None))
    narrator(Judged(1, "Demo/0", 0, Verdict(base="passed"), 1, 1))
    assert f"latest Demo/0 m int8 {NAME}: passed" in out.getvalue()


def test_attacks_json_keeps_the_label(printed):
    shown = printed("attack", "--task", "Demo/16", "--kind", "sentence", "--set", "engine=apertium", "--json")
    assert json.loads(shown)["label"] == LABEL
