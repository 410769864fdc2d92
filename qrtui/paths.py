"""Where things are: what ships with the program, what belongs to the user, what may be thrown away."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent


def shipped(*parts: str) -> Path:
    """A file or folder that ships with the program, e.g. `shipped("data", "models.toml")`.

    An installed wheel carries `data/` and `presets/` inside the package; a checkout has them beside it.
    """
    inside = _PACKAGE.joinpath(*parts)
    return inside if inside.exists() else _PACKAGE.parent.joinpath(*parts)


def expanded(path: str | Path) -> Path:
    """The path with a leading `~` as the folder it stands for; as it is where no such person is known."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises there


def is_file(path: Path) -> bool:
    """Whether there is a file that can be seen; False too for a name that no file can have."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name that is too long


def database() -> Path:
    """The database used when no `--db` is given: `QRTUI_DB`, else the settings', else one in the user's data folder.

    Raises SettingsError where the settings cannot be read.
    """
    from qrtui.settings import read_settings

    named = os.environ.get("QRTUI_DB") or read_settings().database
    return expanded(named) if named else Path(platformdirs.user_data_dir("qrtui")) / "qrtui.db"


def database_option(used: Path) -> str:
    """What a command must be given to read this database: ` --db FILE`, or nothing for the one it takes by itself."""
    return "" if used == database() else f" --db {shlex.quote(str(used))}"


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are not there, for their owner alone. Raises OSError.

    Folders that are there stay as they are.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def cache(*parts: str) -> Path:
    """A folder for what can be fetched or computed again: `QRTUI_CACHE`, else the user's cache folder."""
    named = os.environ.get("QRTUI_CACHE")
    root = expanded(named) if named else Path(platformdirs.user_cache_dir("qrtui"))
    return root.joinpath(*parts)


def log_file() -> Path:
    """Where the libraries' chatter goes while the app has the screen."""
    return Path(platformdirs.user_log_dir("qrtui")) / "qrtui.log"
