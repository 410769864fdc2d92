"""What a prompt attack is: a pure function from a prompt's natural language to a list of edits."""

from __future__ import annotations

import difflib
import itertools
import random
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from qrtui.errors import AttackError, QrtuiError
from qrtui.perturb.spans import Span, natural_language_spans

Item = TypeVar("Item")

PAPERS_KINDS = ("char", "word", "sentence")
"""The paper's three levels by their kinds, in its order (Section S2)."""

_MOST_COMPARISONS = 4_000_000


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
    """A prompt before and after an attack, the edits that lead from one to the other, and where prose was before."""

    before: str
    after: str
    edits: list[Edit]
    spans: Sequence[Span] = ()

    @property
    def changed(self) -> bool:
        """Whether the attack found anything to change."""
        return self.before != self.after

    @property
    def touches_code(self) -> bool:
        """Whether anything outside the natural language changed: only a recorded prompt may."""
        return any(not _within(self.spans, edit) for edit in self.edits)


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

    @classmethod
    def published(cls) -> bool:
        """Whether this is one of the paper's three levels."""
        return cls.kind() in PAPERS_KINDS

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """The parameters that have no default: without them there is no such attack."""
        return tuple(field.name for field in msgspec.structs.fields(cls) if field.required)

    @property
    def label(self) -> str:
        """The kind, followed by the parameters that differ from their defaults: `char max_changes=15`."""
        changed = [
            f"{field.name}={getattr(self, field.name)}"
            for field in msgspec.structs.fields(self)
            if field.required or getattr(self, field.name) != _default(field)
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
    """The prompt as `attack` leaves it: but for recorded prompts, what is no natural language stays byte for byte.

    The random choices depend on nothing but (seed, attack label, task id), so that every model and precision gets
    the same attacked prompt, in any process and under any hash seed. Raises AttackError where the attack lacks what it
    works with, or is not one of ours and fails.
    """
    rng = random.Random(f"{seed}/{attack.label}/{task_id}")
    spans = natural_language_spans(prompt)
    subject = Subject(prompt, spans, task_id, translations)
    if type(attack).__module__.startswith("qrtui."):
        edits = attack.edits_of(subject, rng)
    else:
        edits = _edits_by_stranger(attack, subject, rng)
    return AttackedPrompt(prompt, apply_edits(prompt, edits), edits, spans)


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


def edits_between(before: str, after: str) -> list[Edit]:
    """Edits that lead from one text to another, word by word: `apply_edits(before, edits_between(...)) == after`.

    Very different long texts differ in one edit.

    >>> edits_between("sum of the list", "total of  the list")
    [Edit(start=0, end=3, replacement='total'), Edit(start=6, end=6, replacement=' ')]
    """
    ours, theirs = _WORD.findall(before), _WORD.findall(after)
    head = _shared(ours, theirs)
    tail = _shared(ours[head:][::-1], theirs[head:][::-1])
    left, right = ours[head : len(ours) - tail], theirs[head : len(theirs) - tail]
    if len(left) * len(right) > _MOST_COMPARISONS:
        codes = [("replace", 0, len(left), 0, len(right))]
    else:
        codes = [*difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()]
    starts = [sum(map(len, ours[:head]))]
    for word in left:
        starts.append(starts[-1] + len(word))
    return [Edit(starts[a], starts[b], "".join(right[c:d])) for tag, a, b, c, d in codes if tag != "equal"]


def draw_some(eligible: Sequence[Item], probability: float, at_most: int, rng: random.Random) -> list[Item]:
    """Some of what could be changed, in its order: each passes a coin, and `at_most` of those that come up heads stay.

    Where no coin comes up heads one is drawn all the same: a prompt left as it is would be counted as one withstood.
    """
    heads = [item for item in range(len(eligible)) if rng.random() < probability]
    if not heads and eligible:
        heads = [rng.randrange(len(eligible))]
    chosen = rng.sample(heads, min(len(heads), at_most))
    return [eligible[item] for item in sorted(chosen)]


# Every other character is a word of its own, so that a changed indentation leaves the words beside it alone.
_WORD = re.compile(r"\w+|\W")


def _shared(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many words both begin with."""
    shared = 0
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            break
        shared += 1
    return shared


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _within(spans: Sequence[Span], edit: Edit) -> bool:
    return any(start <= edit.start and edit.end <= end for start, end in spans)


def _edits_by_stranger(attack: Attack, subject: Subject, rng: random.Random) -> list[Edit]:
    """The edits of an attack from another package, which may fail in any way and must keep to the prose."""
    whose = f"the attack {attack.label!r} ({type(attack).__module__})"
    try:
        edits = [Edit(start, end, replacement) for start, end, replacement in attack.edits_of(subject, rng)]
        ordered = all(one.end <= other.start for one, other in itertools.pairwise(edits))
        kept = all(edit.start <= edit.end and _within(subject.spans, edit) for edit in edits)
        texts = all(isinstance(edit.replacement, str) for edit in edits)
    except QrtuiError:
        raise
    except Exception as error:
        problem = f"{whose} failed on {subject.task_id or 'the text'}: {type(error).__name__}: {error}"
        raise AttackError(problem, "report it to its authors") from error
    if not (ordered and kept and texts):
        problem = f"{whose} made edits out of order or outside the natural language of {subject.task_id or 'the text'}"
        raise AttackError(problem, "report it to its authors")
    return [edit for edit in edits if subject.text[edit.start : edit.end] != edit.replacement]
