"""What is known about one model before any of its weights is read."""

from __future__ import annotations

from typing import Literal

import msgspec

from qrtui.fetching.registry import RegistryFile

Source = Literal["hub", "registry", "folder", "gguf"]


class ModelInfo(msgspec.Struct, frozen=True):
    """One model: a catalog entry, or one made from a hub id, a folder or a GGUF file.

    `name` is what presets and tables call it. `parameters` counts every weight once, `unquantized` those that
    bitsandbytes leaves alone (embeddings, output head, norms, biases); both are None where they are not known
    beforehand. `bytes` is about what a download transfers. `path` is set for a folder or a GGUF file.
    `chat` is None where only the files can tell.
    """

    name: str
    hub_id: str = ""
    family: str = ""
    size: str = ""
    parameters: int | None = None
    unquantized: int | None = None
    licence: str = ""
    gated: bool = False
    chat: bool | None = None
    bytes: int | None = None
    source: Source = "hub"
    path: str = ""
    registry: RegistryFile | None = None
    catalogued: bool = False
