"""The package as a user installs it: built, installed elsewhere, started in an empty folder."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, REPOSITORY]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_carries_data_presets_and_licence_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "qrtui/data/tasks/demo.jsonl",
        "qrtui/data/models.toml",
        "qrtui/data/paper/table1.csv",
        "qrtui/presets/demo.toml",
        "qrtui/tui/app.tcss",
        "qrtui/py.typed",
    ):
        assert wanted in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith("tests/") for name in names)


def test_an_installed_wheel_plans_the_demo_in_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "QRTUI_DB": str(tmp_path / "x.db")}

    def python(*arguments):
        command = [sys.executable, "-P", *arguments]
        return subprocess.run(command, cwd=empty, env=environment, check=True, capture_output=True, text=True).stdout

    where = python("-c", "import qrtui.paths as p; print(p.__file__); print(p.shipped('data', 'tasks', 'demo.jsonl'))")
    assert all(line.startswith(str(site)) for line in where.splitlines())
    assert json.loads(python("-m", "qrtui", "plan", "demo", "--json"))["completions"] == 300
    assert "Demo/7" in python("-m", "qrtui", "attack", "--task", "Demo/7", "--kind", "char", "--json")
    assert list(empty.iterdir()) == []
