"""Files that somebody else wrote: taken, or refused in one printable line that says what to do."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .hostile_inputs import SUBJECTS, damaged, meets


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_sound_file_is_taken(tmp_path, name):
    subject = SUBJECTS[name]
    (tmp_path / subject.file).write_bytes(subject.write(subject.values()))
    assert meets(subject, tmp_path / subject.file) is None


@pytest.mark.parametrize("name", SUBJECTS)
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_taken_or_refused_in_one_line(tmp_path, name, data):
    path = tmp_path / SUBJECTS[name].file
    path.write_bytes(data.draw(damaged(SUBJECTS[name])))
    if error := meets(SUBJECTS[name], path):
        assert error.way_out
        assert str(error).isprintable()


LONG = "x" * 5000


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", f"{LONG}.toml"],
        ["plan", "~nobody-here/x.toml"],
        ["plan", "/dev/zero"],
        ["plan", "demo", "--set", f"models=[{{id='{LONG}'}}]"],
        ["plan", "demo", "--set", "models=[{id='~nobody-here/x'}]"],
        ["plan", "demo", "--set", f"tasks.datasets=['{LONG}.jsonl']"],
        ["plan", "demo", "--set", 'name="a\\nb"'],
        ["plan", "demo", "--set", f"seed={'9' * 5000}"],
        ["plan", "demo", "--set", f"attacks={'[' * 5000}"],
        ["pull", f"{LONG}.gguf"],
        ["judge", "/dev/zero", "--dataset", "demo"],
        ["judge", LONG, "--dataset", "demo"],
        ["judge", "/dev/null", "--tasks", f"{LONG}.jsonl"],
        ["import", LONG],
        ["import", "~nobody-here/x"],
        ["attack", "--kind", "recorded", "--set", f"path={LONG}", "--task", "Demo/1"],
        ["attack", "--kind", "char", "--dataset", f"{LONG}.jsonl"],
        ["report", "--db", LONG],
        ["report", "-o", f"{LONG}.md", "paper"],
        ["chart", "rrs", "paper", "-o", f"{LONG}.csv"],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_a_name_that_no_file_can_have_is_one_line(command, tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("QRTUI_DB", str(tmp_path / "db"))
    status, out, error = command(*arguments)
    assert (status, out, error.count("\n")) == (1, "", 1)
    assert "unexpected" not in error
    assert error.strip().isprintable()


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/full", LONG])
def test_settings_that_no_file_can_hold_are_one_line(command, monkeypatch, path):
    monkeypatch.setenv("QRTUI_CONFIG", path)
    monkeypatch.delenv("QRTUI_DB", raising=False)
    status, out, error = command("runs")
    assert (status, out, error.count("\n")) == (1, "", 1)
    assert "unexpected" not in error
