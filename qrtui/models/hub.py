"""Asks the Hugging Face hub for a model's files, in a child process that can be stopped at any moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from qrtui.errors import ModelError
from qrtui.models.child import ChildResult, python_module, run_child
from qrtui.models.model_info import ModelInfo

_TRUE = {"1", "on", "yes", "true"}


def hub_is_offline() -> bool:
    """Whether the user told the hub's library to stay off the network."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def download_snapshot(
    info: ModelInfo,
    progress: Callable[[int, int | None, str], None],
    stop: threading.Event | None = None,
) -> Path:
    """Download the model's main branch into the hub's own cache and return the snapshot's folder.

    What an interrupted download left is taken up again. `progress` is called with (bytes done, bytes in all,
    file). Pickled weights are only taken for catalogued models that have no others; they are not usable
    before they are converted. Raises ModelError saying what to do, StoppedError when `stop` is set.
    """
    arguments = [info.hub_id, "pickle" if info.catalogued else "safetensors"]
    result = run_child(python_module("qrtui.models.hub_child", arguments), progress, stop)
    for line in result.lines:
        if line.startswith("Snapshot "):
            return Path(line.removeprefix("Snapshot "))
    raise _explained(info, result)


def _explained(info: ModelInfo, result: ChildResult) -> ModelError:
    kind, _, detail = next(
        (line.removeprefix("Problem ") for line in result.lines if line.startswith("Problem ")), "other"
    ).partition(" ")
    name = info.hub_id
    page = f"https://huggingface.co/{name}"
    if kind == "gated":
        return ModelError(f"{name} is gated", f"accept its licence at {page} and set HF_TOKEN")
    if kind == "absent":
        return ModelError(f"the hub has no model {name}, or it is private", "check the name, or set HF_TOKEN")
    if kind == "offline":
        return ModelError(
            f"{name} is not on this machine and the hub cannot be reached",
            "go online, or copy its folder here and name that folder in the preset",
        )
    if kind == "pickled":
        return ModelError(
            f"{name} offers only pickled weights, which may run any code",
            "save it as safetensors and name the folder",
        )
    if kind == "unusable":
        return ModelError(f"{name} holds no weights that transformers can load", "take the original model's id")
    if kind == "space":
        return ModelError(f"the disk is too full for {name}: {detail}", "free some space or set HF_HOME")
    last = result.complaint.splitlines()[-1] if result.complaint else f"exit status {result.status}"
    return ModelError(f"{name} could not be downloaded ({detail or last})", "try again; it goes on where it ended")
