"""Where the marks of the task list stand: a group of columns for each perturbation, a mark in it for each precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qrtui.perturb.naming import level_name
from qrtui.tui.wording import is_noise

ORIGINAL = "o"
_LONGEST_TIGHT = 5


class Group(NamedTuple):
    """One perturbation's columns: where they begin, how wide they are, and where each precision's mark stands."""

    perturbation: str
    name: str
    start: int
    width: int
    marks: tuple[int, ...]


class StripColumns(NamedTuple):
    """The groups from left to right, the letters that head the marks, and the width of it all."""

    groups: tuple[Group, ...]
    letters: tuple[str, ...]
    width: int

    def group(self, perturbation: str) -> Group | None:
        """A perturbation's group."""
        return next((group for group in self.groups if group.perturbation == perturbation), None)

    def at(self, x: int) -> tuple[Group, int] | None:
        """The group, and the number of the precision, whose mark is nearest to a column."""
        for group in self.groups:
            if group.start <= x <= group.start + group.width:
                return group, min(range(len(group.marks)), key=lambda at: abs(group.start + group.marks[at] - x))
        return None


def strip_columns(perturbations: Sequence[str], quantized: Sequence[str], room: int) -> StripColumns:
    """Groups with room between the marks where that fits into `room` columns, else packed and with shorter names."""
    wide = _columns(short_names(perturbations), perturbations, quantized, step=2)
    return wide if wide.width <= room else _columns(tight_names(perturbations), perturbations, quantized, step=1)


def _columns(
    names: Sequence[str], perturbations: Sequence[str], quantized: Sequence[str], *, step: int
) -> StripColumns:
    """Marks stand `step` columns apart, groups as many from each other."""
    count = 1 + len(quantized)
    marks = tuple(at * step for at in range(count))
    groups, start = [], 0
    for perturbation, name in zip(perturbations, names, strict=True):
        width = max(marks[-1] + 1, len(name))
        groups.append(Group(perturbation, name, start, width, marks))
        start += width + step
    return StripColumns(tuple(groups), (ORIGINAL, *letters(quantized)), max(0, start - step))


def letters(precisions: Sequence[str]) -> list[str]:
    """One character for each precision: its first, or another of its own where that is taken.

    >>> letters(["int8", "nf4"]), letters(["int8", "int4", "fp4"])
    (['i', 'n'], ['i', '4', 'f'])
    """
    taken = {ORIGINAL}
    found = []
    for precision in precisions:
        choices = [precision[:1], *filter(str.isdigit, precision), *precision, *"123456789"]
        letter = next((choice for choice in choices if choice not in taken), "?")
        taken.add(letter)
        found.append(letter)
    return found


def short_names(perturbations: Sequence[str]) -> list[str]:
    """Names for column heads: an attack's kind, a noise's level, with as much more as tells them apart.

    >>> short_names(["clean", "char", "gaussian 0.003 published"])
    ['clean', 'char', '3e-3']
    >>> short_names(["uniform 0.01 published", "gaussian 0.01 published"])
    ['u 1e-2', 'g 1e-2']
    >>> short_names(["sentence engine=apertium"]), short_names(["char", "char max_changes=9"])
    (['sentence'], ['char', 'char 9'])
    """
    noises = [perturbation.split() for perturbation in perturbations if is_noise(perturbation)]
    kinds, protocols = {words[0] for words in noises}, {words[2] for words in noises}
    attacks = [perturbation.split()[0] for perturbation in perturbations if not is_noise(perturbation)]
    return [
        _noise(perturbation, len(kinds) > 1, len(protocols) > 1)
        if is_noise(perturbation)
        else _attack(perturbation, attacks)
        for perturbation in perturbations
    ]


def tight_names(perturbations: Sequence[str]) -> list[str]:
    """The same in fewer columns: no blanks, and no long words where each still differs from all others.

    >>> tight_names(["clean", "sentence engine=apertium", "gaussian 0.003 published"])
    ['clean', 'sent.', '3e-3']
    >>> tight_names(["gaussian 0.01 published", "gaussian 0.01 after"])
    ['1e-2p', '1e-2a']
    """
    names = []
    for perturbation, name in zip(perturbations, short_names(perturbations), strict=True):
        if is_noise(perturbation):
            first, *rest = name.split()
            protocol = rest.pop()[0] if rest and not rest[-1][0].isdigit() else ""
            names.append(first + "".join(rest) + protocol)
        else:
            names.append(name if len(name) <= _LONGEST_TIGHT else f"{name[: _LONGEST_TIGHT - 1]}.")
    return names if len(set(names)) == len(names) else short_names(perturbations)


def _noise(perturbation: str, with_kind: bool, with_protocol: bool) -> str:
    kind, level, protocol = perturbation.split()
    size = level_name(float(level))
    return " ".join(filter(None, [kind[0] if with_kind else "", size, protocol[:3] if with_protocol else ""]))


def _attack(perturbation: str, attacks: Sequence[str]) -> str:
    kind, *parameters = perturbation.split()
    if attacks.count(kind) == 1:
        return kind
    return " ".join([kind, *(parameter.rpartition("=")[2] for parameter in parameters)])
