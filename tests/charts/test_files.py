"""Chart files: the same bytes each time, all that is said in them, and a way out where matplotlib is missing."""

import csv
import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest

from qrtui.charts import files
from qrtui.charts.files import chart_bytes, save_chart
from qrtui.errors import QrtuiError
from qrtui.results.chart_kinds import make_chart
from qrtui.results.figures import heat_map, noise_curves, rrs_bars
from qrtui.results.measured import measured_report
from qrtui.results.published import published_table

from .measured import measured


def said(svg: bytes) -> str:
    """The texts of an SVG whose letters are outlines: matplotlib writes each as a comment beside them."""
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    root = ElementTree.fromstring(svg, parser)
    return "\n".join(one.text.strip() for one in root.iter() if one.tag is ElementTree.Comment)


@pytest.mark.parametrize("ending", [".svg", ".pdf", ".png", ".csv"])
def test_the_same_chart_is_the_same_file(ending):
    chart = noise_curves(measured())
    first = chart_bytes(chart, Path("a" + ending))
    assert chart_bytes(chart, Path("b" + ending)) == first
    assert first.startswith({".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG", ".csv": b"run,"}[ending])


def test_svg_is_as_wide_as_asked_and_says_what_the_chart_says():
    svg = chart_bytes(rrs_bars(measured()), Path("a.svg"), 88)
    width = ElementTree.fromstring(svg).attrib["width"]
    assert float(width.removesuffix("pt")) == pytest.approx(88 / 25.4 * 72, abs=0.01)
    for text in ("RRS: smollm2-135m, demo", "int8", "1.33 ↓", "↓ no ratio", "n = 20 tasks."):
        assert text in said(svg)


def test_a_heat_map_names_its_columns_and_says_each_value():
    words = said(chart_bytes(heat_map(measured(), "drop"), Path("a.svg")))
    for text in ("drop of pass@1: demo", "smollm2-135m", "nf4", "gaussian", "1e-2", ".50", ".20"):
        assert text in words


def test_a_group_too_long_for_its_column_is_part_of_the_columns_name():
    alone = [one for one in measured() if one.perturbation != "gaussian 0.01 published"]
    after = [msgspec.structs.replace(one, perturbation="gaussian 0.001 after") for one in alone if one.noise]
    words = said(chart_bytes(heat_map([*alone, *after]), Path("a.svg"))).splitlines()
    assert "gaussian published 1e-3" in words
    assert "gaussian after 1e-3" in words


def test_table_one_can_be_printed():
    table = make_chart("table1", measured_report(published_table()), {"paper": "paper"})
    words = said(chart_bytes(table, Path("a.svg"), 180))
    assert words.count("1.092 ↓") == 1
    assert words.count("—") >= 18
    assert "StarCoder 15B" in words
    assert "HumanEval+" in words
    assert "Of 126 cells ↓ 65, 51.59 %; ↑ 54, 42.86 %; = 7, 5.56 % (sign test p = 0.359)." in words


def test_csv_has_a_row_for_each_value():
    rows = list(csv.DictReader(io.StringIO(chart_bytes(noise_curves(measured()), Path("a.csv")).decode())))
    assert len(rows) == 9
    assert rows[4] | {"low": "", "high": ""} == {
        "run": "1",
        "model": "smollm2-135m",
        "precision": "int8",
        "dataset": "demo",
        "perturbation": "gaussian 0.001 published",
        "weights_perturbed": "0.21",
        "n": "20",
        "kind": "gaussian",
        "protocol": "published",
        "level": "0.001",
        "pass_at_1": "0.55",
        "low": "",
        "high": "",
    }


def test_without_matplotlib_there_is_one_line_and_csv(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    monkeypatch.setattr(files.sys, "executable", str(tmp_path / "env" / "bin" / "python"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QrtuiError, match=r"get it with: env/bin/python -m pip install matplotlib;"):
        save_chart(rrs_bars(measured()), tmp_path / "a.svg")
    assert save_chart(rrs_bars(measured()), tmp_path / "a.csv").exists()


def test_unknown_endings_and_places_are_refused(tmp_path):
    with pytest.raises(QrtuiError, match=r"\.svg, \.pdf, \.png or \.csv"):
        save_chart(rrs_bars(measured()), tmp_path / "a.gif")
    with pytest.raises(QrtuiError, match="cannot be written"):
        save_chart(rrs_bars(measured()), tmp_path / "nowhere" / "a.csv")
