"""The child process of a hub download: prints progress lines, then where the snapshot is or what is wrong."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any

from qrtui.fetching.child import report
from qrtui.fetching.hub import hub_cache

_SMALL_FILES = (".json", ".txt", ".model", ".spm", ".jinja", ".tiktoken")


class _HubProblemError(Exception):
    """A kind of problem the parent has words for."""


class _Meter:
    """Adds up the bytes of all files and reports them a few times a second."""

    def __init__(self, total: int) -> None:
        self.done = 0
        self.total = total
        self.file = ""
        self._reported = 0.0

    def add(self, count: float | None) -> None:
        self.done += int(count or 0)
        now = time.monotonic()
        if now - self._reported > 0.2:
            self._reported = now
            report(self.done, self.total, self.file)


def main() -> int:
    """Download the repository argv[1]; argv[2] says whether pickled weights may be taken (`pickle`)."""
    repository, allow_pickle = sys.argv[1], sys.argv[2] == "pickle"
    try:
        with _named_troubles():
            folder = _download(repository, allow_pickle)
    except _HubProblemError as trouble:
        print(f"Problem {trouble}", flush=True)
        return 1
    print(f"Snapshot {folder}", flush=True)
    return 0


def _download(repository: str, allow_pickle: bool) -> str:
    from huggingface_hub import HfApi, snapshot_download, try_to_load_from_cache

    found = HfApi().model_info(repository, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in found.siblings or []}
    files = _wanted(sizes, allow_pickle)
    meter = _Meter(sum(sizes[name] for name in files))
    missing = []
    for name in files:
        if isinstance(try_to_load_from_cache(repository, name, revision=found.sha), str):
            meter.add(sizes[name])
        else:
            missing.append(name)
    _check_space(sum(sizes[name] for name in missing))
    for name in missing:
        _download_file(repository, name, str(found.sha), meter)
    # Everything is here by now: this only notes that the main branch stands at this commit.
    folder = snapshot_download(repository, allow_patterns=files)
    report(meter.total, meter.total)
    return str(folder)


def _wanted(sizes: dict[str, int], allow_pickle: bool) -> list[str]:
    """The files to take, weights last, so that a snapshot with its weights is a whole one."""
    top = [name for name in sizes if "/" not in name]
    weights = [name for name in top if name.endswith(".safetensors")]
    if "model.safetensors.index.json" in top:
        weights = [name for name in weights if name.startswith("model-")]
    elif "model.safetensors" in weights:
        weights = ["model.safetensors"]
    else:
        weights = [name for name in top if name.startswith("pytorch_model") and name.endswith(".bin")]
        if not weights:
            raise _HubProblemError("unusable")
        if not allow_pickle:
            raise _HubProblemError("pickled")
    return [*sorted(name for name in top if name.endswith(_SMALL_FILES)), *sorted(weights)]


def _download_file(repository: str, name: str, commit: str, meter: _Meter) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        """What the hub's library takes for a progress bar; it draws nothing."""

        def __init__(self, *args: Any, **options: Any) -> None:
            options["disable"] = True
            super().__init__(*args, **options)
            meter.add(options.get("initial"))

        def update(self, count: float | None = 1) -> bool | None:
            meter.add(count)
            return None

    meter.file = name
    hf_hub_download(repository, name, revision=commit, tqdm_class=Bar)


def _check_space(needed: int) -> None:
    folder = hub_cache()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise _HubProblemError(f"space {needed / 1e9:.1f} GB are needed in {folder} and {free / 1e9:.1f} GB are free")


@contextlib.contextmanager
def _named_troubles() -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except _HubProblemError:
        raise
    except errors.GatedRepoError as error:
        raise _HubProblemError("gated") from error
    except errors.RepositoryNotFoundError as error:
        raise _HubProblemError("absent") from error
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, ConnectionError) as error:
        raise _HubProblemError("offline") from error
    except errors.HFValidationError as error:
        raise _HubProblemError("absent") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        raise _HubProblemError("gated" if status == 403 else f"other the hub answered {status}") from error
    except Exception as error:  # the network library's errors share no base
        kind = type(error).__name__
        if "Connect" in kind or "Timeout" in kind or "Proxy" in kind:
            raise _HubProblemError("offline") from error
        raise _HubProblemError(f"other {kind}: {' '.join(str(error).split())[:160]}") from error
