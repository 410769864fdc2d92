"""Which of the known models a name in a table stands for, so that results under other names find each other."""

from __future__ import annotations

import functools
from typing import NamedTuple

from qrtui.models.catalog import catalog
from qrtui.models.model_info import ModelInfo


class KnownAs(NamedTuple):
    """A model's place in a table: its family and size; a model that the catalog lacks is a family of its own."""

    family: str
    size: str

    @property
    def order(self) -> int:
        """Its place in the catalog; models that are not there come last."""
        return _places().get(self, len(_places()))


def known_as(model: str) -> KnownAs:
    """The family and size of a model by its catalog name, hub id, the last part of that, or family and size.

    Letter case does not matter. A model that the catalog lacks keeps its name as its family, with an empty size.

    >>> known_as("Llama-3.2-1B"), known_as("codegen-350M-mono"), known_as("LLaMA 1B")
    (KnownAs(family='LLaMA', size='1B'), KnownAs(family='CodeGen', size='350M'), KnownAs(family='LLaMA', size='1B'))
    >>> known_as("my-own-model")
    KnownAs(family='my-own-model', size='')
    """
    return _names().get(model.strip().lower(), KnownAs(model, ""))


@functools.cache
def _names() -> dict[str, KnownAs]:
    return {
        name.lower(): KnownAs(info.family, info.size)
        for info in reversed(catalog())
        for name in _names_of(info)
        if name and info.family
    }


@functools.cache
def _places() -> dict[KnownAs, int]:
    return {KnownAs(info.family, info.size): place for place, info in enumerate(catalog())}


def _names_of(info: ModelInfo) -> tuple[str, ...]:
    return (info.name, info.hub_id, info.hub_id.rpartition("/")[2], f"{info.family} {info.size}")
