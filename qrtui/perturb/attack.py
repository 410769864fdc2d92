"""What a prompt attack is: a pure function from a prompt's natural language to a list of edits."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import msgspec

from qrtui.perturb.spans import Span, natural_language_spans


class Edit(NamedTuple):
    """Replace `text[start:end]` by `replacement`."""

    start: int
    end: int
    replacement: str


class Subject(NamedTuple):
    """What an attack works on: a prompt, its natural language, the task it states, and translations known so far.

    `translations` maps a sentence to its back-translation by the attack's own engine; only the sentence attack asks.
    """

    text: str
    spans: Sequence[Span]
    task_id: str = ""
    translations: Mapping[str, str] = MappingProxyType({})


class AttackedPrompt(NamedTuple):
    """A prompt before and after an attack, and the edits that lead from one to the other."""

    before: str
    after: str
    edits: list[Edit]

    @property
    def changed(self) -> bool:
        """Whether the attack found anything to change."""
        return self.before != self.after


class Attack(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """A prompt attack and its parameters; subclasses are named by their `tag`, the preset's `kind`.

    `level` is the granularity the attack works at, in the paper's terms (Section S2).
    """

    level: ClassVar[str] = ""

    def edits(self, text: str, spans: Sequence[Span], rng: random.Random) -> list[Edit]:
        """The edits this attack makes inside `spans` of `text`: in order, not overlapping, none without effect.

        The same text, spans and state of `rng` give the same edits in any process.
        """
        raise NotImplementedError

    def edits_of(self, subject: Subject, rng: random.Random) -> list[Edit]:
        """The same for attacks that need to know more than text and spans; most leave this as it is."""
        return self.edits(subject.text, subject.spans, rng)

    @property
    def assets(self) -> tuple[str, ...]:
        """The names of the data files that the attack cannot do without, as `qrtui pull` knows them."""
        return ()

    @classmethod
    def kind(cls) -> str:
        """The name a preset uses."""
        return str(cls.__struct_config__.tag)

    @property
    def label(self) -> str:
        """The kind, followed by the parameters that differ from their defaults: `char max_changes=15`."""
        default = type(self)()
        changed = [
            f"{field}={getattr(self, field)}"
            for field in self.__struct_fields__
            if getattr(self, field) != getattr(default, field)
        ]
        return " ".join([self.kind(), *changed])

    def parameters(self) -> dict[str, Any]:
        """Every parameter with its value."""
        return {field: getattr(self, field) for field in self.__struct_fields__}


def attack_prompt(
    prompt: str,
    attack: Attack,
    *,
    seed: int,
    task_id: str = "",
    translations: Mapping[str, str] = MappingProxyType({}),
) -> AttackedPrompt:
    """The prompt as `attack` leaves it, everything outside its natural language byte for byte the same.

    The random choices depend on nothing but (seed, attack label, task id), so that every model and precision gets
    the same attacked prompt, in any process and under any hash seed.
    """
    rng = random.Random(f"{seed}/{attack.label}/{task_id}")
    edits = attack.edits_of(Subject(prompt, natural_language_spans(prompt), task_id, translations), rng)
    return AttackedPrompt(prompt, apply_edits(prompt, edits), edits)


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """The text with every edit made.

    >>> apply_edits("count the vowels", [Edit(0, 1, "C"), Edit(10, 16, "letters")])
    'Count the letters'
    """
    parts, at = [], 0
    for start, end, replacement in edits:
        parts += [text[at:start], replacement]
        at = end
    return "".join([*parts, text[at:]])
