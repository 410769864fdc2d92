from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qrtui.fetching.hub import hub_cache
from qrtui.models.catalog import local_path, memory_needed, resolve, revision, uses_chat_template
from qrtui.models.on_disk import _remembered_sha256, file_sha256
from qrtui.models.precisions import PRECISIONS

MakeFolder = Callable[[Path], Path]
COMMIT, OLDER = "c" * 40, "0" * 40


def snapshot(hub_id: str, commit: str) -> Path:
    return hub_cache() / f"models--{hub_id.replace('/', '--')}" / "snapshots" / commit


def test_the_hubs_cache_is_where_its_own_library_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert hub_cache() == tmp_path / "hub" / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert hub_cache() == tmp_path / "elsewhere"
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert hub_cache() == tmp_path / "huggingface" / "hub"


def test_a_hub_snapshot_is_found_and_pinned_by_its_commit(fake_weights: MakeFolder) -> None:
    info = resolve("llama-3.2-1b")
    assert local_path(info) is None
    assert revision(info) is None
    fake_weights(snapshot(info.hub_id, OLDER))
    folder = fake_weights(snapshot(info.hub_id, COMMIT))
    main = folder.parents[1] / "refs" / "main"
    main.parent.mkdir()
    main.write_text(COMMIT)
    assert local_path(info) == folder
    assert revision(info) == COMMIT


def test_a_snapshot_that_lacks_a_shard_is_not_there(fake_weights: MakeFolder) -> None:
    info = resolve("llama-3.2-3b")
    folder = fake_weights(snapshot(info.hub_id, COMMIT))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert local_path(info) is None
    (folder / "model-00002-of-00002.safetensors").symlink_to(folder / "no-such-blob")
    assert local_path(info) is None


def test_a_folders_revision_changes_with_its_weights(tmp_path: Path, fake_weights: MakeFolder) -> None:
    folder = fake_weights(tmp_path / "mine")
    info = resolve(str(folder))
    before = revision(info)
    assert before == revision(info)
    (folder / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}more")
    assert revision(info) not in (None, before)


def test_the_chat_template_is_the_catalogs_word_or_the_folders(tmp_path: Path, fake_weights: MakeFolder) -> None:
    folder = fake_weights(tmp_path / "mine")
    info = resolve(str(folder))
    assert not uses_chat_template(info)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    assert uses_chat_template(info)
    assert uses_chat_template(resolve("smollm2-135m"))
    assert not uses_chat_template(resolve("llama-3.2-1b"))


def test_memory_is_read_from_a_folders_own_headers(tiny_llama: Path) -> None:
    info = resolve(str(tiny_llama))
    projections = 2 * (4 * 64 * 64 + 3 * 64 * 128)
    kept = 64 * 64 + 5 * 64
    assert memory_needed(info, PRECISIONS["fp32"]) == 4 * (projections + kept)
    assert memory_needed(info, PRECISIONS["int8"]) == projections + 4 * kept
    assert memory_needed(info, PRECISIONS["int8"], "cuda") == projections + 2 * kept


@pytest.mark.parametrize("left", [b"", b"1a2b", b"\xff" * 64])
def test_a_remembered_hash_that_is_not_whole_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    monkeypatch.setenv("QRTUI_CACHE", str(tmp_path / "cache"))
    weights = tmp_path / "weights"
    weights.write_bytes(left)
    right = hashlib.sha256(left).hexdigest()
    assert file_sha256(weights) == right
    (note,) = (tmp_path / "cache" / "sha256").iterdir()
    note.write_bytes(left)
    _remembered_sha256.cache_clear()
    assert file_sha256(weights) == right
    assert note.read_text() == right
