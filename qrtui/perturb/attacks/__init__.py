"""Prompt attacks, one module each, and those that installed packages bring.

Every module in this folder is imported and every `Attack` it defines becomes a `kind` that presets, commands and the
app know by name: adding an attack is adding a file. A package adds one by an entry point of the group `qrtui.attacks`
whose name is the attack's kind and whose value is its class; it is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Iterator, Mapping

from qrtui.errors import AttackError
from qrtui.perturb.attack import PAPERS_KINDS, Attack

ENTRY_POINTS = "qrtui.attacks"


class Attacks(Mapping[str, type[Attack]]):
    """Every attack by its kind: the paper's first, then our others, then those of installed packages.

    Iterating passes over an attack that cannot be loaded; asking for it by name raises AttackError, and `problems`
    tells it.
    """

    def __init__(self) -> None:
        for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
            importlib.import_module(f"{__name__}.{module}")
        ours = [attack for attack in Attack.__subclasses__() if attack.__module__.startswith(f"{__name__}.")]
        known = {attack.kind(): attack for attack in ours}
        order = [*PAPERS_KINDS, *sorted(known)]
        self._ours: dict[str, type[Attack]] = {kind: known[kind] for kind in dict.fromkeys(order) if kind in known}
        self._found: dict[str, list[importlib.metadata.EntryPoint]] | None = None
        self._theirs: dict[str, type[Attack] | AttackError] = {}

    def __getitem__(self, kind: str) -> type[Attack]:
        if kind in self._ours:
            return self._ours[kind]
        if kind not in self._entry_points():
            raise KeyError(kind)
        loaded = self._load(kind)
        if isinstance(loaded, AttackError):
            raise AttackError(loaded.problem, loaded.way_out)
        return loaded

    def __contains__(self, kind: object) -> bool:
        return kind in self._ours or kind in self._entry_points()

    def __iter__(self) -> Iterator[str]:
        yield from self._ours
        for kind in self._entry_points():
            if kind not in self._ours and not isinstance(self._load(kind), AttackError):
                yield kind

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def ready(self) -> list[Attack]:
        """One of each kind with its defaults; those that need a parameter are left out."""
        return [kind() for kind in self.values() if not kind.required()]

    def problems(self) -> list[str]:
        """One line for each attack of an installed package that cannot be used."""
        lines = []
        for kind, offers in self._entry_points().items():
            if kind in self._ours:
                lines += [
                    f"the attack {kind!r} of {_package(offer)} is not used: that name is ours" for offer in offers
                ]
            else:
                loaded = self._load(kind)
                lines += [str(loaded)] if isinstance(loaded, AttackError) else []
        return lines

    def _entry_points(self) -> dict[str, list[importlib.metadata.EntryPoint]]:
        """What packages offer, by name; looked up once, when a name is first asked for that is not ours."""
        if self._found is None:
            found: dict[str, list[importlib.metadata.EntryPoint]] = {}
            for entry in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda one: one.name):
                found.setdefault(entry.name, []).append(entry)
            self._found = found
        return self._found

    def _load(self, kind: str) -> type[Attack] | AttackError:
        if kind not in self._theirs:
            self._theirs[kind] = _loaded(kind, self._entry_points()[kind])
        return self._theirs[kind]


def _loaded(kind: str, offers: list[importlib.metadata.EntryPoint]) -> type[Attack] | AttackError:
    """The class that a package offers, or why there is none."""
    if len({(offer.value, _package(offer)) for offer in offers}) > 1:
        packages = " and ".join(sorted({_package(offer) for offer in offers}))
        return AttackError(f"the attack {kind!r} is offered by {packages}", "uninstall one of them")
    whose = f"the attack {kind!r} of {_package(offers[0])}"
    way_out = "uninstall or mend that package"
    try:
        offered = offers[0].load()
        if not (isinstance(offered, type) and issubclass(offered, Attack)):
            return AttackError(f"{whose} is no subclass of qrtui.perturb.attack.Attack", way_out)
        if offered.kind() != kind:
            return AttackError(
                f"{whose} calls itself {offered.kind()!r}: tag and entry point must be the same", way_out
            )
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is not our code
        return AttackError(f"{whose} cannot be loaded ({type(error).__name__}: {error})", way_out)
    return offered


def _package(entry: importlib.metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module


ATTACKS = Attacks()
"""Every attack by its kind, as a preset's `[[attacks]] kind = "..."` names it."""
