"""One file of a hub repository: taken up again where it ended, checked against its hash, in the cache only when whole.

The hub's own library starts a file anew after an interruption, and does not look at what it got. Only it writes the
cache's folders: it finds the file's content there and makes the entries that lead to it. Runs in the child process.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from qrtui.fetching.hub import hub_cache

_CHUNK = 1 << 20


class WrongContentError(Exception):
    """A file is not the one that the hub lists; what was got of it is gone again."""


class HubFile(NamedTuple):
    """A file of a repository at a commit, its size in bytes, and its hashes where the hub lists them.

    `sha256` is that of a large file's content, `blob` git's SHA-1 of a small file.
    """

    repository: str
    commit: str
    name: str
    size: int
    sha256: str = ""
    blob: str = ""


def download(file: HubFile, progress_bar: type[Any]) -> None:
    """Bring the file into the hub's cache. `progress_bar` is a class like tqdm, told of every byte.

    Raises WrongContentError, and what the hub's library raises.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    url = hf_hub_url(file.repository, file.name, revision=file.commit)
    metadata = get_hf_file_metadata(url)
    blobs = hub_cache() / f"models--{file.repository.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    # The name under which the content is kept comes from the hub: it must not lead out of the folder.
    if re.fullmatch(r"[\w-]+", metadata.etag or ""):
        content, partial = blobs / str(metadata.etag), blobs / f"{metadata.etag}.qrtui-partial"
        with contextlib.ExitStack() as opened:
            if not content.exists() and (stream := _alone(partial, opened)) and not content.exists():
                _go_on(url, metadata.location, stream, metadata.size or file.size, progress_bar)
                if not _is_what_was_listed(partial, file):
                    partial.unlink()
                    raise WrongContentError(file.name)
                partial.replace(content)
    hf_hub_download(file.repository, file.name, revision=file.commit)


def _alone(partial: Path, opened: contextlib.ExitStack) -> IO[bytes]:
    """The partial file, open at its end; no other process of ours has it until `opened` closes it."""
    while True:
        stream = opened.enter_context(partial.open("ab"))
        fcntl.flock(stream, fcntl.LOCK_EX)
        # Whoever had it before may have put it into its place, or removed it, while this process waited.
        if partial.exists() and os.path.samestat(partial.stat(), os.fstat(stream.fileno())):
            return stream


def _go_on(url: str, location: str, stream: IO[bytes], size: int, progress_bar: type[Any]) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    headers = build_hf_headers()
    if urlsplit(location).netloc != urlsplit(url).netloc:
        # The content lies on another host, which is not to have the person's token.
        headers.pop("authorization", None)
    start = stream.tell()
    if start > size:
        stream.truncate(start := 0)
        stream.seek(0)
    http_get(location, stream, resume_size=start, headers=headers, expected_size=size, tqdm_class=progress_bar)
    stream.flush()


def _is_what_was_listed(partial: Path, file: HubFile) -> bool:
    if file.sha256:
        return _digest(partial, hashlib.sha256()) == file.sha256
    if file.blob:
        return _digest(partial, hashlib.sha1(f"blob {partial.stat().st_size}\0".encode())) == file.blob
    return partial.stat().st_size == file.size


def _digest(file: Path, digest: Any) -> str:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return str(digest.hexdigest())
