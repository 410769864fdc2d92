"""An attack's parameters as fields to fill in: what each takes, and the attack that the filled-in ones make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from qrtui.errors import PresetError
from qrtui.perturb.attack import Attack
from qrtui.perturb.attacks import ATTACKS
from qrtui.spec import read_attack


class Field(NamedTuple):
    """A parameter: its name, what it may be in words, and the words to choose from where there are only some."""

    name: str
    allowed: str
    choices: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name as a person reads it."""
        return self.name.replace("_", " ")


def fields_of(kind: str) -> list[Field]:
    """The parameters of a kind of attack, in its order.

    >>> fields_of("char")
    [Field(name='probability', allowed='a number from 0 to 1', choices=()), \
Field(name='max_changes', allowed='a whole number from 1 on', choices=())]
    """
    found = []
    for field in msgspec.structs.fields(ATTACKS[kind]):
        info = msgspec.inspect.type_info(field.type)
        choices = tuple(map(str, info.values)) if isinstance(info, msgspec.inspect.LiteralType) else ()
        found.append(Field(field.encode_name, f"one of {', '.join(choices)}" if choices else _allowed(info), choices))
    return found


def attack_from(kind: str, typed: Mapping[str, str]) -> Attack:
    """The attack that the typed parameters make. Raises PresetError that names the parameter and what it may be."""
    types = {field.encode_name: field for field in msgspec.structs.fields(ATTACKS[kind])}
    entry: dict[str, object] = {"kind": kind}
    for field in fields_of(kind):
        text = typed[field.name].strip()
        if not text and not types[field.name].required and not isinstance(types[field.name].default, str):
            continue
        try:
            entry[field.name] = msgspec.convert(text, types[field.name].type, strict=False)
        except msgspec.ValidationError:
            shown = repr(text) if text else "nothing"
            raise PresetError(f"{field.title}: {shown} will not do", f"give {field.allowed}") from None
    return read_attack(entry, kind, "Setup")


def _allowed(info: msgspec.inspect.Type) -> str:
    if isinstance(info, msgspec.inspect.IntType):
        return "a whole number" + _bounds(info)
    if isinstance(info, msgspec.inspect.FloatType):
        return "a number" + _bounds(info)
    if isinstance(info, msgspec.inspect.BoolType):
        return "true or false"
    if isinstance(info, msgspec.inspect.StrType):
        most = f" of at most {info.max_length} characters" if info.max_length else ""
        return f"a text{most}" + ("" if info.min_length else ", or nothing")
    return "what the attack's documentation says"


def _bounds(info: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    low, high = (info.ge if info.ge is not None else info.gt), (info.le if info.le is not None else info.lt)
    above = "above" if info.gt is not None else "from"
    if low is None:
        return f" up to {high:g}" if high is not None else ""
    return f" {above} {low:g}" + (f" to {high:g}" if high is not None else " on" if above == "from" else "")
