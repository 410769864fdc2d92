"""Language data: what there is, where it is found, and how it gets here."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from qrtui import paths
from qrtui.errors import FetchError
from qrtui.fetching.child import StoppedError
from qrtui.fetching.progress import FetchProgress
from qrtui.fetching.sdist import SourceFolder
from qrtui.perturb import assets as module
from qrtui.perturb.assets import (
    Asset,
    HubRepository,
    NltkFolder,
    RegistryFolder,
    asset_path,
    assets,
    fetch_asset,
    find_asset,
)
from qrtui.perturb.wordnet import WordNet

FILES = {"index.noun": "a\n", "data.noun": "bc\n"}
SIZES = {name: len(text) for name, text in FILES.items()}
TOP = "qrtui-words-1.0"


@pytest.fixture(autouse=True)
def own_folders(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "wordnet" in request.fixturenames:
        return
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(module, "_nltk_data", lambda: [tmp_path / "nltk"])


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asset:
    """An asset that nltk may have, and that a source package on the only shelf pip sees does have."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    archive = shelf / f"{TOP}.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name, text in {"setup.py": "raise SystemExit(1)", **{f"data/{n}": t for n, t in FILES.items()}}.items():
            member = tarfile.TarInfo(f"{TOP}/{name}")
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    package = SourceFolder("qrtui-words==1.0", f"{TOP}/data", digest, sum(SIZES.values()))
    sources: list[NltkFolder | RegistryFolder | HubRepository] = [
        NltkFolder("corpora/words", SIZES),
        RegistryFolder(package),
    ]
    asset = Asset(name="words", title="Words", licence="MIT", bytes=9, sources=sources)
    monkeypatch.setattr(module, "_entries", lambda: (asset,))
    return asset


def put(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def left_behind() -> list[str]:
    folder = paths.cache("assets")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_what_there_is() -> None:
    assert [asset.name for asset in assets()] == ["wordnet", "mbart-50", "opus-mt-en-de", "opus-mt-de-en"]
    assert all(asset.title and asset.licence and asset.bytes for asset in assets())
    assert all(asset_path(asset.name) is None for asset in assets())
    assert find_asset(" WordNet ") == assets()[0]
    assert find_asset("wordnot") is None
    assert asset_path("wordnot") is None
    with pytest.raises(FetchError, match="there is no asset 'wordnot'; did you mean wordnet"):
        fetch_asset("wordnot", lambda _: None)


def test_an_asset_is_fetched_once_and_found_again(words: Asset) -> None:
    heard: list[FetchProgress] = []
    folder = fetch_asset("words", heard.append)
    assert folder == asset_path("words") == paths.cache("assets", "words")
    assert {name: (folder / name).read_text() for name in FILES} == FILES
    assert json.loads((folder / "qrtui-source.json").read_text())["source"] == "qrtui-words==1.0"
    assert heard[-1].done == heard[-1].total == sum(SIZES.values())
    assert left_behind() == ["words"]

    heard.clear()
    assert fetch_asset("words", heard.append) == folder
    assert heard == []


def test_two_may_fetch_at_once(words: Asset) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda name: fetch_asset(name, lambda _: None), ["words", "words"]))
    assert found == [paths.cache("assets", "words")] * 2
    assert left_behind() == ["words"]


def test_a_newer_version_takes_the_place_of_an_older(words: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    old = put(paths.cache("assets", "words"), {"qrtui-source.json": '{"asset": "older"}', "old": ""})
    assert asset_path("words") is None
    assert fetch_asset("words", lambda _: None) == old
    assert not (old / "old").exists()


def test_stopping_and_failing_leave_nothing(words: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        fetch_asset("words", lambda _: None, stop)
    assert left_behind() == []

    registry = words.sources[1]
    assert isinstance(registry, RegistryFolder)
    package = msgspec.structs.replace(registry.package, requirement="qrtui-absent==1.0")
    absent = msgspec.structs.replace(words, sources=[words.sources[0], RegistryFolder(package)])
    monkeypatch.setattr(module, "_entries", lambda: (absent,))
    with pytest.raises(FetchError, match=r"^Words: pip could not download qrtui-absent==1\.0.*network"):
        fetch_asset("words", lambda _: None)
    assert left_behind() == []
    assert asset_path("words") is None


def test_nltks_copy_is_used_where_it_is_the_same_release(words: Asset, tmp_path: Path) -> None:
    nltk = put(tmp_path / "nltk" / "corpora" / "words", {**FILES, "data.noun": "another release\n"})
    assert asset_path("words") is None
    put(nltk, FILES)
    assert asset_path("words") == nltk
    assert fetch_asset("words", lambda _: None) == nltk
    assert left_behind() == []


def test_nltks_packed_copy_is_unpacked(words: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    corpora = put(tmp_path / "nltk" / "corpora", {})
    with zipfile.ZipFile(corpora / "words.zip", "w") as packed:
        for name, text in FILES.items():
            packed.writestr(f"words/{name}", text)
    folder = fetch_asset("words", lambda _: None)
    assert folder == paths.cache("assets", "words") == asset_path("words")
    assert {name: (folder / name).read_text() for name in FILES} == FILES


@pytest.mark.parametrize(
    "weights",
    [
        {"model.safetensors": ""},
        {"pytorch_model.bin": ""},
        {
            "pytorch_model.bin.index.json": '{"weight_map": {"a": "one.bin", "b": "two.bin"}}',
            "one.bin": "",
            "two.bin": "",
        },
    ],
)
def test_a_model_is_found_in_the_hubs_cache_when_it_is_whole(weights: dict[str, str], tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--Helsinki-NLP--opus-mt-en-de"
    snapshot = put(repository / "snapshots" / "abc", {"config.json": "{}", "source.spm": "", "vocab.json": "{}"})
    put(snapshot, weights)
    assert asset_path("opus-mt-en-de") is None, "half of the tokenizer is absent"
    put(snapshot, {"target.spm": ""})
    assert asset_path("opus-mt-en-de") == snapshot
    put(snapshot.parent / "def", {file.name: file.read_text() for file in snapshot.iterdir()})
    put(repository / "refs", {"main": "abc"})
    assert asset_path("opus-mt-en-de") == snapshot, "the main branch comes first"
    assert asset_path("opus-mt-de-en") is None
    (snapshot / list(weights)[-1]).unlink()
    assert asset_path("opus-mt-en-de") == snapshot.parent / "def"


def test_off_the_network_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchError, match=r"^mBART-50.*HF_HUB_OFFLINE.*keeps off the hub; unset it"):
        fetch_asset("mbart-50", lambda _: None)


def test_the_real_wordnet_is_the_release_that_nltk_would_be_checked_for(wordnet: WordNet) -> None:
    folder, source = asset_path("wordnet"), assets()[0].sources[0]
    assert folder is not None
    assert isinstance(source, NltkFolder)
    assert {name: (folder / name).stat().st_size for name in source.files} == source.files
