"""Where the scratch folder for solutions is made, and what becomes of one whose judge was killed outright."""

from __future__ import annotations

import contextlib
import shutil
import stat
import tempfile
from pathlib import Path

from qrtui.held_folder import make_held, sweep
from qrtui.judge import scratch

_PREFIX = "qrtui-scratch-"
_ROOM = 1 << 20


class ScratchError(Exception):
    """There is no place for what solutions write; the message says why."""


def make() -> tuple[Path, int]:
    """A folder for what solutions write, for its owner alone, and what holds it: see `held_folder`.

    Raises ScratchError where there is no place for it that others cannot tamper with.
    """
    try:
        place = Path(tempfile.gettempdir()).resolve()
        mode = place.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ScratchError(f"everybody may rename what lies in {place}: it lacks the sticky bit")
        return make_held(place, _PREFIX)
    except OSError as error:
        raise ScratchError(f"no folder for temporary files can be had ({error.strerror or error})") from error


def sweep_left() -> None:
    """Remove the scratch folders of judges that were killed together with all that could have removed them."""
    with contextlib.suppress(OSError):
        sweep(Path(tempfile.gettempdir()).resolve(), _PREFIX, lambda folder: scratch.remove(str(folder)))


def is_full(folder: Path) -> bool:
    """Whether a solution could hardly write a small file there, whatever fills the disk."""
    return shutil.disk_usage(folder).free < _ROOM
