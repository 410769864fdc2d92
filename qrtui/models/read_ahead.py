"""The next model's weight files brought into the system's page cache while the present one is still at work."""

from __future__ import annotations

import contextlib
import os

from qrtui.models.device import free_memory
from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import local_path, weight_files

_MEMORY_SHARE = 0.5


def read_ahead(info: ModelInfo) -> int:
    """Ask the system to read the model's weight files; returns their bytes, 0 where it is not done.

    Does not wait for the disk. Left out where the files would take more than half of the free memory, or where the
    system knows no such request.
    """
    folder = local_path(info)
    files = weight_files(folder) if folder is not None else []
    size = sum(file.stat().st_size for file in files)
    if size > _MEMORY_SHARE * free_memory() or not hasattr(os, "posix_fadvise"):
        return 0
    asked = 0
    for file in files:
        with contextlib.suppress(OSError), file.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
            asked += file.stat().st_size
    return asked
