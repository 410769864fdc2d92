"""The child process of a hub download: prints progress lines, then where the snapshot is or what is wrong."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from qrtui.fetching.child import end_with_parent, report
from qrtui.fetching.hub import hub_cache
from qrtui.fetching.hub_file import HubFile, WrongContentError, download

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
    end_with_parent()
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
    listed = {file.rfilename: _listed(repository, str(found.sha), file) for file in found.siblings or []}
    files = _wanted(listed, allow_pickle)
    meter = _Meter(sum(listed[name].size for name in files))
    missing = []
    for name in files:
        if isinstance(try_to_load_from_cache(repository, name, revision=found.sha), str):
            meter.add(listed[name].size)
        else:
            missing.append(listed[name])
    _check_space(sum(file.size for file in missing))
    for file in missing:
        meter.file = file.name
        download(file, _bar(meter))
    # Everything is here by now: this only notes that the main branch stands at this commit.
    folder = snapshot_download(repository, allow_patterns=files)
    report(meter.total, meter.total)
    return str(folder)


def _listed(repository: str, commit: str, file: Any) -> HubFile:
    large = getattr(file, "lfs", None)
    sha256 = str(getattr(large, "sha256", None) or "")
    return HubFile(repository, commit, file.rfilename, file.size or 0, sha256, str(file.blob_id or ""))


def _wanted(names: Iterable[str], allow_pickle: bool) -> list[str]:
    """The files to take, weights last, so that a snapshot with its weights is a whole one."""
    top = [name for name in names if "/" not in name]
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


def _bar(meter: _Meter) -> type[Any]:
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

    return Bar


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
    except WrongContentError as error:
        raise _HubProblemError(f"wrong {error}") from error
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
        refused = status in (401, 403)
        raise _HubProblemError("gated" if refused else f"other the hub answered {status}") from error
    except Exception as error:  # the network library's errors share no base
        kind = type(error).__name__
        if "Connect" in kind or "Proxy" in kind:
            raise _HubProblemError("offline") from error
        if "Timeout" in kind or kind == "RemoteProtocolError":
            raise _HubProblemError("broken") from error
        raise _HubProblemError(f"other {kind}: {' '.join(str(error).split())[:160]}") from error
