"""Files that are replaced whole."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from qrtui.whole_file import write_whole

KILLED = """
import os, signal, sys
from pathlib import Path
from qrtui import whole_file
whole_file.os.fdopen = lambda *given, **named: os.kill(os.getpid(), signal.SIGKILL)
whole_file.write_whole(Path(sys.argv[1]), "after")
"""


def test_a_file_is_replaced_and_keeps_its_mode_and_a_link_stays_one(tmp_path):
    file, link = tmp_path / "there.toml", tmp_path / "link.toml"
    write_whole(file, "first")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("first", 0o600)
    file.chmod(0o640)
    link.symlink_to(file)
    write_whole(link, "zwölf\r\n")
    assert link.is_symlink()
    assert (file.read_bytes().decode(), file.stat().st_mode & 0o777) == ("zwölf\r\n", 0o640)
    assert {path.name for path in tmp_path.iterdir()} == {"there.toml", "link.toml"}


def test_what_a_killed_writer_leaves_is_removed_once_it_is_old(tmp_path):
    file = tmp_path / "there.toml"
    write_whole(file, "before")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert file.read_text() == "before"
    (left,) = tmp_path.glob(".there.toml-*.fresh")
    write_whole(file, "beside it")
    assert left.exists(), "another program may be writing it"
    os.utime(left, (time.time() - 7200,) * 2)
    write_whole(file, "after")
    assert [path.name for path in tmp_path.iterdir()] == ["there.toml"]


@pytest.fixture
def little_room():
    """No file may grow beyond 1,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_writing_changes_nothing_and_leaves_nothing(tmp_path, little_room):
    file = tmp_path / "there.toml"
    write_whole(file, "before")
    with pytest.raises(OSError, match="File too large"):
        write_whole(file, "after" * 1000)
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["there.toml"]
