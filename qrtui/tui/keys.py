"""Which key does what: every action's id, the keys a person gave it, and what is wrong with them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import NamedTuple

from textual.binding import Binding, BindingType
from textual.keys import Keys, _character_to_key

from qrtui.errors import nearest

_NAMES = {"question_mark": "?", "slash": "/", "escape": "Esc", "enter": "Enter", "space": "Space"}
_MOVES = {
    "move.down": "move down",
    "move.up": "move up",
    "move.top": "go to the top",
    "move.bottom": "go to the bottom",
    "move.half_page_down": "move down by half a page",
    "move.half_page_up": "move up by half a page",
}


class KeyRow(NamedTuple):
    """An action: its id, its keys as a person reads them, what it does, and where (a room, or everywhere)."""

    id: str
    keys: tuple[str, ...]
    meaning: str
    room: str


def with_ids(room: str, bindings: Iterable[BindingType]) -> list[BindingType]:
    """The bindings, each with an id that the settings file can name: its own, else `room.action`."""
    return [
        replace(one, id=f"{room}.{_slug(one.action)}") if isinstance(one, Binding) and one.id is None else one
        for one in bindings
    ]


def _slug(action: str) -> str:
    """An action as one word.

    >>> _slug("next_divergence"), _slug("app.room('run')"), _slug("step(-1)")
    ('next_divergence', 'app_room_run', 'step_minus_1')
    """
    return re.sub(r"\W+", "_", action.replace("-", "minus_")).strip("_")


def key_name(key: str) -> str:
    """A key as a person reads it.

    >>> key_name("question_mark"), key_name("ctrl+s"), key_name("n")
    ('?', 'Ctrl+S', 'n')
    """
    if key.startswith("ctrl+"):
        return f"Ctrl+{key[5:].upper()}"
    return _NAMES.get(key, key)


def key_rows(keymap: Mapping[str, str]) -> list[KeyRow]:
    """Every action that can be given another key, by room, with the keys it has under `keymap`."""
    rows: dict[str, KeyRow] = {}
    for room, meaning, binding in _all():
        assert binding.id is not None
        given = keymap.get(binding.id)
        keys = given.split(",") if given else [*rows[binding.id].keys] if binding.id in rows else []
        if not given:
            keys.append(binding.key)
        if binding.id in rows:
            meaning = "; ".join(filter(None, dict.fromkeys([rows[binding.id].meaning, meaning])))
        rows[binding.id] = KeyRow(binding.id, tuple(dict.fromkeys(map(key_name, keys))), meaning, room)
    return list(rows.values())


def usable_keys(keys: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Those of the settings' keys that can be used, and a line for each that cannot.

    Unusable are an unknown id, an unknown key, and a key that would do two things in one room.
    """
    known: dict[str, list[tuple[str, Binding]]] = {}
    for room, _, binding in _all():
        known.setdefault(binding.id or "", []).append((room, binding))
    usable: dict[str, str] = {}
    lines: list[str] = []
    for id, wanted in keys.items():
        problem = _problem(id, wanted, known)
        if problem:
            lines.append(problem)
        else:
            usable[id] = ",".join(map(_normal, wanted.split(",")))
    for id in [*usable]:
        other = _taken(id, usable, known)
        if other:
            lines.append(f"keys: {id} = {usable[id]!r} is the key of {other} too; give one of them another")
            del usable[id]
    return usable, lines


def _problem(id: str, wanted: str, known: Mapping[str, object]) -> str:
    if id not in known:
        return " ".join(filter(None, [f"keys: there is no action {id!r};", nearest(id, known), "see qrtui keys"]))
    for key in map(_normal, wanted.split(",")):
        if not _is_key(key):
            return f"keys: {id}: there is no key {key!r}; write a letter, f1 to f12, or for example ctrl+r"
    return ""


def _taken(id: str, usable: Mapping[str, str], known: Mapping[str, list[tuple[str, Binding]]]) -> str:
    """The id of another action that the same key does in the same room (or everywhere); empty if there is none."""
    rooms = {room for room, _ in known[id]}
    # A key that it has anyway may be shadowed on purpose: q is Quit, but in Compare another thing.
    wanted = set(usable[id].split(",")) - {one.key for _, one in known[id]}
    for other, places in known.items():
        if other != id and (rooms & {room for room, _ in places} or "everywhere" in rooms | {r for r, _ in places}):
            theirs = set(usable[other].split(",")) if other in usable else {one.key for _, one in places}
            if wanted & theirs:
                return other
    return ""


def _normal(key: str) -> str:
    key = key.strip()
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    last = _character_to_key(last) if len(last) == 1 else last.lower()
    return "+".join([*(modifier.lower() for modifier in modifiers), last])


_KEYS = {str(key.value) for key in Keys}


def _is_key(key: str) -> bool:
    *modifiers, last = key.split("+")
    if not set(modifiers) <= {"ctrl", "shift", "alt", "super", "meta", "hyper"}:
        return False
    if key in _KEYS or last in _KEYS or (len(last) == 1 and last.isalnum()):
        return True
    try:
        return bool(unicodedata.lookup(last.replace("_", " ")))
    except KeyError:
        return last in ("minus", "plus", "underscore", "slash", "backslash", "at")


def _all() -> Iterator[tuple[str, str, Binding]]:
    """Where, what it does, and the binding: of the app, of every room (imports them), of moving."""
    from qrtui.tui.app import QrtuiApp
    from qrtui.tui.screens.framed import FramedScreen
    from qrtui.tui.widgets.header import ROOMS
    from qrtui.tui.widgets.moves import MOVES

    for one in [*QrtuiApp.BINDINGS, *FramedScreen.BINDINGS]:
        if isinstance(one, Binding) and one.id and one.description:
            yield "everywhere", _lower(one.tooltip or one.description), one
    for room in ROOMS:
        screen = getattr(import_module(f"qrtui.tui.screens.{room}"), f"{room.capitalize()}Screen")
        for one in screen.BINDINGS:
            if isinstance(one, Binding) and one.id:
                yield room, _lower(screen.meaning_of(one)), one
    for one in MOVES:
        yield "moving", _MOVES[one.id or ""], one


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
