"""The models as rows of a table: for `qrtui models` and for the Setup screen."""

from __future__ import annotations

import msgspec

from qrtui.models.catalog import catalog, local_path, memory_needed
from qrtui.models.device import resolve_device
from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import weight_files
from qrtui.models.precisions import PRECISIONS


class ModelRow(msgspec.Struct, frozen=True):
    """One model as a person sees it: plain numbers in bytes, ready for JSON.

    `path` and `disk_bytes` are None where the model is not here; `fetch_bytes` is about what fetching it
    would transfer, 0 where it is here, None where nobody knows. `memory` gives each precision's bytes in
    memory and is empty where nobody knows.
    """

    name: str
    hub_id: str
    family: str
    size: str
    licence: str
    gated: bool
    here: bool
    path: str | None
    disk_bytes: int | None
    fetch_bytes: int | None
    memory: dict[str, int]


def rows() -> list[ModelRow]:
    """A row for each catalog model, in the catalog's order. Reads a few small files; no network."""
    return [row(info) for info in catalog()]


def row(info: ModelInfo) -> ModelRow:
    """The row of any model that `resolve` gave."""
    folder = local_path(info)
    needs = {name: memory_needed(info, precision, resolve_device("auto")) for name, precision in PRECISIONS.items()}
    return ModelRow(
        name=info.name,
        hub_id=info.hub_id,
        family=info.family,
        size=info.size,
        licence=info.licence,
        gated=info.gated,
        here=folder is not None,
        path=str(folder) if folder is not None else None,
        disk_bytes=sum(file.stat().st_size for file in weight_files(folder)) if folder is not None else None,
        fetch_bytes=0 if folder is not None else info.bytes,
        memory={name: needed for name, needed in needs.items() if needed is not None},
    )
