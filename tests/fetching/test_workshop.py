"""What was made is moved into place whole, or one line says why not."""

import pytest

from qrtui.errors import FetchError
from qrtui.fetching.workshop import move_into_place


def made_in(folder, word="new"):
    made = folder / "made"
    made.mkdir()
    (made / "file").write_text(word)
    return made


def has_file(folder):
    return (folder / "file").exists()


def test_it_stands_where_nothing_or_something_broken_stood(tmp_path):
    assert move_into_place(made_in(tmp_path), tmp_path / "one", has_file).name == "one"
    (tmp_path / "two" / "left").mkdir(parents=True)
    target = move_into_place(made_in(tmp_path), tmp_path / "two", has_file)
    assert [entry.name for entry in target.iterdir()] == ["file"]


def test_what_another_process_put_there_first_stays(tmp_path):
    target = tmp_path / "target"
    made_in(tmp_path, "first").rename(target)
    move_into_place(made_in(tmp_path, "second"), target, has_file)
    assert (target / "file").read_text() == "first"


def test_why_it_cannot_stand_there_is_told(tmp_path):
    with pytest.raises(FetchError, match="cannot be put in place: No such file or directory"):
        move_into_place(made_in(tmp_path), tmp_path / "absent" / "target", has_file)
    with pytest.raises(FetchError, match="cannot be put in place: what was made is not whole"):
        move_into_place(tmp_path / "made", tmp_path / "target", lambda folder: False)
