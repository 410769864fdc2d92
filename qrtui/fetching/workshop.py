"""A folder to make something in, beside where it will stand, so that nothing half-made is ever seen there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from qrtui.errors import FetchError
from qrtui.held_folder import make_held, sweep

_PREFIX = ".making-"


@contextlib.contextmanager
def workshop_for(target: Path) -> Iterator[Path]:
    """A fresh folder beside `target`, on the same file system, gone afterwards whatever happens.

    If the program is killed it goes when the next one is made in that place. Raises FetchError where it cannot be made
    and in place of any OSError inside, a full disk above all.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent, _PREFIX, _remove)
        folder, held = make_held(target.parent, _PREFIX)
    except OSError as error:
        raise FetchError(f"{target.parent} cannot be written ({error.strerror})", "set QRTUI_CACHE") from error
    try:
        yield folder
    except OSError as error:
        raise FetchError(f"{target.name} could not be written ({error.strerror})", "free some disk space") from error
    finally:
        _remove(folder)
        os.close(held)


def move_into_place(made: Path, target: Path, is_complete: Callable[[Path], bool]) -> Path:
    """Make the folder `made` stand at `target`, unless another process put a complete one there first."""
    for _ in range(2):
        reason = "what was made is not whole"
        try:
            made.rename(target)
        except OSError as error:  # a folder that stands there already, most likely: see whether it will do
            reason = error.strerror or str(error)
        if is_complete(target):
            return target
        shutil.rmtree(target, ignore_errors=True)
        if not made.exists():
            break
    raise FetchError(f"{target} cannot be put in place: {reason}", "remove that folder and fetch again")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
