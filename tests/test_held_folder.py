"""Folders of programs that were killed go at the next start; those of living ones, and what is not ours, never."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qrtui import held_folder
from qrtui.fetching.workshop import workshop_for
from qrtui.held_folder import make_held, sweep

WORK = """
import sys, time
from pathlib import Path
from qrtui.fetching.workshop import workshop_for
with workshop_for(Path(sys.argv[1])) as folder:
    (folder / "half.bin").write_bytes(bytes(99))
    print(folder, flush=True)
    time.sleep(600)
"""


@contextmanager
def at_work(target: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A program in the midst of making something, and the folder it makes it in."""
    command = [sys.executable, "-c", WORK, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_a_killed_fetchs_folder_goes_at_the_next_one_and_a_living_ones_stays(tmp_path: Path) -> None:
    models = tmp_path / "models"
    with at_work(models / "one") as (living, kept), at_work(models / "two") as (killed, left):
        for folder in (kept, left):
            assert folder.stat().st_mode & 0o777 == 0o700
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (left / "half.bin").exists()
        with workshop_for(models / "three") as fresh:
            assert not left.exists()
            assert sorted(models.iterdir()) == sorted([kept, fresh])
        assert living.poll() is None
        assert (kept / "half.bin").exists()
    assert list(models.iterdir()) == [kept]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = tmp_path / "place"
    place.mkdir()
    (place / "x-link").symlink_to(elsewhere)
    (place / "x-file").write_text("x")
    (place / "y-other").mkdir()
    (place / "x-left").mkdir()
    if os.geteuid() == 0:
        (place / "x-anothers").mkdir()
        os.chown(place / "x-anothers", 12345, 12345)
    held, lock = make_held(place, "x-")
    sweep(place, "x-", shutil.rmtree)
    kept = {entry.name for entry in place.iterdir()}
    assert kept - {"x-anothers"} == {"x-link", "x-file", "y-other", held.name}
    assert ("x-anothers" in kept) == (os.geteuid() == 0)
    os.close(lock)
    sweep(place, "x-", shutil.rmtree)
    assert not held.exists()
    sweep(tmp_path / "nowhere", "x-", shutil.rmtree)


def test_a_link_where_a_name_would_go_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "x-taken").symlink_to(target)
    (tmp_path / "x-dangling").symlink_to(tmp_path / "nowhere")
    names = iter(["taken", "dangling", "free"])
    monkeypatch.setattr(held_folder.secrets, "token_hex", lambda size: next(names))
    folder, lock = make_held(tmp_path, "x-")
    os.close(lock)
    assert folder == tmp_path / "x-free"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(target.iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_swept_as_it_is_made_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its making and its locking another program may have found it without a holder."""
    lock, swept = held_folder._lock, []

    def late(folder: int) -> bool | None:
        if not swept:
            (path,) = tmp_path.iterdir()
            path.rmdir()
            swept.append(path)
        return lock(folder)

    monkeypatch.setattr(held_folder, "_lock", late)
    folder, held = make_held(tmp_path, "x-")
    os.close(held)
    assert list(tmp_path.iterdir()) == [folder]
    assert [folder] != swept
