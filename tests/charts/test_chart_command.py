"""`qrtui chart` as a person calls it."""

import pytest
from click.testing import CliRunner

from qrtui.cli import cli
from qrtui.errors import QrtuiError

from ..tui.filled import fill


@pytest.fixture
def chart(tmp_path):
    fill(tmp_path / "charts.db")

    def call(*arguments):
        result = CliRunner().invoke(cli, ["--db", str(tmp_path / "charts.db"), "chart", *map(str, arguments)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_rrs_of_the_latest_run_as_text_without_colours(chart):
    text = chart("rrs", "--width", 100)
    assert text.startswith("RRS: smollm2-135m, demo\n")
    assert "\x1b" not in text
    assert "1.33 ↓" in text
    words = " ".join(text.split())
    assert "Unequal dose: published noise reaches 100% of the weights in fp32, 21% in int8 and nf4." in words


def test_the_paper_beside_a_run(chart):
    text = chart("rrs", "latest", "paper", "--kind", "char", "--precision", "quantized", "--dataset", "MBPP")
    assert "LLaMA 1B" in text
    assert "smollm2" not in text
    assert "SmolLM2" in chart("table1", 1, "paper")


def test_files_are_written_and_told(chart, tmp_path):
    assert f"wrote {tmp_path / 'heat.svg'}" in chart("heatmap", "--metric", "drop", "-o", tmp_path / "heat.svg")
    assert (tmp_path / "heat.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rrs", "--kind", "gausian"], "no perturbation 'gausian'; did you mean gaussian?"),
        (["rrs", "--model", "x"], "no model 'x'; there are smollm2-135m"),
        (["rrs", "9"], "there is no run '9'"),
        (["noise"], "two noise levels"),
        (["heatmap", "paper"], "of the paper only the RRS values of Table I were published"),
        (["rrs", "-o", "x.gif"], "end the name in"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_to_do(chart, arguments, says):
    with pytest.raises(QrtuiError) as caught:
        chart(*arguments)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
