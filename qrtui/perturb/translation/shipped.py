"""Translations that ship with the program, so that the demo's prompts can be attacked without any translator.

Each file in `data/translations` is one engine's: a first line that says where it is from, then a line a sentence.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from qrtui import paths
from qrtui.errors import AttackError


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file of translations is from; `revision` is the engine's when it was made."""

    engine: str
    revision: str
    date: str
    command: str
    sentences: str
    licence: str


class Translation(msgspec.Struct, frozen=True):
    """A sentence before and after its round trip."""

    source: str
    result: str


class ShippedTranslations(msgspec.Struct, frozen=True):
    """One file: its provenance and its translations by their source."""

    provenance: Provenance
    translations: Mapping[str, str]


def shipped_translations(engine: str) -> Mapping[str, str]:
    """The translations by `engine` that ship with the program, by their source; empty where there are none."""
    every: dict[str, str] = {}
    for file in shipped_files():
        if file.provenance.engine == engine:
            every.update(file.translations)
    return MappingProxyType(every)


@functools.cache
def shipped_files() -> tuple[ShippedTranslations, ...]:
    """Every file of translations that ships, in the order of the files' names; raises AttackError for a damaged one."""
    return tuple(read_translations(file) for file in sorted(paths.shipped("data", "translations").glob("*.jsonl")))


def read_translations(file: Path) -> ShippedTranslations:
    """The translations in a file; raises AttackError where it is absent or damaged."""
    try:
        first, *others = file.read_bytes().splitlines()
        known = [msgspec.json.decode(line, type=Translation) for line in others if line.strip()]
        provenance = msgspec.json.decode(first, type=Provenance)
    except (OSError, ValueError) as error:
        raise AttackError(f"the translations in {file} cannot be read ({error})", "install qrtui again") from error
    return ShippedTranslations(provenance, {one.source: one.result for one in known})


def written(provenance: Provenance, translations: Iterable[Translation]) -> bytes:
    """The bytes of a file of translations, sorted by source."""
    lines: list[msgspec.Struct] = [provenance, *sorted(translations, key=lambda one: one.source)]
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
