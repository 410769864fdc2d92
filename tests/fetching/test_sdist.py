"""Folders out of source packages: the real pip, which must not run them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from qrtui.errors import FetchError
from qrtui.fetching.child import StoppedError
from qrtui.fetching.hub_child import _wanted
from qrtui.fetching.sdist import SourceFolder, download_folder

TOP = "qrtui-words-1.0"
FOLDER = f"{TOP}/words/data"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip gets to see."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def package(shelf: Path, tmp_path: Path) -> Callable[..., SourceFolder]:
    """Puts a source package on the shelf; its `setup.py` leaves a file behind if anybody runs it."""

    def make(*extra: tarfile.TarInfo, **files: str) -> SourceFolder:
        files = files or {"a.txt": "alpha", "deep/b.txt": "beta"}
        setup = f"import pathlib; pathlib.Path({str(tmp_path / 'was-run')!r}).touch()\n"
        content = {
            f"{TOP}/PKG-INFO": "Metadata-Version: 1.0\nName: qrtui-words\nVersion: 1.0\n",
            f"{TOP}/setup.py": setup + "from setuptools import setup; setup(name='qrtui-words', version='1.0')\n",
            f"{TOP}/words/__init__.py": "",
            **{f"{FOLDER}/{name}": text for name, text in files.items()},
        }
        archive = shelf / f"{TOP}.tar.gz"
        with tarfile.open(archive, "w:gz") as packed:
            for name, text in content.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                packed.addfile(member, io.BytesIO(text.encode()))
            for member in extra:
                packed.addfile(member)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        return SourceFolder("qrtui-words==1.0", FOLDER, digest, 9)

    return make


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    folder = tmp_path / "workshop"
    folder.mkdir()
    return folder


def test_a_folder_is_unpacked_and_nothing_of_the_package_is_run(
    package: Callable[..., SourceFolder], workshop: Path, tmp_path: Path
) -> None:
    heard: list[tuple[str, str, int, int | None]] = []
    folder = download_folder(package(), workshop, lambda *step: heard.append(step))
    assert {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*.*")} == {
        "a.txt": "alpha",
        "deep/b.txt": "beta",
    }
    assert heard[-1] == ("verify", "b.txt", 9, 9)
    assert not (tmp_path / "was-run").exists()


def test_an_archive_with_another_sha256_is_not_even_looked_into(
    package: Callable[..., SourceFolder], workshop: Path, tmp_path: Path
) -> None:
    wrong = msgspec.structs.replace(package(), sha256="0" * 64)
    with pytest.raises(FetchError, match=r"qrtui-words==1\.0 has the wrong sha256") as caught:
        download_folder(wrong, workshop, lambda *_: None)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_nothing_but_plain_files_is_unpacked(kind: bytes, package: Callable[..., SourceFolder], workshop: Path) -> None:
    odd = tarfile.TarInfo(f"{FOLDER}/odd")
    odd.type, odd.linkname = kind, f"{TOP}/setup.py"
    with pytest.raises(FetchError, match=r"plain file|special file"):
        download_folder(package(odd), workshop, lambda *_: None)


def test_no_file_lands_outside_the_folder(package: Callable[..., SourceFolder], workshop: Path) -> None:
    with pytest.raises(FetchError):
        download_folder(package(**{"../../../../escaped": "!"}), workshop, lambda *_: None)
    assert not list(workshop.parent.rglob("escaped"))


def test_a_package_without_the_folder_is_told(package: Callable[..., SourceFolder], workshop: Path) -> None:
    other = msgspec.structs.replace(package(), folder=f"{TOP}/elsewhere")
    with pytest.raises(FetchError, match=r"does not hold qrtui-words-1\.0/elsewhere"):
        download_folder(other, workshop, lambda *_: None)


def test_unpacking_can_be_stopped(package: Callable[..., SourceFolder], workshop: Path) -> None:
    stop = threading.Event()

    def listen(stage: str, *_: object) -> None:
        if stage == "verify":
            stop.set()

    with pytest.raises(StoppedError):
        download_folder(package(), workshop, listen, stop)


def test_a_translation_models_own_vocabulary_is_downloaded() -> None:
    files = ["config.json", "source.spm", "target.spm", "vocab.json", "pytorch_model.bin", "tf_model.h5", "README.md"]
    wanted = _wanted(dict.fromkeys(files, 1), allow_pickle=True)
    assert wanted == ["config.json", "source.spm", "target.spm", "vocab.json", "pytorch_model.bin"]
