"""The known models, and what a model's name in a preset stands for."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path

import msgspec

from qrtui import paths
from qrtui.errors import ModelError, nearest
from qrtui.fetching.registry import RegistryFile
from qrtui.models.footprint import memory_needed
from qrtui.models.model_info import ModelInfo, Source
from qrtui.models.on_disk import has_pickled_weights, is_complete, local_path, revision, uses_chat_template

__all__ = [
    "ModelInfo",
    "RegistryFile",
    "Source",
    "catalog",
    "local_path",
    "memory_needed",
    "resolve",
    "revision",
    "uses_chat_template",
]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


class _CatalogFile(msgspec.Struct, forbid_unknown_fields=True):
    model: list[ModelInfo]


@functools.cache
def _entries() -> tuple[ModelInfo, ...]:
    file = paths.shipped("data", "models.toml")
    with file.open("rb") as stream:
        read = msgspec.convert(tomllib.load(stream), _CatalogFile)
    return tuple(msgspec.structs.replace(info, catalogued=True) for info in read.model)


def catalog() -> list[ModelInfo]:
    """Every model that ships in `data/models.toml`, in the file's order: the embedded one first."""
    return list(_entries())


def resolve(id: str) -> ModelInfo:
    """The model that a name stands for: a catalog name, a hub id, a folder, or a GGUF file.

    Raises ModelError where it is none of these; nothing is fetched and no network is asked.
    """
    name = id.strip()
    for info in _entries():
        if name.lower() in (info.name, info.hub_id.lower()):
            return info
    path = paths.expanded(name)
    if paths.is_file(path) or path.suffix.lower() == ".gguf":
        return _gguf(path)
    if paths.is_file(path / "config.json"):
        return _folder(path)
    if name.startswith((".", "/", "~")):
        raise ModelError(f"there is no model in {name}", "name a folder with config.json and *.safetensors")
    if _HUB_ID.fullmatch(name):
        return ModelInfo(name=name, hub_id=name)
    known = [info.name for info in _entries()]
    raise ModelError(
        f"no model is called {name!r}",
        nearest(name, known) or "name one from `qrtui models`, a hub id, a folder or a .gguf file",
    )


def _gguf(path: Path) -> ModelInfo:
    if path.suffix.lower() != ".gguf":
        raise ModelError(f"{path} is a file but not a .gguf file", "name the folder the weights are in")
    if not paths.is_file(path):
        raise ModelError(f"there is no file {path}", "check the path")
    return ModelInfo(name=path.stem, source="gguf", path=str(path.resolve()), bytes=0)


def _folder(path: Path) -> ModelInfo:
    if not is_complete(path):
        if has_pickled_weights(path):
            raise ModelError(
                f"{path} holds pickled weights, which may run any code",
                "save it as safetensors and name that",
            )
        raise ModelError(f"{path} lacks weight files", "copy all of its *.safetensors files there")
    return ModelInfo(name=path.resolve().name, source="folder", path=str(path.resolve()), bytes=0)
