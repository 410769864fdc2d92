"""What a person settles once, in a file of their own: theme, keys, where results are kept.

The file is TOML: `QRTUI_CONFIG`, else `config.toml` in the user's configuration folder. It need not exist.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from qrtui.errors import QrtuiError, nearest
from qrtui.whole_file import write_whole

_LONGEST = 1_000_000


class SettingsError(QrtuiError):
    """A settings file that cannot be read, understood or written."""

    title = "The settings cannot be used"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings; an absent key has the value given here.

    `theme` is a theme's name, empty for the one that suits the terminal. `database` is used where neither `--db` nor
    `QRTUI_DB` is given, `preset` is what Setup opens with. `mouse` off leaves the mouse to the terminal. `charts` off
    leaves out Run's charts until they are asked for. `keys` gives actions, by their ids, other keys (several with
    commas between); `qrtui keys` lists the ids.
    """

    theme: str = ""
    database: str = ""
    preset: str = "demo"
    mouse: bool = True
    charts: bool = True
    keys: dict[str, str] = {}


def settings_file() -> Path:
    """Where the settings are read from, whether the file is there or not."""
    named = os.environ.get("QRTUI_CONFIG")
    return Path(os.path.expanduser(named)) if named else Path(platformdirs.user_config_dir("qrtui")) / "config.toml"  # noqa: PTH111


def read_settings(path: Path | None = None) -> Settings:
    """The settings in the user's file (or in `path`); the defaults where there is none. Raises SettingsError."""
    path = path or settings_file()
    table = _table(_text(path), path)
    if "keys" in table:
        table["keys"] = dict(_flat(table["keys"], "keys", path))
    known = Settings.__struct_fields__
    for key in table:
        if key not in known:
            suggestion = " ".join(filter(None, [nearest(key, known), f"there are {', '.join(known)}"]))
            raise SettingsError(f"{path}: there is no setting {key!r}", suggestion)
    try:
        return msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        what, _, key = str(error).replace("`", "").partition(" - at $.")
        raise SettingsError(f"{path}: {key}: {what[:1].lower()}{what[1:]}", "mend that line") from None


def remember_theme(theme: str, path: Path | None = None) -> None:
    """Put the theme's name into the settings file and leave every other character of it as it is.

    The file is replaced in one step. Raises SettingsError where it cannot be written, or is so written that its theme
    cannot be changed safely.
    """
    path = (path or settings_file()).resolve()
    before = _text(path)
    after = _with_theme(before, theme)
    if _table(after, path) != {**_table(before, path), "theme": theme}:
        raise SettingsError(f"{path}: the line of the theme cannot be changed safely", f'write theme = "{theme}" there')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, after, None if path.exists() else 0o644)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}", "the theme is not remembered") from None


_THEME_LINE = re.compile(r"""^(\s*theme\s*=\s*)("[^"\n]*"|'[^'\n]*')""", re.MULTILINE)
_FIRST_TABLE = re.compile(r"^\s*\[", re.MULTILINE)


def _with_theme(text: str, theme: str) -> str:
    first_table = _FIRST_TABLE.search(text)
    top = len(text) if first_table is None else first_table.start()
    line = _THEME_LINE.search(text, 0, top)
    if line is None:
        return f'theme = "{theme}"\n{text}'
    return f'{text[: line.start()]}{line.group(1)}"{theme}"{text[line.end() :]}'


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not a text file", "settings are TOML in UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", "check its permissions") from None
    if len(text) > _LONGEST:
        raise SettingsError(f"{path} is longer than a file of settings can be", "name another in QRTUI_CONFIG")
    return text


def _table(text: str, path: Path) -> dict[str, Any]:
    if not text.strip():
        return {}
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not TOML, a number too long, or too deep a nesting
        raise SettingsError(f"{path} is not TOML: {error}", "mend that line") from None


def _flat(value: Any, name: str, path: Path) -> Iterator[tuple[str, str]]:
    """A key's id with its keys; TOML reads an unquoted `compare.next = "n"` as a table in a table."""
    if isinstance(value, Mapping):
        for part, inner in value.items():
            yield from _flat(inner, part if name == "keys" else f"{name}.{part}", path)
    elif name == "keys":
        raise SettingsError(f"{path}: keys is not a table", "write [keys] above the lines")
    elif isinstance(value, str) and value.strip():
        yield name, value.strip()
    elif isinstance(value, list) and value and all(isinstance(key, str) and key for key in value):
        yield name, ",".join(value)
    else:
        raise SettingsError(f"{path}: keys.{name} is no key", 'write for example "f5", or ["f5", "ctrl+r"]')
