"""What a translator of the sentence attack is, and which there are."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from qrtui.errors import AttackError

EngineName = Literal["mbart-50", "opus-mt", "apertium"]
"""mBART-50 many-to-many and OPUS-MT go through German, as the paper does (Section S2); apertium through Spanish."""

ENGINES: tuple[EngineName, ...] = get_args(EngineName)

ASSETS: Mapping[EngineName, tuple[str, ...]] = {
    "mbart-50": ("mbart-50",),
    "opus-mt": ("opus-mt-en-de", "opus-mt-de-en"),
    "apertium": (),
}
"""The assets that an engine's weights are, as `qrtui pull` knows them, English to German first."""

Progress = Callable[[int, int], None]
"""Told (done, total) in sentences; each distinct one counts twice, once on its way out and once on its way back."""

# sentencepiece 0.2.3 wants a protobuf newer than EvalPlus' dependencies allow.
_REQUIREMENTS = {"sentencepiece": "'sentencepiece<0.2.3'", "protobuf": "protobuf"}


class Engine(ABC):
    """Translates English to another language and back.

    `revision` pins what the translations depend on: equal strings, equal translator. It is no promise of the last bit:
    a GPU and a CPU round differently, and so do batches of different sentences.
    """

    name: EngineName
    revision: str

    @abstractmethod
    def translate(self, sentences: Sequence[str], progress: Progress) -> list[str]:
        """The sentences after their round trip, in their order, each in one line.

        The same list gives the same answer, whatever its order. An exception out of `progress` ends the work. Raises
        AttackError where the translator fails.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the translator's memory back; it must not be used afterwards."""


def is_available(name: EngineName) -> bool:
    """Whether `open_engine` would find what the engine needs; cheap, loads nothing."""
    if name == "apertium":
        from qrtui.perturb.translation.apertium import find_apertium

        return find_apertium() is not None
    folders = [folder for folder in _folders(name) if folder is not None]
    return len(folders) == len(ASSETS[name]) and not _missing_packages(name, folders)


def open_engine(name: EngineName, device: str = "auto", folders: Sequence[Path] | None = None) -> Engine:
    """The engine, with its weights loaded on `device` (auto, cpu, cuda or cuda:N).

    `folders` names the weights' folders in the order of `ASSETS`; by default they are where `qrtui pull` leaves them.
    Raises AttackError where weights, libraries or the apertium program are absent or cannot be used.
    """
    if name == "apertium":
        from qrtui.perturb.translation.apertium import open_apertium

        return open_apertium()
    found = list(folders) if folders is not None else [folder for folder in _folders(name) if folder is not None]
    if len(found) != len(ASSETS[name]):
        raise AttackError(f"the translator {name} is not on this machine", how_to_get(name))
    if missing := _missing_packages(name, found):
        wanted = " ".join(_REQUIREMENTS[package] for package in missing)
        raise AttackError(f"{name} needs the Python package {missing[0]}", f"install it with: pip install {wanted}")
    from qrtui.perturb.translation.seq2seq import open_seq2seq

    return open_seq2seq(name, found, device)


def how_to_get(name: EngineName) -> str:
    """What a person can do where the engine cannot serve."""
    recorded = 'kind = "recorded" with a file'
    if name == "apertium":
        return f"install Debian's apertium-eng-spa, or write {recorded}"
    pulls = " and ".join(f"qrtui pull {asset}" for asset in ASSETS[name])
    return (
        f'fetch the translator with: {pulls}, or write engine = "apertium" (Debian\'s apertium-eng-spa), or {recorded}'
    )


def _folders(name: EngineName) -> list[Path | None]:
    from qrtui.perturb.assets import asset_path

    return [asset_path(asset) for asset in ASSETS[name]]


def _missing_packages(name: EngineName, folders: Sequence[Path]) -> list[str]:
    """The packages that transformers needs for the engine's vocabulary and that are not installed."""
    if name == "mbart-50" and (folders[0] / "tokenizer.json").is_file():
        return []
    modules = {"sentencepiece": "sentencepiece"} | ({"protobuf": "google.protobuf"} if name == "mbart-50" else {})
    return [package for package, module in modules.items() if not _can_import(module)]


def _can_import(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a dotted name whose parent is absent
        return False
