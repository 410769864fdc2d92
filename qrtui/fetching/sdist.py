"""Takes a folder of data out of a source package, without running a line of the package's own code.

pip asks every source package for its metadata, even when it is only to download it, and so runs the package's
`setup.py`. Two things keep it from that here. The archive's sha256 goes to pip with the requirement, and pip compares
it before it looks inside: nothing but the very archive that was looked at when the asset was written down gets any
further. And what pip then asks for the metadata is not setuptools but a stand-in, put before it on the path, that
knows the package's name and version and does nothing else. So the package must be one without a `pyproject.toml` that
names another build backend.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import threading
from pathlib import Path, PurePosixPath

import msgspec

from qrtui.errors import FetchError
from qrtui.fetching.child import StoppedError
from qrtui.fetching.registry import ByteListener, pip_download

_CHUNK = 1 << 20

_STAND_IN = """\
import os


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name, version = os.environ["QRTUI_SDIST"].split("==")
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    os.mkdir(os.path.join(metadata_directory, folder))
    with open(os.path.join(metadata_directory, folder, "METADATA"), "w", encoding="utf-8") as file:
        file.write(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return folder


class __legacy__:
    get_requires_for_build_wheel = staticmethod(get_requires_for_build_wheel)
    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
"""


class SourceFolder(msgspec.Struct, frozen=True):
    """A folder that a source package carries.

    `requirement` is what pip is asked for, `name==version`; `sha256` is the archive's; `folder` is the path inside it,
    with the archive's own top folder; `bytes` is what the folder holds when unpacked.
    """

    requirement: str
    folder: str
    sha256: str
    bytes: int


def download_folder(
    asset: SourceFolder, workshop: Path, progress: ByteListener, stop: threading.Event | None = None
) -> Path:
    """Fetch the asset's archive into `workshop` and return its folder, unpacked there.

    Raises FetchError when pip has no such package, its archive is not the one that was promised or does not hold the
    folder; StoppedError when `stop` is set.
    """
    archive = _download_archive(asset, workshop, progress, stop)
    _check(asset, archive)
    unpacked = workshop / "unpacked"
    unpacked.mkdir()
    try:
        _unpack(asset, archive, unpacked, progress, stop)
    except (tarfile.TarError, EOFError) as error:
        raise FetchError(f"{archive.name} cannot be unpacked ({error})", "fetch it again") from error
    archive.unlink()
    return unpacked


def _download_archive(
    asset: SourceFolder, workshop: Path, progress: ByteListener, stop: threading.Event | None
) -> Path:
    backend = workshop / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(_STAND_IN, encoding="utf-8")
    wanted = workshop / "requirements.txt"
    wanted.write_text(f"{asset.requirement} --hash=sha256:{asset.sha256}\n", encoding="utf-8")
    arguments = ["--no-binary=:all:", "--no-build-isolation", "--require-hashes", f"--requirement={wanted}"]
    path = os.pathsep.join(filter(None, [str(backend.parent), os.environ.get("PYTHONPATH")]))
    # As a variable, since older versions of pip need to be told and newer ones may one day not know the option.
    environment = {"PYTHONPATH": path, "PIP_USE_PEP517": "1", "QRTUI_SDIST": asset.requirement}
    try:
        return pip_download(asset.requirement, arguments, "*.tar.gz", workshop, progress, stop, environment)
    except FetchError as problem:
        if "DO NOT MATCH THE HASHES" in problem.problem:
            raise _wrong_archive(asset) from problem
        raise


def _check(asset: SourceFolder, archive: Path) -> None:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != asset.sha256:
        raise _wrong_archive(asset)


def _wrong_archive(asset: SourceFolder) -> FetchError:
    return FetchError(
        f"the archive of {asset.requirement} has the wrong sha256",
        "do not use it; clear pip's cache (pip cache purge) and fetch again",
    )


def _unpack(
    asset: SourceFolder, archive: Path, target: Path, progress: ByteListener, stop: threading.Event | None
) -> None:
    done = 0
    with tarfile.open(archive, "r:gz") as packed:
        for member in packed:
            inside = _path_inside(asset, member)
            if inside is None:
                continue
            file = target / inside
            file.parent.mkdir(parents=True, exist_ok=True)
            content = packed.extractfile(member)
            assert content is not None
            with file.open("wb") as copy:
                while chunk := content.read(_CHUNK):
                    if stop is not None and stop.is_set():
                        raise StoppedError
                    copy.write(chunk)
                    done += len(chunk)
                    progress("verify", file.name, done, asset.bytes)
    if not done:
        raise FetchError(
            f"{asset.requirement} does not hold {asset.folder}", "report it: the asset is written down wrong"
        )


def _path_inside(asset: SourceFolder, member: tarfile.TarInfo) -> PurePosixPath | None:
    """Where a plain file of the folder belongs, relative to it; None for all else that the archive holds."""
    path = PurePosixPath(member.name)
    if not path.is_relative_to(asset.folder) or member.isdir():
        return None
    inside = path.relative_to(asset.folder)
    if not member.isfile() or not inside.parts or ".." in path.parts or path.is_absolute():
        raise FetchError(
            f"{asset.requirement} holds {member.name}, which is not a plain file of its folder", "do not use it"
        )
    return inside
