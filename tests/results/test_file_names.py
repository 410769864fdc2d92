"""Files that are named after tasks, models and data sets, which come from files of others."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrtui.results.case import case_file_stem
from qrtui.results.evalplus_samples import _file_name
from qrtui.results.records import ConditionRecord

HOSTILE = [
    "../../x",
    "/etc/x",
    "a\0b",
    "..",
    "",
    "x" * 5000,
    "CON:<>|",
    "a\nb",
    "\x1b]52;c;x\x07",
    "~root",
    "-rf",
    "ü/ö",
]
CONDITION = ConditionRecord(
    id=1,
    model="m",
    precision="fp32",
    is_baseline=True,
    dataset="demo",
    perturbation="clean",
    dose=None,
    memory=None,
)


def stays(folder, name):
    file = folder / name
    assert file.parent.resolve() == folder.resolve() == file.resolve().parent
    assert name.isprintable()
    file.write_text("x")
    assert file in folder.iterdir()
    file.unlink()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_leads_out_of_its_folder(folder, text):
    stays(folder, f"{case_file_stem(1, text)}.md")
    for part in ("model", "dataset", "perturbation"):
        stays(folder, _file_name(1, msgspec.structs.replace(CONDITION, **{part: text})))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.text(max_size=300))
def test_nor_does_any_other(folder, text):
    stays(folder, f"{case_file_stem(1, text)}.svg")
    stays(folder, _file_name(1, msgspec.structs.replace(CONDITION, model=text, dataset=text, perturbation=text)))
