"""Files and folders that are there whole or not at all, and never take the place of another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from qrtui.paths import expanded
from qrtui.results.exchange.lines import ExchangeError


def new_folder(folder: Path) -> AbstractContextManager[Path]:
    """A folder to write into, which gets its name when all is written. Raises ExchangeError."""
    return _new(folder, Path.mkdir)


def new_file(path: Path) -> AbstractContextManager[Path]:
    """A file to write, which gets its name when all is written. Raises ExchangeError."""
    return _new(path, Path.touch)


@contextmanager
def _new(path: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    path = expanded(path).absolute()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        if os.path.lexists(path):
            raise ExchangeError(f"{path} is there already", "give one that is not there yet")
        path.parent.mkdir(parents=True, exist_ok=True)
        make(unfinished)
        try:
            yield unfinished
            unfinished.rename(path)
        finally:
            _remove(unfinished)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ExchangeError(f"{path} cannot be written: {reason}", "give a place of yours with room") from None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
