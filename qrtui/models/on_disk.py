"""What of a model is on this disk: where its usable weights are and what pins them. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qrtui import paths
from qrtui.fetching.hub import hub_cache
from qrtui.models.model_info import ModelInfo
from qrtui.whole_file import write_whole

# Written last into a folder that a fetch made; a folder without it was never finished.
PROVENANCE = "qrtui-source.json"
_CHUNK = 1 << 20
_SHA256 = re.compile("[0-9a-f]{64}")


def local_path(info: ModelInfo) -> Path | None:
    """The folder that holds complete weights of the model, or None.

    Looked for in this order: the folder the model names, our own cache, the hub's cache. Pickled weights do
    not count as usable.
    """
    if info.source == "folder":
        folder = Path(info.path)
        return folder if is_complete(folder) else None
    converted = converted_folder(info)
    if converted is not None and _has_provenance(converted, info) and is_complete(converted):
        return converted
    return hub_snapshot(info.hub_id) if info.hub_id else None


def revision(info: ModelInfo) -> str | None:
    """What pins the weights that `local_path` finds: equal strings, equal weights. None where there are none.

    A hub snapshot gives its commit, a GGUF file (also the embedded one) its sha256, a local folder a hash
    over its configuration and the names, sizes and change times of its weight files.
    """
    folder = local_path(info)
    if folder is None:
        return None
    if provenance := read_json(folder / PROVENANCE):
        return str(provenance.get("revision"))
    if info.source != "folder":
        return folder.name
    return _folder_hash(folder)


def converted_folder(info: ModelInfo) -> Path | None:
    """Where our cache keeps the model, there or not; None for a folder, or a GGUF file that is gone."""
    if info.source == "gguf":
        digest = file_sha256(Path(info.path))
        return paths.cache("models", f"gguf-{digest[:16]}") if digest else None
    if info.source == "folder":
        return None
    return paths.cache("models", info.name.replace("/", "--"))


def hub_snapshot(hub_id: str) -> Path | None:
    """The complete snapshot of a hub model, its main branch before the newest; None where there is none."""
    repository = hub_cache() / f"models--{hub_id.replace('/', '--')}"
    snapshots = repository / "snapshots"
    try:
        main = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        main = ""
    if main and is_complete(snapshots / main):
        return snapshots / main
    if not snapshots.is_dir():
        return None
    others = sorted(snapshots.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
    return next((folder for folder in others if is_complete(folder)), None)


def is_complete(folder: Path) -> bool:
    """Whether the folder holds a configuration and every safetensors file its index names."""
    return (folder / "config.json").is_file() and bool(weight_files(folder))


def weight_files(folder: Path) -> list[Path]:
    """The folder's safetensors files, in name order; empty where one that the index names is absent."""
    index = read_json(folder / "model.safetensors.index.json")
    if index:
        listed = index.get("weight_map")
        names = list(listed.values()) if isinstance(listed, dict) else []
        # A name with a folder in it would lead out of this one.
        if not all(isinstance(name, str) and Path(name).name == name for name in names):
            return []
        files = [folder / name for name in sorted(set(names))]
        return files if all(map(paths.is_file, files)) else []
    whole = folder / "model.safetensors"
    return [whole] if whole.is_file() else []


def has_pickled_weights(folder: Path) -> bool:
    """Whether the folder's weights are pickles, which may run any code when they are read."""
    return any(_pickles(folder))


def uses_chat_template(info: ModelInfo) -> bool:
    """Whether prompts go through the model's chat template: the catalog's word, else what its files say."""
    if info.chat is not None:
        return info.chat
    folder = local_path(info)
    if folder is None:
        return False
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    return bool(read_json(folder / "tokenizer_config.json").get("chat_template"))


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where it is absent, unreadable or no file: a pipe would be waited for."""
    try:
        read = json.loads(file.read_text(encoding="utf-8")) if paths.is_file(file) else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def file_sha256(file: Path) -> str | None:
    """The file's sha256, remembered by its path, size and change time; None where there is no such file."""
    try:
        stat = file.stat()
    except OSError:
        return None
    key = hashlib.sha256(f"{file.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}".encode()).hexdigest()
    return _remembered_sha256(file, paths.cache("sha256", key[:32]))


@functools.cache
def _remembered_sha256(file: Path, note: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        # A note that is not whole was left by a full disk.
        if _SHA256.fullmatch(noted := note.read_text(encoding="ascii").strip()):
            return noted
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, digest.hexdigest())
    return digest.hexdigest()


def _has_provenance(folder: Path, info: ModelInfo) -> bool:
    provenance = read_json(folder / PROVENANCE)
    if info.registry is not None:
        return provenance.get("revision") == f"sha256:{info.registry.sha256}"
    return bool(provenance)


def _folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    # The tokenizer and the chat template decide what a prompt becomes, as much as the weights what follows it.
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "tokenizer.model"):
        if (folder / name).is_file():
            digest.update(name.encode() + (folder / name).read_bytes())
    for file in weight_files(folder):
        stat = file.stat()
        digest.update(f"{file.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return f"folder:{digest.hexdigest()[:32]}"


def _pickles(folder: Path) -> Iterator[Path]:
    for pattern in ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt"):
        yield from folder.glob(pattern)
