"""Files that are replaced whole: whoever reads one finds what was there before or what was written, never a part."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

_LEFT_BEHIND_SECONDS = 3600.0
"""No writing takes so long: what is older was left by a program that was killed."""


def write_whole(path: Path, text: str, mode: int | None = None) -> None:
    """Put `text` (UTF-8) into the file at `path` in one step, beside whatever another program writes there.

    A link stays one. It keeps the mode of the file it replaces unless `mode` is given; a new one is its owner's alone.
    What a killed program left of earlier attempts is removed. Raises OSError, and then nothing has changed.
    """
    path = path.resolve()
    before = f".{path.name[:100]}-"
    _sweep(path.parent, before)
    if mode is None and path.exists():
        mode = path.stat().st_mode & 0o777
    handle, name = tempfile.mkstemp(prefix=before, suffix=".fresh", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        fresh.chmod(mode or 0o600)
        fresh.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def _sweep(folder: Path, before: str) -> None:
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            is_fresh = entry.name.startswith(before) and entry.name.endswith(".fresh")
            if is_fresh and time.time() - entry.stat(follow_symlinks=False).st_mtime > _LEFT_BEHIND_SECONDS:
                Path(entry.path).unlink()
