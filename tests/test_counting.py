"""One of a thing is never several."""

from __future__ import annotations

import doctest
import re

import msgspec
import pytest
from click.testing import CliRunner

from qrtui import counting
from qrtui.cli import cli
from qrtui.results.case import case_markdown
from qrtui.results.case_svg import case_svg
from qrtui.results.exchange.importing import import_run
from qrtui.results.store import Store

from .test_docs import ROOT

SEVERAL_OF_ONE = re.compile(r"(?<![\d.,/])1 (?:completions|conditions|results|tasks|tokens|prompts|cells|words)\b")


def test_numbers_with_their_nouns():
    assert doctest.testmod(counting).attempted
    assert doctest.testmod(counting).failed == 0


@pytest.mark.parametrize(
    "command",
    [
        "plan quick-look --limit 1 --set noise.kinds=[] --set noise.levels=[] --set device=cpu",
        "attack --task Demo/1 --kind char --set max_changes=1",
        "attack --dataset demo --kind char",
        "report paper",
    ],
)
def test_commands(command, tmp_path):
    result = CliRunner().invoke(cli, ["--db", str(tmp_path / "new.db"), *command.split()])
    assert result.exit_code == 0, result.output
    assert not SEVERAL_OF_ONE.search(" ".join(result.stdout.split()))


def test_a_saved_case(tmp_path):
    with Store(tmp_path / "runs.db") as store:
        import_run(store, ROOT / "tests" / "recorded" / "demo" / "1")
        run = store.run("1")
        cases = [msgspec.structs.replace(case, tokens=1) for case in store.cases(1, "Demo/5")]
    for text in (case_markdown(run, "Demo/5", cases), case_svg(run, "Demo/5", cases[:2])):
        assert "1 token" in text
        assert not SEVERAL_OF_ONE.search(text)
