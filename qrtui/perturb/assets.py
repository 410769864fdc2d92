"""The language data that attacks work with: what there is, whether it is here, and how it gets here."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec

from qrtui import paths
from qrtui.errors import FetchError, nearest
from qrtui.fetching.child import StoppedError
from qrtui.fetching.hub import download_snapshot, hub_cache
from qrtui.fetching.progress import FetchProgress, ProgressListener, Stage
from qrtui.fetching.sdist import SourceFolder, download_folder
from qrtui.fetching.workshop import move_into_place, workshop_for

_PROVENANCE = "qrtui-source.json"


class NltkFolder(msgspec.Struct, frozen=True, tag_field="kind", tag="nltk"):
    """A folder of nltk's data, used where it is on this machine; `files` maps each needed file to its size."""

    folder: str
    files: dict[str, int]


class RegistryFolder(msgspec.Struct, frozen=True, tag_field="kind", tag="registry"):
    """A folder inside a source package on a package registry."""

    package: SourceFolder


class HubRepository(msgspec.Struct, frozen=True, tag_field="kind", tag="hub"):
    """A model on the hub; `tokenizer` names the files that it cannot do without beside configuration and weights."""

    repository: str
    tokenizer: list[str]


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of language data; `bytes` is about what fetching it transfers. Its `sources` are tried in order."""

    name: str
    title: str
    licence: str
    bytes: int
    sources: list[NltkFolder | RegistryFolder | HubRepository]


class _AssetFile(msgspec.Struct, forbid_unknown_fields=True):
    asset: list[Asset]


def assets() -> list[Asset]:
    """Every asset that `data/assets.toml` describes, in the file's order."""
    return list(_entries())


def find_asset(name: str) -> Asset | None:
    """The asset with this name, or None."""
    return next((asset for asset in _entries() if asset.name == name.strip().lower()), None)


def asset_path(name: str) -> Path | None:
    """The folder that holds the asset on this machine, or None; asks no network and reads no large file."""
    asset = find_asset(name)
    if asset is None:
        return None
    if _is_whole(_cached(asset), asset):
        return _cached(asset)
    return next((here for source in asset.sources if (here := _present(source))), None)


def fetch_asset(name: str, progress: ProgressListener, stop: threading.Event | None = None) -> Path:
    """The folder that holds the asset, fetched from the first of its sources that has it where it is not here yet.

    It is made in a folder beside the final one and moved into place, so nothing half-made is ever seen and two
    processes may fetch at once. `progress` is called on the calling thread. Raises FetchError with the way out, and
    StoppedError, one of its kinds, when `stop` is set.
    """
    asset = find_asset(name)
    if asset is None:
        known = [known.name for known in _entries()]
        raise FetchError(f"there is no asset {name!r}", nearest(name, known) or f"choose from {', '.join(known)}")
    here = asset_path(name)
    if here is not None:
        return here
    problems: list[FetchError] = []
    for source in asset.sources:
        try:
            fetched = _fetch(asset, source, progress, stop)
        except StoppedError:
            raise
        except FetchError as problem:
            problems.append(problem)
        else:
            if fetched is not None:
                return fetched
    reasons = ", and ".join(problem.problem for problem in problems) or "no source has it"
    raise FetchError(f"{asset.title}: {reasons}", problems[0].way_out if problems else "see data/assets.toml")


@functools.cache
def _entries() -> tuple[Asset, ...]:
    with paths.shipped("data", "assets.toml").open("rb") as stream:
        return tuple(msgspec.convert(tomllib.load(stream), _AssetFile).asset)


def _cached(asset: Asset) -> Path:
    return paths.cache("assets", asset.name)


def _present(source: NltkFolder | RegistryFolder | HubRepository) -> Path | None:
    """Where the source has what is wanted on this machine without anything being fetched."""
    match source:
        case NltkFolder():
            folders = (data / source.folder for data in _nltk_data())
            return next((folder for folder in folders if _has_files(folder, source.files)), None)
        case HubRepository():
            return next((folder for folder in _snapshots(source.repository) if _is_model(folder, source)), None)
        case RegistryFolder():
            return None


def _fetch(
    asset: Asset,
    source: NltkFolder | RegistryFolder | HubRepository,
    progress: ProgressListener,
    stop: threading.Event | None,
) -> Path | None:
    match source:
        case NltkFolder():
            return _from_nltk_archive(asset, source, progress)
        case HubRepository():
            return _from_hub(source, progress, stop)
        case RegistryFolder():
            return _from_registry(asset, source, progress, stop)


def _from_registry(
    asset: Asset, source: RegistryFolder, progress: ProgressListener, stop: threading.Event | None
) -> Path:
    def listen(stage: str, file: str, done: int, total: int | None) -> None:
        progress(FetchProgress(cast(Stage, stage), file, done, total))

    with workshop_for(_cached(asset)) as workshop:
        made = download_folder(source.package, workshop, listen, stop)
        return _keep(asset, made, source.package.requirement, f"sha256:{source.package.sha256}")


def _from_nltk_archive(asset: Asset, source: NltkFolder, progress: ProgressListener) -> Path | None:
    """nltk's downloader leaves some of its folders packed."""
    for data in _nltk_data():
        archive = data / f"{source.folder}.zip"
        if not archive.is_file():
            continue
        with workshop_for(_cached(asset)) as workshop:
            made = workshop / "unpacked"
            made.mkdir()
            if _unpack(archive, Path(source.folder).name, source.files, made, progress):
                return _keep(asset, made, f"nltk {source.folder}", "")
    return None


def _unpack(archive: Path, top: str, files: dict[str, int], target: Path, progress: ProgressListener) -> bool:
    """Whether the archive holds exactly these files; if so they are in `target` now."""
    done, total = 0, sum(files.values())
    try:
        with zipfile.ZipFile(archive) as packed:
            for name, size in files.items():
                if packed.getinfo(f"{top}/{name}").file_size != size:
                    return False
                (target / name).write_bytes(packed.read(f"{top}/{name}"))
                done += size
                progress(FetchProgress("verify", name, done, total))
    except (KeyError, zipfile.BadZipFile):
        return False
    return True


def _keep(asset: Asset, made: Path, origin: str, revision: str) -> Path:
    provenance = {"source": origin, "revision": revision, "asset": _fingerprint(asset)}
    (made / _PROVENANCE).write_text(json.dumps(provenance), encoding="utf-8")
    return move_into_place(made, _cached(asset), lambda folder: _is_whole(folder, asset))


def _is_whole(folder: Path, asset: Asset) -> bool:
    """Whether a fetch of this very asset, not of one by its name in an older version, was finished here."""
    try:
        provenance = json.loads((folder / _PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(provenance, dict) and provenance.get("asset") == _fingerprint(asset)


def _fingerprint(asset: Asset) -> str:
    return "; ".join(source.package.sha256 for source in asset.sources if isinstance(source, RegistryFolder))


def _from_hub(source: HubRepository, progress: ProgressListener, stop: threading.Event | None) -> Path:
    def on_bytes(done: int, total: int | None, file: str) -> None:
        progress(FetchProgress("download", file or source.repository, done, total))

    # transformers reads pickled weights with torch's weights_only, which runs no code.
    folder = download_snapshot(source.repository, on_bytes, stop, allow_pickle=True)
    if not _is_model(folder, source):
        raise FetchError(f"{source.repository} lacks files that it should have", "fetch it again")
    return folder


def _snapshots(repository: str) -> Iterator[Path]:
    """The snapshots in the hub's cache, the main branch's first."""
    folder = hub_cache() / f"models--{repository.replace('/', '--')}"
    with contextlib.suppress(OSError):  # a cache that was copied by hand may lack the note
        yield folder / "snapshots" / (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    if (folder / "snapshots").is_dir():
        yield from sorted((folder / "snapshots").iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)


def _is_model(folder: Path, source: HubRepository) -> bool:
    needed = [folder / name for name in ("config.json", *source.tokenizer)]
    return all(file.is_file() for file in needed) and any(map(_has_weights, _weights(folder)))


def _weights(folder: Path) -> list[Path]:
    return [folder / "model.safetensors", folder / "pytorch_model.bin"]


def _has_weights(whole: Path) -> bool:
    """Whether the weights are there, in one file or in all the parts that their index names."""
    if whole.is_file():
        return True
    try:
        index = json.loads(whole.with_name(f"{whole.name}.index.json").read_text(encoding="utf-8"))
        parts = {str(part) for part in index["weight_map"].values()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False
    return bool(parts) and all(whole.with_name(part).is_file() for part in parts)


def _has_files(folder: Path, files: dict[str, int]) -> bool:
    try:
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except OSError:
        return False


def _nltk_data() -> list[Path]:
    """The folders that nltk looks for its data in; found here, since importing nltk takes over a second."""
    named = [Path(folder) for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    home = [Path("~/nltk_data").expanduser()]
    installed = [Path(sys.prefix, *parts, "nltk_data") for parts in ((), ("share",), ("lib",))]
    system = [Path(folder, "nltk_data") for folder in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")]
    return [*named, *home, *installed, *system]
