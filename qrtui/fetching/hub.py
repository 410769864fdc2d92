"""Asks the Hugging Face hub for a model's files, in a child process that can be stopped at any moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from qrtui.errors import FetchError
from qrtui.fetching.child import ChildResult, python_module, run_child

_TRUE = {"1", "on", "yes", "true"}


def hub_is_offline() -> bool:
    """Whether the user told the hub's library to stay off the network."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def hub_cache() -> Path:
    """The hub's cache folder, from the same environment variables the hub's own library reads."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if named := os.environ.get(name):
            return Path(os.path.expandvars(named)).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        return Path(os.path.expandvars(home)).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def download_snapshot(
    repository: str,
    progress: Callable[[int, int | None, str], None],
    stop: threading.Event | None = None,
    *,
    allow_pickle: bool = False,
) -> Path:
    """Download the main branch of a model's repository into the hub's own cache and return the snapshot's folder.

    What an interrupted download left is taken up again. `progress` is called with (bytes done, bytes in all,
    file). Pickled weights are only taken where `allow_pickle` says so and there are no others; they must
    be converted before use. Raises FetchError saying what to do, StoppedError when `stop` is set.
    """
    if hub_is_offline():
        raise FetchError(
            f"{repository} is not on this machine, and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE keeps off the hub",
            "unset it, or copy the model's folder here and name that folder in the preset",
        )
    arguments = [repository, "pickle" if allow_pickle else "safetensors"]
    result = run_child(python_module("qrtui.fetching.hub_child", arguments), progress, stop)
    for line in result.lines:
        if line.startswith("Snapshot "):
            return Path(line.removeprefix("Snapshot "))
    raise _explained(repository, result)


def _explained(name: str, result: ChildResult) -> FetchError:
    kind, _, detail = next(
        (line.removeprefix("Problem ") for line in result.lines if line.startswith("Problem ")), "other"
    ).partition(" ")
    page = f"https://huggingface.co/{name}"
    if kind == "gated":
        return FetchError(f"{name} is gated or private", f"accept its licence at {page} and set HF_TOKEN")
    if kind == "wrong":
        return FetchError(
            f"{detail} of {name} is not the file that the hub lists: its hash is another", "fetch it again"
        )
    if kind == "broken":
        return FetchError(f"the hub broke off or fell silent over {name}", "try again; it goes on where it ended")
    if kind == "absent":
        return FetchError(f"the hub has no model {name}, or it is private", "check the name, or set HF_TOKEN")
    if kind == "offline":
        return FetchError(
            f"{name} is not on this machine and the hub cannot be reached",
            "go online, or copy its folder here and name that folder in the preset",
        )
    if kind == "pickled":
        return FetchError(
            f"{name} offers only pickled weights, which may run any code",
            "save it as safetensors and name the folder",
        )
    if kind == "unusable":
        return FetchError(f"{name} holds no weights that transformers can load", "take the original model's id")
    if kind == "space":
        return FetchError(f"the disk is too full for {name}: {detail}", "free some space or set HF_HOME")
    last = result.complaint.splitlines()[-1] if result.complaint else f"exit status {result.status}"
    return FetchError(f"{name} could not be downloaded ({detail or last})", "try again; it goes on where it ended")
