"""Presets: experiments in TOML files, by path or by name: of one that ships with the program, or of a person's own."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from qrtui.errors import PresetError, nearest
from qrtui.paths import expanded, is_file, shipped
from qrtui.perturb.attack import Attack
from qrtui.printable import one_line
from qrtui.settings import settings_file
from qrtui.spec import Experiment, read_attack, read_experiment, to_toml
from qrtui.whole_file import write_whole


def preset_names() -> list[str]:
    """The presets that ship with the program."""
    return sorted(path.stem for path in shipped("presets").glob("*.toml"))


def own_presets_folder() -> Path:
    """Where the presets are that a person saved: `presets` beside the settings file."""
    return settings_file().parent / "presets"


def own_presets() -> dict[str, Path]:
    """The presets that a person saved, by name. (The name of a shipped one means the shipped one.)"""
    return {path.stem: path for path in sorted(own_presets_folder().glob("*.toml"))}


def load_preset(preset: str, overrides: tuple[str, ...] = (), limit: int | None = None) -> Experiment:
    """The experiment in a preset, given as `find_preset` takes it.

    `overrides` are `a.b=c` with the value in TOML (a bare word is taken as a string), `limit` is `tasks.limit`.
    Raises PresetError.
    """
    path = find_preset(preset)
    table = _read(path)
    for override in overrides:
        _override(table, override)
    if limit is not None:
        tasks = table.setdefault("tasks", {})
        if isinstance(tasks, dict):
            tasks["limit"] = limit
    table.setdefault("name", one_line(path.stem))
    _anchor_paths(table, path.parent)
    return read_experiment(table, path.name)


def find_preset(preset: str) -> Path:
    """The file of a preset: given by its path, by a shipped preset's name, or by that of one of a person's own.

    Raises PresetError where there is none.
    """
    given = expanded(preset)
    if given.suffix == ".toml" or os.sep in preset:
        if not is_file(given):
            raise PresetError(
                f"there is no preset file {preset}", f"check the path, or take one of {_names_in_words()}"
            )
        return given
    shipped_one = shipped("presets", f"{preset}.toml")
    found = shipped_one if is_file(shipped_one) else own_presets().get(preset)
    if found is None:
        suggestion = nearest(preset, [*preset_names(), *own_presets()])
        way_out = f"there are {_names_in_words()}, or give a .toml file"
        raise PresetError(f"there is no preset {preset!r}", " ".join(filter(None, [suggestion, way_out])))
    return found


def file_to_save(typed: str) -> Path:
    """Where a preset is saved so that `find_preset` finds it again: a bare name means the person's own folder."""
    path = expanded(typed)
    if path.suffix != ".toml":
        path = path.with_name(f"{path.name}.toml")
        if os.sep not in typed:
            path = own_presets_folder() / path
    return path


def _names_in_words() -> str:
    own = [name for name in own_presets() if name not in preset_names()]
    return ", ".join(preset_names()) + (f", your own {', '.join(own)}" if own else "")


def save_preset(experiment: Experiment, path: Path) -> None:
    """Write an experiment as a preset. Raises PresetError where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, to_toml(experiment), None if path.exists() else 0o644)
    except OSError as error:
        raise PresetError(f"{path} cannot be written: {error.strerror}", "choose another folder") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise PresetError(f"{path.name} is not a text file", "a preset is TOML in UTF-8") from None
    except (ValueError, RecursionError) as error:  # not TOML, a number too long, or too deep a nesting
        raise PresetError(f"{path.name} is not TOML: {error}", "mend that line") from None
    except OSError as error:
        raise PresetError(f"{path} cannot be read: {error.strerror}", "check the path and its permissions") from None


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise PresetError(f"--set {override}: not of the form a.b=c", "write for example --set tasks.limit=5")
    *parents, last = key.strip().split(".")
    place: Any = table
    for part in parents:
        place = _child(place, part, override)
    if isinstance(place, list):
        _child(place, last, override)
        place[int(last)] = _value(text)
    else:
        place[last] = _value(text)


def _child(place: Any, part: str, override: str) -> Any:
    if isinstance(place, list):
        if not part.isdecimal() or int(part) >= len(place):
            raise PresetError(
                f"--set {override}: there is no entry {part!r}", f"entries are numbered 0 to {len(place) - 1}"
            )
        return place[int(part)]
    child = place.setdefault(part, {})
    if not isinstance(child, dict | list):
        raise PresetError(f"--set {override}: {part!r} is a value, not a table", "check the key")
    return child


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text.strip()


def _anchor_paths(table: dict[str, Any], folder: Path) -> None:
    """Let a preset name files beside itself, wherever the program is started."""

    def anchored(name: Any) -> Any:
        beside = folder / name if isinstance(name, str) else None
        is_path = beside is not None and (name.endswith((".jsonl", ".gguf")) or name.startswith(("./", "../")))
        return str(beside.resolve()) if is_path and beside and os.path.exists(beside) else name  # noqa: PTH110

    tasks = table.get("tasks")
    if isinstance(tasks, dict) and isinstance(tasks.get("datasets"), list):
        tasks["datasets"] = [anchored(name) for name in tasks["datasets"]]
    attacks = table.get("attacks")
    for attack in attacks if isinstance(attacks, list) else []:
        if isinstance(attack, dict) and "path" in attack:
            attack["path"] = anchored(attack["path"])
    models = table.get("models")
    for model in models if isinstance(models, list) else []:
        if isinstance(model, dict):
            model["id"] = anchored(model.get("id"))


def attack_of(kind: str, parameters: tuple[str, ...] = ()) -> Attack:
    """An attack by its kind and `name=value` parameters, as a command line gives them. Raises PresetError."""
    entry: dict[str, Any] = {"kind": kind}
    for parameter in parameters:
        name, is_given, value = parameter.partition("=")
        if not is_given or name.strip() == "kind":
            raise PresetError(f"--set {parameter} names no parameter of the attack", "write NAME=VALUE")
        entry[name.strip()] = _value(value)
    return read_attack(entry, "attack", "--kind" if not parameters else "--set")
